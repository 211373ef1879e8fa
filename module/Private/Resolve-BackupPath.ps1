function Resolve-BackupPath {
    <#
    .SYNOPSIS
        Absolute file system path of a path that need not exist; wildcards mean themselves.
    #>
    [CmdletBinding()]
    [OutputType([string])]
    param(
        [Parameter(Mandatory)]
        [string] $Path
    )

    # What is absolute already stays, wherever the current location points (another drive, the registry, a server).
    $absolute = if ([System.IO.Path]::DirectorySeparatorChar -eq '\') { '^([A-Za-z]:[\\/]|[\\/]{2})' } else { '^/' }
    if ($Path -match $absolute) { return [System.IO.Path]::GetFullPath($Path) }
    # The backend's current folder is not PowerShell's location.
    return $ExecutionContext.SessionState.Path.GetUnresolvedProviderPathFromPSPath($Path)
}
