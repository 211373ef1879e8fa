function Get-ModuleVersion {
    <#
    .SYNOPSIS
        Version of this module.
    #>
    [CmdletBinding()]
    [OutputType([string])]
    param()

    return "$($ExecutionContext.SessionState.Module.Version)"
}
