function Repair-VMBackupRepository {
    <#
    .SYNOPSIS
        Makes a damaged repository whole as far as its own data can give it back.
    .DESCRIPTION
        Loads this machine's catalog anew, indexes packs that no index names any more, looks again at records that were found
        damaged, and puts unreadable indexes aside: their bytes are kept in the repository's folder quarantine. Nothing is
        deleted. What stays lost is named by virtual machine, restore point, disk and range; it comes back with the next
        backup that sees the content again.

        Backups may run meanwhile; a prune or another repair may not.
    .PARAMETER Repository
        Location of the repository, or a repository object as New-VMBackupRepository gives it.
    .PARAMETER Passphrase
        Passphrase of the repository, when it is encrypted. When left out: that of the repository object, or of the file that
        the environment variable HVBACKUP_PASSPHRASE_FILE names.
    .EXAMPLE
        Repair-VMBackupRepository -Repository D:\Backups

        Repairs a repository.
    .EXAMPLE
        (Repair-VMBackupRepository -Repository D:\Backups).Losses | Format-Table -Property VMName, RestorePointId, DiskNumber, LostBytes

        Repairs a repository and lists what restore points have lost.
    .OUTPUTS
        HyperVBackup.RepairResult: Healthy, PacksIndexed, Quarantined, Healed, Damage, Losses, Duration, Repository.
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
        [securestring] $Passphrase
    )

    process {
        try {
            $location = Resolve-Repository -Repository $Repository
            $secret = Resolve-Passphrase -Passphrase $Passphrase -Repository $Repository
            if (-not $PSCmdlet.ShouldProcess($location, 'Repair repository')) { return }
            $call = @{ Method = 'repository/repair'; Parameters = @{ repository = $location; passphrase = $secret }; Activity = "Repairing $location"; TargetObject = $location }
            $result = Invoke-Backend @call -Cmdlet $PSCmdlet
            if (-not $result) { return }
            if (-not $result.ok) { Write-Warning -Message "${location}: damage remains. The result's Damage and Losses name it." }
            [pscustomobject]@{
                PSTypeName   = 'HyperVBackup.RepairResult'
                Healthy      = [bool]$result.ok
                PacksIndexed = [int]$result.packsIndexed
                Restored     = @(foreach ($path in $result.restored) { [string]$path })
                Quarantined  = @(foreach ($path in $result.quarantined) { [string]$path })
                Healed       = [int]$result.healed
                Damage       = @(foreach ($damage in $result.damages) { ConvertTo-Damage -Damage $damage })
                Losses       = @(ConvertTo-Loss -Loss $result.losses)
                Duration     = [timespan]::FromMilliseconds($result.durationMs)
                Repository   = $location
            }
        } catch {
            $PSCmdlet.ThrowTerminatingError($_)
        }
    }
}
