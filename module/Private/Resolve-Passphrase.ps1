function Resolve-Passphrase {
    <#
    .SYNOPSIS
        Text of the passphrase that was given, that the repository object carries, or that HVBACKUP_PASSPHRASE_FILE names.
    .NOTES
        Nothing when there is none. The text goes to the backend's stdin and nowhere else.
    #>
    [CmdletBinding()]
    [OutputType([string])]
    param(
        [AllowNull()]
        [securestring] $Passphrase,

        # As given to the command; an object may carry its passphrase.
        [AllowNull()]
        [object] $Repository,

        # Do not look at HVBACKUP_PASSPHRASE_FILE.
        [switch] $NoEnvironment
    )

    $secret = $Passphrase
    if (-not $secret -and $Repository -isnot [string]) { $secret = Get-Field -InputObject $Repository -Name 'Passphrase' }
    if ($secret -is [securestring]) { return (New-Object -TypeName System.Net.NetworkCredential -ArgumentList '', $secret).Password }
    if ($NoEnvironment -or -not $env:HVBACKUP_PASSPHRASE_FILE) { return }
    $problem = @{ code = 'USAGE'; message = ''; advice = 'Write the passphrase into it as UTF-8 text, or clear HVBACKUP_PASSPHRASE_FILE.' }
    try {
        $path = Resolve-BackupPath -Path $env:HVBACKUP_PASSPHRASE_FILE
        $strict = New-Object -TypeName System.Text.UTF8Encoding -ArgumentList $false, $true
        $text = $strict.GetString([System.IO.File]::ReadAllBytes($path))
    } catch {
        $problem.message = "The passphrase file $($env:HVBACKUP_PASSPHRASE_FILE) cannot be read as UTF-8 text: $($_.Exception.Message)"
        throw (ConvertTo-BackendErrorRecord -ErrorObject $problem -TargetObject $env:HVBACKUP_PASSPHRASE_FILE)
    }
    # Without a byte order mark, and without one line end.
    $text = $text -replace "^$([char]0xFEFF)", '' -replace "`r?`n\z", ''
    if ($text) { return $text }
    $problem.message = "The passphrase file $($env:HVBACKUP_PASSPHRASE_FILE) is empty."
    throw (ConvertTo-BackendErrorRecord -ErrorObject $problem -TargetObject $env:HVBACKUP_PASSPHRASE_FILE)
}
