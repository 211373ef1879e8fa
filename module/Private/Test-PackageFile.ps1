function Test-PackageFile {
    <#
    .SYNOPSIS
        Whether a file of the package is the one that its list of files (files.json) names by hash.
    .NOTES
        Finds damage and mixed versions before they show as something else; no protection from a process that may write to the folder, where the list
        lies too. True for files from elsewhere, and in a source tree, which has no list. Read once a session, and again when it was changed:
        Node is some 100 MB long.
    #>
    [CmdletBinding()]
    [OutputType([bool])]
    param(
        [Parameter(Mandatory)]
        [string] $Path
    )

    $list = Join-Path -Path $script:ModuleRoot -ChildPath 'files.json'
    $prefix = $script:ModuleRoot.TrimEnd('\', '/') + [System.IO.Path]::DirectorySeparatorChar
    $full = [System.IO.Path]::GetFullPath($Path)
    if (-not $full.StartsWith($prefix, [System.StringComparison]::OrdinalIgnoreCase) -or -not (Test-Path -LiteralPath $list -PathType Leaf)) { return $true }
    $file = New-Object -TypeName System.IO.FileInfo -ArgumentList $full
    # Starting it says so better.
    if (-not $file.Exists) { return $true }
    $stamp = '{0} {1}' -f $file.Length, $file.LastWriteTimeUtc.Ticks
    if ($script:CheckedFiles[$full] -eq $stamp) { return $true }
    $files = (ConvertFrom-BackendJson -Json ([System.IO.File]::ReadAllText($list))).files
    $entry = $files.PSObject.Properties[$full.Substring($prefix.Length).Replace('\', '/')]
    if (-not $entry -or (Get-FileHash -LiteralPath $full -Algorithm SHA256).Hash -ne [string] $entry.Value) { return $false }
    $script:CheckedFiles[$full] = $stamp
    return $true
}
