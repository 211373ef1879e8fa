function ConvertTo-BackupResult {
    <#
    .SYNOPSIS
        A BackupVmResult of the protocol as a HyperVBackup.BackupResult.
    #>
    [CmdletBinding()]
    [OutputType('HyperVBackup.BackupResult')]
    param(
        [Parameter(Mandatory)]
        [psobject] $Result,

        # Location of the repository.
        [Parameter(Mandatory)]
        [string] $Repository
    )

    [long] $read = 0
    [long] $new = $Result.metadataBytes
    foreach ($disk in $Result.disks) {
        $read += $disk.readBytes
        $new += $disk.newBytes
    }
    return [pscustomobject]@{
        PSTypeName     = 'HyperVBackup.BackupResult'
        VMName         = [string]$Result.vmName
        VMId           = [guid]$Result.vmId
        RestorePointId = [string]$Result.restorePointId
        CreatedAt      = ConvertTo-UtcTime -Text $Result.createdAt
        Kind           = ConvertTo-EnumName -Value $Result.kind
        Mode           = ConvertTo-EnumName -Value $Result.mode
        Consistency    = ConvertTo-EnumName -Value $Result.consistency
        ReadBytes      = $read
        NewBytes       = $new
        MetadataBytes  = [long]$Result.metadataBytes
        Duration       = [timespan]::FromMilliseconds($Result.durationMs)
        Disks          = @(foreach ($disk in $Result.disks) { ConvertTo-BackupDisk -Disk $disk })
        StorageRetries = ConvertTo-StorageRetry -Result $Result
        Warnings       = @(foreach ($warning in $Result.warnings) { [string]$warning })
        Repository     = $Repository
    }
}
