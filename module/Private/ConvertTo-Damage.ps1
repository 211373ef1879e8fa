function ConvertTo-Damage {
    <#
    .SYNOPSIS
        A DamageReport of the protocol as a HyperVBackup.Damage.
    #>
    [CmdletBinding()]
    [OutputType('HyperVBackup.Damage')]
    param(
        [Parameter(Mandatory)]
        [psobject] $Damage
    )

    $affected = foreach ($point in @(Get-Field -InputObject $Damage -Name 'affects')) {
        if ($null -eq $point) { continue }
        [pscustomobject]@{
            RestorePointId = [string]$point.pointId
            VMName         = [string]$point.vmName
            DiskNumber     = Get-Field -InputObject $point -Name 'disk'
            Offset         = Get-Field -InputObject $point -Name 'offset'
            Length         = Get-Field -InputObject $point -Name 'length'
        }
    }
    return [pscustomobject]@{
        PSTypeName = 'HyperVBackup.Damage'
        Object     = [string]$Damage.object
        Path       = [string]$Damage.path
        Offset     = Get-Field -InputObject $Damage -Name 'offset'
        Message    = [string]$Damage.message
        Affects    = @($affected)
    }
}
