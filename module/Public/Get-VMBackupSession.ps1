function Get-VMBackupSession {
    <#
    .SYNOPSIS
        Gets the active sessions of a repository.
    .DESCRIPTION
        Lists the backups, prunes and readers that are registered in a repository, of all machines. A session that is not renewed
        for a day expires by itself; one whose process is known to be gone can be ended with Stop-VMBackupSession.
    .PARAMETER Repository
        Location of the repository, or a repository object as New-VMBackupRepository gives it.
    .PARAMETER Passphrase
        Passphrase of an encrypted repository. When left out: that of the repository object, or of the file that the environment
        variable HVBACKUP_PASSPHRASE_FILE names.
    .EXAMPLE
        Get-VMBackupSession -Repository D:\Backups

        Lists who is at work.
    .EXAMPLE
        Get-VMBackupSession -Repository D:\Backups | Where-Object -Property State -NE -Value 'active'

        Lists what was interrupted.
    .OUTPUTS
        HyperVBackup.RepositorySession: Id, Kind, State, Owner, MachineName, ProcessId, Local, CreatedAt, ExpiresAt, PointId, Repository.
    .LINK
        about_HyperVBackup
    #>
    [CmdletBinding()]
    [OutputType('HyperVBackup.RepositorySession')]
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
            $parameters = @{ repository = $location; passphrase = Resolve-Passphrase -Passphrase $Passphrase -Repository $Repository }
            $result = Invoke-Backend -Method 'session/list' -Parameters $parameters -TargetObject $location -Cmdlet $PSCmdlet
            if (-not $result) { return }
            foreach ($session in $result.sessions) {
                ConvertTo-RepositorySession -Session $session -Repository $location | Add-Passphrase -Passphrase $Passphrase -Repository $Repository
            }
        } catch {
            $PSCmdlet.ThrowTerminatingError($_)
        }
    }
}
