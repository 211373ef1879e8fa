function Add-VMBackupRepositoryKey {
    <#
    .SYNOPSIS
        Adds a passphrase to an encrypted repository.
    .DESCRIPTION
        From then on each of its passphrases opens the repository. A second one, kept in a safe, helps when the first is lost.
        To change a passphrase, add the new one, then remove the old one with Remove-VMBackupRepositoryKey.
    .PARAMETER Repository
        Location of the repository, or a repository object as New-VMBackupRepository gives it.
    .PARAMETER NewPassphrase
        The passphrase to add. One that opens the repository already is refused (KEY_EXISTS).
    .PARAMETER Label
        For people: who has it, where it is kept. Name of this machine when left out.
    .PARAMETER Passphrase
        One of its passphrases. When left out: that of the repository object, or of the file that the environment variable
        HVBACKUP_PASSPHRASE_FILE names.
    .EXAMPLE
        Add-VMBackupRepositoryKey -Repository D:\Backups -Passphrase $old -NewPassphrase $new -Label 'in the safe'

        Adds a passphrase.
    .EXAMPLE
        $made | Add-VMBackupRepositoryKey -NewPassphrase (Read-Host -Prompt 'New passphrase' -AsSecureString)

        Adds a passphrase to a repository that was just created.
    .OUTPUTS
        HyperVBackup.RepositoryKey: the new key.
    .LINK
        about_HyperVBackup
    #>
    [CmdletBinding(SupportsShouldProcess)]
    [OutputType('HyperVBackup.RepositoryKey')]
    param(
        [Parameter(Mandatory, Position = 0, ValueFromPipeline, ValueFromPipelineByPropertyName)]
        [ValidateNotNullOrEmpty()]
        [object] $Repository,

        [Parameter(Mandatory)]
        [securestring] $NewPassphrase,

        [ValidateLength(1, 200)]
        [string] $Label,

        [Parameter(ValueFromPipelineByPropertyName)]
        [securestring] $Passphrase
    )

    process {
        try {
            $location = Resolve-Repository -Repository $Repository
            if (-not $PSCmdlet.ShouldProcess($location, 'Add passphrase')) { return }
            $parameters = @{
                repository    = $location
                passphrase    = Resolve-Passphrase -Passphrase $Passphrase -Repository $Repository
                newPassphrase = Resolve-Passphrase -Passphrase $NewPassphrase -NoEnvironment
                label         = if ($Label) { $Label } else { $null }
            }
            $result = Invoke-Backend -Method 'key/add' -Parameters $parameters -TargetObject $location -Cmdlet $PSCmdlet
            if ($result) { ConvertTo-RepositoryKey -Key $result.key -Repository $location }
        } catch {
            $PSCmdlet.ThrowTerminatingError($_)
        }
    }
}
