function New-VMBackupRepository {
    <#
    .SYNOPSIS
        Creates a repository for backups of virtual machines.
    .DESCRIPTION
        Creates a repository: a folder on a local disk or a share that holds restore points of any number of virtual
        machines, from any number of hosts. Blocks that disks have in common are stored once, compressed.
        The folder is created when it is missing. A folder that holds anything else is refused.
    .PARAMETER Path
        Folder of the new repository: a local path or an SMB path.
    .PARAMETER BlockSize
        Size of the blocks that disks are cut into, in bytes: a power of two from 64KB to 4MB. A measured default when left out.
    .PARAMETER Passphrase
        Passphrase that encrypts the repository. This version refuses it: repositories are not encrypted yet.
    .EXAMPLE
        New-VMBackupRepository -Path D:\Backups

        Creates a repository with the default block size.
    .EXAMPLE
        New-VMBackupRepository -Path \\server\backups -BlockSize 256KB

        Creates a repository on a share, with blocks of 256 KiB.
    .OUTPUTS
        HyperVBackup.Repository: Location, Id, BlockSize, FormatVersion, CreatedAt. Other commands take it as -Repository.
    .LINK
        about_HyperVBackup
    #>
    [CmdletBinding(SupportsShouldProcess)]
    [OutputType('HyperVBackup.Repository')]
    param(
        [Parameter(Mandatory, Position = 0, ValueFromPipeline, ValueFromPipelineByPropertyName)]
        [Alias('FullName', 'Location')]
        [ValidateNotNullOrEmpty()]
        [string] $Path,

        [ValidateRange(65536, 4194304)]
        [int] $BlockSize,

        [securestring] $Passphrase
    )

    process {
        try {
            $location = Resolve-BackupPath -Path $Path
            if (-not $PSCmdlet.ShouldProcess($location, 'Create repository')) { return }
            $parameters = @{
                location   = $location
                blockSize  = if ($BlockSize) { $BlockSize } else { $null }
                # Only that there is one: the backend refuses it by name.
                passphrase = if ($Passphrase) { $true } else { $null }
            }
            $result = Invoke-Backend -Method 'repository/create' -Parameters $parameters -TargetObject $location -Cmdlet $PSCmdlet
            if (-not $result) { return }
            $info = $result.repository
            $null = Resolve-Repository -Repository $info.location
            [pscustomobject]@{
                PSTypeName    = 'HyperVBackup.Repository'
                Location      = [string]$info.location
                Id            = [string]$info.id
                BlockSize     = [long]$info.blockSize
                FormatVersion = [int]$info.formatVersion
                CreatedAt     = ConvertTo-UtcTime -Text $info.createdAt
            }
        } catch {
            $PSCmdlet.ThrowTerminatingError($_)
        }
    }
}
