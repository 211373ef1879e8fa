function Resolve-BackupLocation {
    <#
    .SYNOPSIS
        Where a repository lies: an absolute path, or a URI (scheme://) as it is, which the backend knows or refuses.
    #>
    [CmdletBinding()]
    [OutputType([string])]
    param(
        [Parameter(Mandatory)]
        [string] $Location
    )

    # No drive of PowerShell is followed by two slashes.
    if ($Location -match '^[A-Za-z][A-Za-z0-9+.-]+://') { return $Location }
    return Resolve-BackupPath -Path $Location
}
