function Invoke-Backend {
    <#
    .SYNOPSIS
        Calls one method with a backend of its own. Nothing when it failed; the error was reported then.
    #>
    [CmdletBinding()]
    [OutputType([psobject])]
    param(
        [Parameter(Mandatory)]
        [string] $Method,

        # Entries that are $null are left out.
        [Parameter(Mandatory)]
        [hashtable] $Parameters,

        # Command that errors are reported as; nobody hears of them when it is left out.
        [System.Management.Automation.PSCmdlet] $Cmdlet,

        # Headline of the progress display; none is shown when absent.
        [string] $Activity,

        # What an error is about.
        [object] $TargetObject
    )

    $call = @{ Method = $Method; Parameters = $Parameters; Activity = $Activity; TargetObject = $TargetObject }
    Use-Backend -Cmdlet $Cmdlet -Process {
        param($backend)
        Invoke-BackendMethod -Backend $backend @call
    }
}
