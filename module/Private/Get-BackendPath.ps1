function Get-BackendPath {
    <#
    .SYNOPSIS
        Path of the backend's bundle: HVBACKUP_BACKEND, the module's own, or what a source tree has built.
    .NOTES
        Nothing when there is none.
    #>
    [CmdletBinding()]
    [OutputType([string])]
    param()

    if ($env:HVBACKUP_BACKEND) { return $env:HVBACKUP_BACKEND }
    foreach ($candidate in 'backend/hvbackup.cjs', 'build/out/hvbackup.cjs') {
        $path = Join-Path -Path $script:ModuleRoot -ChildPath $candidate
        if (Test-Path -LiteralPath $path -PathType Leaf) { return $path }
    }
}
