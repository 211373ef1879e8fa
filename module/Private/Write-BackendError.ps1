function Write-BackendError {
    <#
    .SYNOPSIS
        Reports an error object as a non-terminating error of a command.
    .NOTES
        Nothing is thrown on the way: each function that an exception passes adds one more entry to -ErrorVariable.
    #>
    [CmdletBinding()]
    param(
        # The command; completion has none, and reports no errors.
        [AllowNull()]
        [System.Management.Automation.PSCmdlet] $Cmdlet,

        # code, message, advice, data.
        [Parameter(Mandatory)]
        [object] $ErrorObject,

        [object] $TargetObject
    )

    if ($null -eq $Cmdlet) {
        Write-Debug -Message "$(Get-Field -InputObject $ErrorObject -Name 'message')"
        return
    }
    $Cmdlet.WriteError((ConvertTo-BackendErrorRecord -ErrorObject $ErrorObject -TargetObject $TargetObject))
}
