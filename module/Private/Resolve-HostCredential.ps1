function Resolve-HostCredential {
    <#
    .SYNOPSIS
        The account for another host in the protocol's form: what was given, else what HVBACKUP_CREDENTIAL_FILE holds. Nothing when there is none.
    .NOTES
        The password goes to the backend's stdin and nowhere else. The file counts only for hyperv:SERVER.
    #>
    [CmdletBinding()]
    [OutputType([hashtable])]
    param(
        [AllowNull()]
        [pscredential] $Credential,

        # Address of the host.
        [string] $VMHost
    )

    if ($Credential -and $Credential -ne [pscredential]::Empty) {
        return @{ userName = $Credential.UserName.TrimStart('\'); password = $Credential.GetNetworkCredential().Password }
    }
    if (-not $env:HVBACKUP_CREDENTIAL_FILE -or $VMHost -notmatch '^hyperv:.') { return }
    $problem = @{ code = 'USAGE'; message = ''; advice = 'Write the account into its first line and the password into the second, as UTF-8 text; or clear HVBACKUP_CREDENTIAL_FILE.' }
    try {
        $path = Resolve-BackupPath -Path $env:HVBACKUP_CREDENTIAL_FILE
        $strict = New-Object -TypeName System.Text.UTF8Encoding -ArgumentList $false, $true
        $text = $strict.GetString([System.IO.File]::ReadAllBytes($path))
    } catch {
        $problem.message = "The credential file $($env:HVBACKUP_CREDENTIAL_FILE) cannot be read as UTF-8 text: $($_.Exception.Message)"
        throw (ConvertTo-BackendErrorRecord -ErrorObject $problem -TargetObject $env:HVBACKUP_CREDENTIAL_FILE)
    }
    $lines = @(($text -replace "^$([char]0xFEFF)", '' -replace "`r?`n\z", '') -split "`r?`n")
    if ($lines.Count -eq 2 -and $lines[0].Trim() -and $lines[1]) { return @{ userName = $lines[0].Trim(); password = $lines[1] } }
    $problem.message = "The credential file $($env:HVBACKUP_CREDENTIAL_FILE) does not have two lines."
    throw (ConvertTo-BackendErrorRecord -ErrorObject $problem -TargetObject $env:HVBACKUP_CREDENTIAL_FILE)
}
