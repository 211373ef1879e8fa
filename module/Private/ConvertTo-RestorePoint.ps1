function ConvertTo-RestorePoint {
    <#
    .SYNOPSIS
        A PointSummary or PointDetail of the protocol as a HyperVBackup.RestorePoint.
    #>
    [CmdletBinding()]
    [OutputType('HyperVBackup.RestorePoint')]
    param(
        [Parameter(Mandatory)]
        [psobject] $Point,

        # Location of its repository.
        [Parameter(Mandatory)]
        [string] $Repository
    )

    $newBytes = Get-Field -InputObject $Point -Name 'newBytes'
    $fields = [ordered]@{
        Id          = [string]$Point.id
        VMName      = [string]$Point.vmName
        VMId        = [guid]$Point.vmId
        CreatedAt   = ConvertTo-UtcTime -Text $Point.createdAt
        Kind        = ConvertTo-EnumName -Value $Point.kind
        Mode        = ConvertTo-EnumName -Value $Point.mode
        Consistency = ConvertTo-EnumName -Value $Point.consistency
        Size        = [long]$Point.size
        NewBytes    = if ($null -eq $newBytes) { $null } else { [long]$newBytes }
        Held        = [bool]$Point.held
        Sequence    = [long](Get-Field -InputObject $Point -Name 'sequence')
        Repository  = $Repository
    }
    if ($null -ne (Get-Field -InputObject $Point -Name 'disks')) {
        $fields.VMHost = [string]$Point.host
        $fields.MetadataBytes = [long]$Point.metadataBytes
        $fields.Disks = @(foreach ($disk in $Point.disks) { ConvertTo-BackupDisk -Disk $disk })
        $fields.Configuration = @(foreach ($file in $Point.configuration) { [string]$file.name })
        $fields.VM = $Point.vm
        $fields.Warnings = @(foreach ($warning in $Point.warnings) { [string]$warning })
    }
    $made = [pscustomobject]$fields
    $made.PSObject.TypeNames.Insert(0, 'HyperVBackup.RestorePoint')
    return $made
}
