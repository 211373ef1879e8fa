function ConvertTo-Loss {
    <#
    .SYNOPSIS
        What restore points lose by damage (PointLoss of the protocol) as HyperVBackup.Loss objects.
    #>
    [CmdletBinding()]
    [OutputType('HyperVBackup.Loss')]
    param(
        [AllowNull()]
        [AllowEmptyCollection()]
        [object[]] $Loss
    )

    foreach ($one in $Loss) {
        if ($null -eq $one) { continue }
        $ranges = foreach ($range in $one.ranges) { [pscustomobject]@{ Offset = [long]$range.offset; Length = [long]$range.length } }
        [pscustomobject]@{
            PSTypeName        = 'HyperVBackup.Loss'
            VMName            = [string]$one.vmName
            RestorePointId    = [string]$one.pointId
            CreatedAt         = ConvertTo-UtcTime -Text $one.createdAt
            DiskNumber        = Get-Field -InputObject $one -Name 'disk'
            ConfigurationFile = Get-Field -InputObject $one -Name 'configuration'
            LostBytes         = [long]$one.lostBytes
            Ranges            = @($ranges)
            MoreRanges        = [int]$one.moreRanges
        }
    }
}
