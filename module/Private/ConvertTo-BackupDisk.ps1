function ConvertTo-BackupDisk {
    <#
    .SYNOPSIS
        A BackupDiskResult or PointDisk of the protocol as a HyperVBackup.BackupDisk.
    #>
    [CmdletBinding()]
    [OutputType('HyperVBackup.BackupDisk')]
    param(
        [Parameter(Mandatory)]
        [psobject] $Disk
    )

    $method = Get-Field -InputObject $Disk -Name 'method'
    return [pscustomobject]@{
        PSTypeName   = 'HyperVBackup.BackupDisk'
        Number       = [int]$Disk.index
        DiskId       = [string]$Disk.id
        Mode         = ConvertTo-EnumName -Value $Disk.mode
        Reason       = [string](Get-Field -InputObject $Disk -Name 'reason')
        Skipped      = [string](Get-Field -InputObject $Disk -Name 'skipped')
        Size         = [long]$Disk.size
        ChangedBytes = [long]$Disk.changedBytes
        ReadBytes    = [long]$Disk.readBytes
        NewBytes     = [long]$Disk.newBytes
        Method       = if ($method) { ConvertTo-EnumName -Value $method } else { '' }
        MethodReason = [string](Get-Field -InputObject $Disk -Name 'methodReason')
    }
}
