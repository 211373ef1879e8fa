function Remove-VMBackup {
    <#
    .SYNOPSIS
        Removes restore points and frees their space.
    .DESCRIPTION
        Removes restore points from a repository. Others stay as they are, whatever the order: each is complete on its own.
        Space that another session may still need is given back later; the result says how much. A held restore point is
        refused: Set-VMBackupHold -Release releases it.

        Asks before it removes, unless -Force or -Confirm:$false is given.
    .PARAMETER Id
        Ids of restore points, or beginnings of them that no other restore point has.
    .PARAMETER Repository
        Location of the repository, or a repository object as New-VMBackupRepository gives it.
    .PARAMETER OverrideDoubt
        Delete in spite of a doubt (REPOSITORY_DOUBTFUL): restore points that are missing without a removal, incomplete
        listings. It counts for this call only; Approve-VMBackupRemoval accepts it for good.
    .PARAMETER Force
        Do not ask.
    .PARAMETER Passphrase
        Passphrase of the repository, when it is encrypted. When left out: that of the repository object, or of the file that
        the environment variable HVBACKUP_PASSPHRASE_FILE names.
    .EXAMPLE
        Remove-VMBackup -Repository D:\Backups -Id 01JD9QK4T4W6

        Removes one restore point after asking.
    .EXAMPLE
        Get-VMBackup web01 -Repository D:\Backups | Select-Object -SkipLast 7 | Remove-VMBackup -Force

        Removes all but the newest seven restore points of a virtual machine.
    .OUTPUTS
        HyperVBackup.RemoveResult: RestorePointId, FreedBytes, PendingBytes, StorageRetries (calls of the storage
        that failed and were repeated), Repository.
    .LINK
        about_HyperVBackup
    #>
    [CmdletBinding(SupportsShouldProcess, ConfirmImpact = 'High')]
    [OutputType('HyperVBackup.RemoveResult')]
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

        [switch] $OverrideDoubt,

        [switch] $Force
    )

    begin {
        if ($Force -and -not $PSBoundParameters.ContainsKey('Confirm')) { $ConfirmPreference = 'None' }
    }

    process {
        try {
            $location = Resolve-Repository -Repository $Repository
            $secret = Resolve-Passphrase -Passphrase $Passphrase -Repository $Repository
            foreach ($point in $Id) {
                # Without a user to ask this throws. Only inside `try` does that not go on with the next statement.
                if (-not $PSCmdlet.ShouldProcess("Restore point $point in $location", 'Remove')) { continue }
                $call = @{
                    Method       = 'point/remove'
                    Parameters   = @{ repository = $location; passphrase = $secret; point = $point; overrideDoubt = [bool]$OverrideDoubt }
                    Activity     = "Removing $point"
                    TargetObject = $point
                }
                $result = Invoke-Backend @call -Cmdlet $PSCmdlet
                if (-not $result) { continue }
                [pscustomobject]@{
                    PSTypeName     = 'HyperVBackup.RemoveResult'
                    RestorePointId = [string]$result.pointId
                    FreedBytes     = [long]$result.freedBytes
                    PendingBytes   = [long]$result.pendingBytes
                    StorageRetries = ConvertTo-StorageRetry -Result $result
                    Repository     = $location
                }
            }
        } catch {
            $PSCmdlet.ThrowTerminatingError($_)
        }
    }
}
