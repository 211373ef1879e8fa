function Get-Backend {
    <#
    .SYNOPSIS
        The backend of this PowerShell session; started when there is none, or none that fits.
    .NOTES
        Nothing when it cannot be started; the error was reported then.
    #>
    [CmdletBinding()]
    [OutputType([hashtable])]
    param(
        # Command that errors are reported as; when omitted they are not reported.
        [System.Management.Automation.PSCmdlet] $Cmdlet
    )

    $identity = Get-BackendIdentity
    $backend = $script:Backend
    if ($null -ne $backend) {
        if ($backend.Identity -ceq $identity -and -not $backend.Closed -and -not $backend.Ending -and -not $backend.Process.HasExited) { return $backend }
        $script:Backend = $null
        # Where a command further up the pipeline waits for one of its answers it goes on, and ends when it is idle.
        if (-not $backend.Inbox.Count) { Close-Backend -Backend $backend }
    }
    $script:Backend = Open-Backend -Cmdlet $Cmdlet
    if ($null -ne $script:Backend) { $script:Backend.Identity = $identity }
    return $script:Backend
}
