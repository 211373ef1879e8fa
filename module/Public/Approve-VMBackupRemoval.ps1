function Approve-VMBackupRemoval {
    <#
    .SYNOPSIS
        Takes the restore points of a repository as they are, although some are gone that this machine has seen.
    .DESCRIPTION
        Every machine remembers the restore points it has seen. One that is gone, and was not removed by Remove-VMBackup or by
        retention, and one that is back after its removal, is a warning of every command that lists restore points: somebody who
        can write to the repository has deleted objects, or has brought an older state back. When you know why, this command ends
        these warnings. What is gone gets a tombstone in the repository, so that it counts for every machine and nothing is
        kept from being deleted any more because of it. It brings nothing back.

        Asks before it does so, unless -Force or -Confirm:$false is given. Which restore points are concerned
        Get-VMBackup says in its warnings.
    .PARAMETER Repository
        Location of the repository, or a repository object as New-VMBackupRepository gives it.
    .PARAMETER Passphrase
        Passphrase of the repository, when it is encrypted. When left out: that of the repository object, or of the file that
        the environment variable HVBACKUP_PASSPHRASE_FILE names.
    .PARAMETER Force
        Do not ask.
    .EXAMPLE
        Approve-VMBackupRemoval -Repository D:\Backups

        Accepts what is missing, after asking, and lists it.
    .EXAMPLE
        Approve-VMBackupRemoval -Repository D:\Backups -Force | Export-Csv -Path D:\Reports\removed.csv

        Accepts what is missing without asking, and keeps a list of it.
    .OUTPUTS
        HyperVBackup.ApprovedRemoval, one for each restore point: Id, VMName, CreatedAt, State (Gone or Back), Repository.
    .LINK
        about_HyperVBackup
    #>
    [CmdletBinding(SupportsShouldProcess, ConfirmImpact = 'High')]
    [OutputType('HyperVBackup.ApprovedRemoval')]
    param(
        [Parameter(Mandatory, Position = 0, ValueFromPipeline, ValueFromPipelineByPropertyName)]
        [ValidateNotNullOrEmpty()]
        [object] $Repository,

        [Parameter(ValueFromPipelineByPropertyName)]
        [securestring] $Passphrase,

        [switch] $Force
    )

    begin {
        if ($Force -and -not $PSBoundParameters.ContainsKey('Confirm')) { $ConfirmPreference = 'None' }
    }

    process {
        try {
            $location = Resolve-Repository -Repository $Repository
            $secret = Resolve-Passphrase -Passphrase $Passphrase -Repository $Repository
            if (-not $PSCmdlet.ShouldProcess($location, 'Accept restore points that are gone, or back after their removal')) { return }
            $parameters = @{ repository = $location; passphrase = $secret }
            $result = Invoke-Backend -Method 'repository/acceptRemoved' -Parameters $parameters -TargetObject $location -Cmdlet $PSCmdlet
            if (-not $result) { return }
            foreach ($point in $result.points) {
                [pscustomobject]@{
                    PSTypeName = 'HyperVBackup.ApprovedRemoval'
                    Id         = [string]$point.id
                    VMName     = [string]$point.vmName
                    CreatedAt  = ConvertTo-UtcTime -Text $point.createdAt
                    State      = ConvertTo-EnumName -Value $point.state
                    Repository = $location
                }
            }
        } catch {
            $PSCmdlet.ThrowTerminatingError($_)
        }
    }
}
