function Approve-VMBackupRemoval {
    <#
    .SYNOPSIS
        Accepts that restore points of a repository are missing that this machine has seen.
    .DESCRIPTION
        Every machine remembers the restore points it has seen. Every command that lists restore points warns of one that is
        missing without having been removed by Remove-VMBackup or by retention, and of one that has reappeared after its
        removal: a process or person with write access to the repository has deleted objects, or has restored an older state.
        When you know why, this command ends these warnings. Each missing restore point gets a tombstone in the repository,
        so that its removal counts for every machine and no longer blocks deletion. Nothing is restored.

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
            if (-not $PSCmdlet.ShouldProcess($location, 'Accept restore points that are missing, or reappeared after their removal')) { return }
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
