function Get-VMBackupRepositoryKey {
    <#
    .SYNOPSIS
        Gets the keys of an encrypted repository: one for each of its passphrases.
    .DESCRIPTION
        Lists the keys of an encrypted repository with their labels. The passphrases themselves are not stored anywhere and
        cannot be shown. A key whose object is damaged says so in Problem.
    .PARAMETER Repository
        Location of the repository, or a repository object as New-VMBackupRepository gives it.
    .PARAMETER Passphrase
        One of its passphrases. When left out: that of the repository object, or of the file that the environment variable
        HVBACKUP_PASSPHRASE_FILE names.
    .EXAMPLE
        Get-VMBackupRepositoryKey -Repository D:\Backups -Passphrase (Read-Host -Prompt 'Passphrase' -AsSecureString)

        Lists the keys.
    .EXAMPLE
        Get-VMBackupRepositoryKey -Repository D:\Backups | Where-Object -Property Current

        Shows which key the passphrase in use belongs to.
    .OUTPUTS
        HyperVBackup.RepositoryKey: Id, Label, CreatedAt, Current, Problem, Repository.
    .LINK
        about_HyperVBackup
    #>
    [CmdletBinding()]
    [OutputType('HyperVBackup.RepositoryKey')]
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
            $result = Invoke-Backend -Method 'key/list' -Parameters $parameters -TargetObject $location -Cmdlet $PSCmdlet
            if (-not $result) { return }
            foreach ($key in $result.keys) {
                ConvertTo-RepositoryKey -Key $key -Repository $location | Add-Passphrase -Passphrase $Passphrase -Repository $Repository
            }
        } catch {
            $PSCmdlet.ThrowTerminatingError($_)
        }
    }
}
