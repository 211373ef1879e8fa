function Repair-VMBackupRepository {
    <#
    .SYNOPSIS
        Repairs a damaged repository as far as its own data allows.
    .DESCRIPTION
        Writes lost or unreadable manifests of restore points back from the repository's ledger or from what this machine knows,
        loads this machine's catalog anew, indexes packs that no index names any more, stores anew what damaged packs still
        hold, reads records again that were found damaged, and quarantines what cannot be read: the bytes are kept in the
        repository's folder quarantine. With -From, what is lost is read from another repository that holds copies of the restore
        points, or from a copy of the folder. What stays lost is named by virtual machine, restore point, disk and range; it comes back with the next
        backup that sees the content again.

        Backups may run meanwhile; a prune or another repair may not.
    .PARAMETER Repository
        Location of the repository, or a repository object as New-VMBackupRepository gives it.
    .PARAMETER Passphrase
        Passphrase of the repository, when it is encrypted. When left out: that of the repository object, or of the file that
        the environment variable HVBACKUP_PASSPHRASE_FILE names.
    .PARAMETER From
        Location of another repository that holds copies of the restore points (made by Copy-VMBackup), or of a copy of the
        repository's folder; or a repository object. Block sizes and passphrases of the two may differ.
    .PARAMETER FromPassphrase
        Passphrase of the other repository, when it is encrypted.
    .EXAMPLE
        Repair-VMBackupRepository -Repository D:\Backups

        Repairs a repository.
    .EXAMPLE
        Repair-VMBackupRepository -Repository D:\Backups -From E:\Offsite

        Repairs a repository, and takes what it has lost from another one.
    .EXAMPLE
        (Repair-VMBackupRepository -Repository D:\Backups).Losses | Format-Table -Property VMName, RestorePointId, DiskNumber, LostBytes

        Repairs a repository and lists what restore points have lost.
    .OUTPUTS
        HyperVBackup.RepairResult: Healthy, RestoredPoints, HealedPoints, PacksIndexed, PacksRewritten, Quarantined, Healed, Damage, Losses,
        StorageRetries (calls of the storages that failed and were repeated), Duration, Repository.
    .LINK
        about_HyperVBackup
    #>
    [CmdletBinding(SupportsShouldProcess)]
    [OutputType('HyperVBackup.RepairResult')]
    param(
        [Parameter(Mandatory, Position = 0, ValueFromPipeline, ValueFromPipelineByPropertyName)]
        [ValidateNotNullOrEmpty()]
        [object] $Repository,

        [Parameter(ValueFromPipelineByPropertyName)]
        [securestring] $Passphrase,

        [Parameter()]
        [ValidateNotNullOrEmpty()]
        [object] $From,

        [Parameter()]
        [securestring] $FromPassphrase
    )

    process {
        try {
            $location = Resolve-Repository -Repository $Repository
            $secret = Resolve-Passphrase -Passphrase $Passphrase -Repository $Repository
            if (-not $PSCmdlet.ShouldProcess($location, 'Repair repository')) { return }
            $parameters = @{ repository = $location; passphrase = $secret }
            if ($PSBoundParameters.ContainsKey('From')) {
                $parameters.from = Resolve-Repository -Repository $From
                $parameters.fromPassphrase = Resolve-Passphrase -Passphrase $FromPassphrase -Repository $From -NoEnvironment
            }
            $call = @{ Method = 'repository/repair'; Parameters = $parameters; Activity = "Repairing $location"; TargetObject = $location }
            $result = Invoke-Backend @call -Cmdlet $PSCmdlet
            if (-not $result) { return }
            if (-not $result.ok) { Write-Warning -Message "${location}: damage remains. The result's Damage and Losses name it." }
            [pscustomobject]@{
                PSTypeName     = 'HyperVBackup.RepairResult'
                Healthy        = [bool]$result.ok
                RestoredPoints = @(foreach ($id in $result.restoredPoints) { [string]$id }; foreach ($id in (Get-Field -InputObject (Get-Field -InputObject $result -Name from) -Name restored)) { [string]$id })
                HealedPoints   = @(foreach ($id in (Get-Field -InputObject (Get-Field -InputObject $result -Name from) -Name healed)) { [string]$id })
                PacksIndexed   = [int]$result.packsIndexed
                PacksRewritten = [int]$result.packsRewritten
                Restored       = @(foreach ($path in $result.restored) { [string]$path })
                Quarantined    = @(foreach ($path in $result.quarantined) { [string]$path })
                Healed         = [int]$result.healed
                Damage         = @(foreach ($damage in $result.damages) { ConvertTo-Damage -Damage $damage })
                Losses         = @(ConvertTo-Loss -Loss $result.losses)
                StorageRetries = ConvertTo-StorageRetry -Result $result
                Duration       = [timespan]::FromMilliseconds($result.durationMs)
                Repository     = $location
            }
        } catch {
            $PSCmdlet.ThrowTerminatingError($_)
        }
    }
}
