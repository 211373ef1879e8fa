function ConvertTo-Hole {
    <#
    .SYNOPSIS
        Unreadable ranges of the protocol as HyperVBackup.Hole objects: DiskNumber, Offset, Length.
    #>
    [CmdletBinding()]
    [OutputType('HyperVBackup.Hole')]
    param(
        [AllowNull()]
        [AllowEmptyCollection()]
        [object[]] $Hole
    )

    foreach ($one in $Hole) {
        if ($null -eq $one) { continue }
        [pscustomobject]@{
            PSTypeName = 'HyperVBackup.Hole'
            DiskNumber = [int]$one.disk
            Offset     = [long]$one.offset
            Length     = [long]$one.length
        }
    }
}
