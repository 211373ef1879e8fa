function Export-VMBackupData {
    <#
    .SYNOPSIS
        Exports the disks of a restore point as disk images.
    .DESCRIPTION
        Writes disks of a restore point as disk images that Hyper-V and other tools open. No host is needed: any machine that
        reaches the repository can do it. An image appears under its name only when it is complete; an existing file is never
        overwritten.
    .PARAMETER Id
        Ids of restore points, or beginnings of them that no other restore point has.
    .PARAMETER Repository
        Location of the repository, or a repository object as New-VMBackupRepository gives it.
    .PARAMETER Path
        Folder for the images; created when it is missing.
    .PARAMETER Format
        Format of the images: Vhdx, Vhd, Raw or Qcow2.
    .PARAMETER Subformat
        How a VHD holds its content: Fixed or Dynamic; Dynamic when left out. For the format Vhd only.
    .PARAMETER Azure
        Write what Azure takes: a fixed VHD, its size rounded up to whole MiB. For the format Vhd only.
    .PARAMETER DiskNumber
        Numbers of the disks to export, from 0; all when left out.
    .PARAMETER Base
        Export only what differs from this restore point, as differencing disks over its images, which must lie in the same
        folder and be unchanged. For the format Vhdx only.
    .PARAMETER SkipUnreadable
        Restore what can be read of a damaged restore point: unreadable ranges are filled with zeros and reported in Holes.
        AllowHoles, the former name of this parameter, remains as an alias. Without it
        damage is an error.
    .PARAMETER Passphrase
        Passphrase of the repository, when it is encrypted. When left out: that of the repository object, or of the file that
        the environment variable HVBACKUP_PASSPHRASE_FILE names.
    .EXAMPLE
        Export-VMBackupData -Repository D:\Backups -Id 01JD9QK4T4W6 -Path E:\Images -Format Vhdx

        Exports all disks of a restore point as VHDX.
    .EXAMPLE
        Get-VMBackup web01 -Repository D:\Backups | Select-Object -Last 1 | Export-VMBackupData -Path E:\Images -Format Raw -DiskNumber 0

        Exports the first disk of the newest restore point as a raw image.
    .EXAMPLE
        Get-VMBackup web01 -Repository D:\Backups | Select-Object -Last 1 | Export-VMBackupData -Path E:\Azure -Format Vhd -Azure

        Exports the newest restore point as fixed VHDs that Azure takes.
    .OUTPUTS
        HyperVBackup.ExportedFile, one for each image: DiskNumber, Path, Format, Size, FileSize, WrittenBytes, Holes,
        StorageRetries (of the call: calls of the storage that failed and were repeated), VMName, RestorePointId.
    .LINK
        about_HyperVBackup
    #>
    [CmdletBinding(SupportsShouldProcess)]
    [OutputType('HyperVBackup.ExportedFile')]
    param(
        [Parameter(Mandatory, ValueFromPipelineByPropertyName)]
        [Alias('RestorePointId')]
        [ValidateNotNullOrEmpty()]
        [string[]] $Id,

        [Parameter(Mandatory, ValueFromPipelineByPropertyName)]
        [ValidateNotNullOrEmpty()]
        [object] $Repository,

        [Parameter(ValueFromPipelineByPropertyName)]
        [securestring] $Passphrase,

        [Parameter(Mandatory)]
        [ValidateNotNullOrEmpty()]
        [string] $Path,

        [Parameter(Mandatory)]
        [ValidateSet('Vhdx', 'Vhd', 'Raw', 'Qcow2')]
        [string] $Format,

        [ValidateSet('Fixed', 'Dynamic')]
        [string] $Subformat,

        [switch] $Azure,

        [ValidateRange(0, 1023)]
        [int[]] $DiskNumber,

        [ValidateNotNullOrEmpty()]
        [string] $Base,

        [Alias('AllowHoles')]
        [switch] $SkipUnreadable
    )

    process {
        try {
            $location = Resolve-Repository -Repository $Repository
            $secret = Resolve-Passphrase -Passphrase $Passphrase -Repository $Repository
            $directory = Resolve-BackupPath -Path $Path
            foreach ($point in $Id) {
                if (-not $PSCmdlet.ShouldProcess("Restore point $point", "Export to $directory")) { continue }
                $parameters = @{
                    repository = $location
                    passphrase = $secret
                    point      = $point
                    directory  = $directory
                    format     = ConvertTo-ProtocolValue -Value $Format
                    subformat  = ConvertTo-ProtocolValue -Value $Subformat
                    azure      = [bool]$Azure
                    disks      = $DiskNumber
                    base       = if ($Base) { $Base } else { $null }
                    allowHoles = [bool]$SkipUnreadable
                }
                $call = @{ Method = 'point/export'; Parameters = $parameters; Activity = "Exporting $point"; TargetObject = $point }
                $result = Invoke-Backend @call -Cmdlet $PSCmdlet
                if (-not $result) { continue }
                Write-HoleWarning -Result $result -Target "Restore point $point"
                foreach ($file in $result.files) {
                    [pscustomobject]@{
                        PSTypeName     = 'HyperVBackup.ExportedFile'
                        DiskNumber     = [int]$file.disk
                        Path           = [string]$file.path
                        Format         = ConvertTo-EnumName -Value $file.format
                        Size           = [long]$file.size
                        FileSize       = [long]$file.fileSize
                        WrittenBytes   = [long]$file.writtenBytes
                        Holes          = @(ConvertTo-Hole -Hole ($result.holes | Where-Object -Property disk -EQ -Value $file.disk))
                        StorageRetries = ConvertTo-StorageRetry -Result $result
                        VMName         = [string]$result.vmName
                        RestorePointId = [string]$result.restorePointId
                    }
                }
            }
        } catch {
            $PSCmdlet.ThrowTerminatingError($_)
        }
    }
}
