function Write-HoleWarning {
    <#
    .SYNOPSIS
        Warns when a restore or export left something out.
    #>
    [CmdletBinding()]
    param(
        [Parameter(Mandatory)]
        [psobject] $Result,

        [Parameter(Mandatory)]
        [string] $Target
    )

    $count = @($Result.holes).Count + [int]$Result.moreHoles
    if ($count -eq 0) { return }
    $size = Format-ByteCount -Bytes $Result.holeBytes
    Write-Warning -Message "$Target is damaged: $size could not be read and are zeros, in $count places. The result's Holes names them."
}
