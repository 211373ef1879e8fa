function Set-VMBackupHold {
    <#
    .SYNOPSIS
        Holds restore points, so that nothing removes them, or releases them.
    .DESCRIPTION
        A held restore point is not removed: not by Remove-VMBackup, not by Invoke-VMBackupRetention, not from another machine.
        It uses up none of the keep rules. Holding and releasing also work on storage where nothing can be deleted.
    .PARAMETER Id
        Ids of restore points, or beginnings of them that no other restore point has.
    .PARAMETER Repository
        Location of the repository, or a repository object as New-VMBackupRepository gives it.
    .PARAMETER Release
        Release the hold.
    .PARAMETER Passphrase
        Passphrase of the repository, when it is encrypted. When left out: that of the repository object, or of the file that
        the environment variable HVBACKUP_PASSPHRASE_FILE names.
    .EXAMPLE
        Get-VMBackup web01 -Repository D:\Backups | Select-Object -Last 1 | Set-VMBackupHold

        Holds the newest restore point of a virtual machine.
    .EXAMPLE
        Get-VMBackup -Repository D:\Backups | Where-Object Held | Set-VMBackupHold -Release

        Releases every restore point that is held.
    .OUTPUTS
        HyperVBackup.HoldResult: RestorePointId, VMName, VMId, Held, Changed, Repository.
    .LINK
        about_HyperVBackup
    #>
    [CmdletBinding(SupportsShouldProcess)]
    [OutputType('HyperVBackup.HoldResult')]
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

        [switch] $Release
    )

    process {
        try {
            $location = Resolve-Repository -Repository $Repository
            $secret = Resolve-Passphrase -Passphrase $Passphrase -Repository $Repository
            foreach ($point in $Id) {
                $action = if ($Release) { 'Release the hold' } else { 'Hold' }
                if (-not $PSCmdlet.ShouldProcess("Restore point $point in $location", $action)) { continue }
                $parameters = @{ repository = $location; passphrase = $secret; point = $point; release = [bool]$Release }
                $result = Invoke-Backend -Method 'point/hold' -Parameters $parameters -TargetObject $point -Cmdlet $PSCmdlet
                if (-not $result) { continue }
                [pscustomobject]@{
                    PSTypeName     = 'HyperVBackup.HoldResult'
                    RestorePointId = [string]$result.pointId
                    VMName         = [string]$result.vmName
                    VMId           = [guid]$result.vmId
                    Held           = [bool]$result.held
                    Changed        = [bool]$result.changed
                    Repository     = $location
                }
            }
        } catch {
            $PSCmdlet.ThrowTerminatingError($_)
        }
    }
}
