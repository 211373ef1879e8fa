function Remove-VMBackupRepositoryKey {
    <#
    .SYNOPSIS
        Removes a passphrase from an encrypted repository.
    .DESCRIPTION
        The passphrase does not open the repository any more. The one that is given to this command is never removed, so the
        last one cannot be. Anyone who knows a removed passphrase and has an old copy of the repository can still read with it
        what that copy holds: the keys themselves do not change.

        Asks before it removes, unless -Force or -Confirm:$false is given.
    .PARAMETER Id
        Ids of keys, or beginnings of them that no other key has.
    .PARAMETER Repository
        Location of the repository, or a repository object as New-VMBackupRepository gives it.
    .PARAMETER Passphrase
        Another of its passphrases. When left out: that of the repository object, or of the file that the environment variable
        HVBACKUP_PASSPHRASE_FILE names.
    .PARAMETER Force
        Do not ask.
    .EXAMPLE
        Remove-VMBackupRepositoryKey -Repository D:\Backups -Passphrase $new -Id 3f9a

        Removes a passphrase after asking.
    .EXAMPLE
        Get-VMBackupRepositoryKey -Repository D:\Backups | Where-Object -Property Label -EQ -Value 'old server' | Remove-VMBackupRepositoryKey -Force

        Removes a passphrase by its label.
    .OUTPUTS
        None.
    .LINK
        about_HyperVBackup
    #>
    [CmdletBinding(SupportsShouldProcess, ConfirmImpact = 'High')]
    [OutputType([void])]
    param(
        [Parameter(Mandatory, ValueFromPipelineByPropertyName)]
        [ValidateLength(4, 32)]
        [string[]] $Id,

        [Parameter(Mandatory, ValueFromPipelineByPropertyName)]
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
            foreach ($key in $Id) {
                if (-not $PSCmdlet.ShouldProcess("Key $key of $location", 'Remove')) { continue }
                $parameters = @{ repository = $location; passphrase = $secret; key = $key }
                $null = Invoke-Backend -Method 'key/remove' -Parameters $parameters -TargetObject $key -Cmdlet $PSCmdlet
            }
        } catch {
            $PSCmdlet.ThrowTerminatingError($_)
        }
    }
}
