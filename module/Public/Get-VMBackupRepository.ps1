function Get-VMBackupRepository {
    <#
    .SYNOPSIS
        Gets a repository: what it is, and how much it holds.
    .DESCRIPTION
        Shows the block size and format of a repository, how many restore points of how many virtual machines it holds, how
        large their disks are, and how many bytes are stored for them. What it gives is a repository to the other commands.
    .PARAMETER Repository
        Location of the repository, or a repository object as New-VMBackupRepository gives it.
    .PARAMETER Passphrase
        Passphrase of the repository, when it is encrypted. When left out: that of the repository object, or of the file that
        the environment variable HVBACKUP_PASSPHRASE_FILE names.
    .EXAMPLE
        Get-VMBackupRepository -Repository D:\Backups

        Shows the repository and how much is stored in it.
    .EXAMPLE
        'D:\Backups', '\\vault\backups' | Get-VMBackupRepository | Format-Table Location, RestorePoints, StoredBytes

        Compares two repositories.
    .OUTPUTS
        HyperVBackup.Repository: Location, Id, BlockSize, FormatVersion, Encrypted, CreatedAt (UTC), VMs, RestorePoints,
        LogicalBytes, StoredBytes, BlockBytes, NodeBytes, IndexBytes, ManifestBytes, CompressionRatio.
    .LINK
        about_HyperVBackup
    #>
    [CmdletBinding()]
    [OutputType('HyperVBackup.Repository')]
    param(
        [Parameter(Mandatory, Position = 0, ValueFromPipeline)]
        [Alias('Path', 'Location')]
        [ValidateNotNullOrEmpty()]
        [object] $Repository,

        [Parameter(ValueFromPipelineByPropertyName)]
        [securestring] $Passphrase
    )

    process {
        try {
            $location = Resolve-Repository -Repository $Repository
            $secret = Resolve-Passphrase -Passphrase $Passphrase -Repository $Repository
            $stats = Invoke-Backend -Method 'repository/stats' -Parameters @{ repository = $location; passphrase = $secret } -TargetObject $location -Cmdlet $PSCmdlet
            if (-not $stats) { return }
            [pscustomobject]@{
                PSTypeName       = 'HyperVBackup.Repository'
                Location         = [string]$stats.location
                Id               = [string]$stats.id
                BlockSize        = [long]$stats.blockSize
                FormatVersion    = [int]$stats.formatVersion
                Encrypted        = [bool]$stats.encrypted
                CreatedAt        = ConvertTo-UtcTime -Text $stats.createdAt
                VMs              = [int]$stats.vms
                RestorePoints    = [int]$stats.points
                LogicalBytes     = [long]$stats.logicalBytes
                StoredBytes      = [long]($stats.packBytes + $stats.indexBytes + $stats.manifestBytes)
                BlockBytes       = [long]$stats.blockPackBytes
                NodeBytes        = [long]$stats.nodePackBytes
                IndexBytes       = [long]$stats.indexBytes
                ManifestBytes    = [long]$stats.manifestBytes
                CompressionRatio = $stats.compressionRatio
            } | Add-Passphrase -Passphrase $Passphrase -Repository $Repository
        } catch {
            $PSCmdlet.ThrowTerminatingError($_)
        }
    }
}
