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
        Encrypts the repository. Keep the passphrase where neither a fire nor an attacker of this machine can reach it: without it
        the backups cannot be read, and it cannot be recovered. When left out, the file that the environment variable
        HVBACKUP_PASSPHRASE_FILE names holds it; the repository is not encrypted when there is none.
    .EXAMPLE
        New-VMBackupRepository -Path D:\Backups

        Creates a repository with the default block size.
    .EXAMPLE
        New-VMBackupRepository -Path \\server\backups -BlockSize 256KB

        Creates a repository on a share, with blocks of 256 KiB.
    .EXAMPLE
        New-VMBackupRepository -Path D:\Backups -Passphrase (Read-Host -Prompt 'Passphrase' -AsSecureString)

        Creates an encrypted repository.
    .OUTPUTS
        HyperVBackup.Repository: Location, Id, BlockSize, FormatVersion, CreatedAt, Encrypted; Passphrase when one was given. Other commands take it as -Repository.
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
            $location = Resolve-BackupLocation -Location $Path
            if (-not $PSCmdlet.ShouldProcess($location, 'Create repository')) { return }
            $parameters = @{
                location   = $location
                blockSize  = if ($BlockSize) { $BlockSize } else { $null }
                passphrase = Resolve-Passphrase -Passphrase $Passphrase
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
                Encrypted     = [bool]$info.encrypted
            } | Add-Passphrase -Passphrase $Passphrase
        } catch {
            $PSCmdlet.ThrowTerminatingError($_)
        }
    }
}
