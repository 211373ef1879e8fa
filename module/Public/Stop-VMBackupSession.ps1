function Stop-VMBackupSession {
    <#
    .SYNOPSIS
        Ends a session of a repository whose process is gone for good.
    .DESCRIPTION
        A backup or reader that was killed on another machine keeps space from being given back until its session expires. This ends
        the session at once. One whose process runs on this machine is refused; should a process on another machine still be at
        work, it gives up, and what it has not published is not kept.

        Asks before it ends anything, unless -Force or -Confirm:$false is given.
    .PARAMETER Id
        Ids of sessions, or beginnings of them that no other session has.
    .PARAMETER Repository
        Location of the repository, or a repository object as New-VMBackupRepository gives it.
    .PARAMETER Passphrase
        Passphrase of an encrypted repository. When left out: that of the repository object, or of the file that the environment
        variable HVBACKUP_PASSPHRASE_FILE names.
    .PARAMETER Force
        Do not ask.
    .EXAMPLE
        Stop-VMBackupSession -Repository D:\Backups -Id 3f9a

        Ends a session after asking.
    .EXAMPLE
        Get-VMBackupSession -Repository D:\Backups | Where-Object -Property MachineName -EQ -Value 'oldserver' | Stop-VMBackupSession -Force

        Ends all sessions of a machine that is no more.
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
            foreach ($session in $Id) {
                if (-not $PSCmdlet.ShouldProcess("Session $session in $location", 'End')) { continue }
                $parameters = @{ repository = $location; passphrase = $secret; session = $session }
                $null = Invoke-Backend -Method 'session/end' -Parameters $parameters -TargetObject $session -Cmdlet $PSCmdlet
            }
        } catch {
            $PSCmdlet.ThrowTerminatingError($_)
        }
    }
}
