function Test-VMBackup {
    <#
    .SYNOPSIS
        Verifies restore points: reads every byte, or a sample, and compares it with its hash.
    .DESCRIPTION
        Reads what restore points are made of and compares every block with its hash. Without an id the whole repository is
        verified. Damage is named down to the virtual machine, restore point, disk and offset, as far as it is known.

        The result's Healthy shows whether no damage was found; damage also gives a warning.
    .PARAMETER Id
        Ids of restore points, or beginnings of them that no other restore point has.
    .PARAMETER Repository
        Location of the repository, or a repository object as New-VMBackupRepository gives it.
    .PARAMETER Sample
        Read only this share of the blocks, in percent.
    .PARAMETER Passphrase
        Passphrase of the repository, when it is encrypted. When left out: that of the repository object, or of the file that
        the environment variable HVBACKUP_PASSPHRASE_FILE names.
    .EXAMPLE
        Test-VMBackup -Repository D:\Backups

        Verifies every byte of a repository.
    .EXAMPLE
        Get-VMBackup web01 -Repository D:\Backups | Select-Object -Last 1 | Test-VMBackup

        Verifies the newest restore point of a virtual machine.
    .EXAMPLE
        if (-not (Test-VMBackup -Repository D:\Backups -Sample 5).Healthy) { Write-Error 'The backups are damaged.' }

        Verifies a sample, for a script.
    .OUTPUTS
        HyperVBackup.TestResult: Healthy, RestorePointId, VerifiedBytes, ReadBytes, Damage, Losses,
        StorageRetries (calls of the storage that failed and were repeated), Duration, Repository.
    .LINK
        about_HyperVBackup
    #>
    [CmdletBinding()]
    [OutputType('HyperVBackup.TestResult')]
    param(
        [Parameter(ValueFromPipelineByPropertyName)]
        [Alias('RestorePointId')]
        [ValidateNotNullOrEmpty()]
        [string[]] $Id,

        [Parameter(Mandatory, ValueFromPipelineByPropertyName)]
        [ValidateNotNullOrEmpty()]
        [object] $Repository,

        [Parameter(ValueFromPipelineByPropertyName)]
        [securestring] $Passphrase,

        [ValidateScript({ $_ -gt 0 -and $_ -le 100 })]
        [double] $Sample
    )

    process {
        try {
            $location = Resolve-Repository -Repository $Repository
            $secret = Resolve-Passphrase -Passphrase $Passphrase -Repository $Repository
            $points = @($null)
            if ($Id) { $points = $Id }
            foreach ($point in $points) {
                $target = if ($point) { $point } else { $location }
                $parameters = @{ repository = $location; passphrase = $secret; point = $point; sample = if ($Sample) { $Sample } else { $null } }
                $call = @{ Method = 'repository/verify'; Parameters = $parameters; Activity = "Verifying $target"; TargetObject = $target }
                $result = Invoke-Backend @call -Cmdlet $PSCmdlet
                if (-not $result) { continue }
                if (-not $result.ok) { Write-Warning -Message "${target}: $(@($result.damages).Count + [int]$result.moreDamages) damaged. The result's Damage and Losses name what." }
                [pscustomobject]@{
                    PSTypeName     = 'HyperVBackup.TestResult'
                    Healthy        = [bool]$result.ok
                    RestorePointId = @(foreach ($verified in $result.points) { [string]$verified })
                    VerifiedBytes  = [long]$result.verifiedBytes
                    ReadBytes      = [long]$result.readBytes
                    Damage         = @(foreach ($damage in $result.damages) { ConvertTo-Damage -Damage $damage })
                    Losses         = @(ConvertTo-Loss -Loss $result.losses)
                    StorageRetries = ConvertTo-StorageRetry -Result $result
                    Duration       = [timespan]::FromMilliseconds($result.durationMs)
                    Repository     = $location
                }
            }
        } catch {
            $PSCmdlet.ThrowTerminatingError($_)
        }
    }
}
