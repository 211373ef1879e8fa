function ConvertTo-CmdletText {
    <#
    .SYNOPSIS
        A sentence of the backend in the words of PowerShell: cmdlets and their parameters for commands and options.
    #>
    [CmdletBinding()]
    [OutputType([string])]
    param(
        [Parameter(Mandatory)]
        [AllowEmptyString()]
        [string] $Text
    )

    # Name of a method before the sentence.
    $result = [regex]::Replace($Text, '^[a-z]+/[A-Za-z]+: ', '')
    # Both spellings, where the backend gives both.
    $result = [regex]::Replace($result, '--[a-z-]+(, | \()(-[A-Z]\w+)( in PowerShell\))?', { param($found) $found.Groups[2].Value })
    $result = $result.Replace('"hvbackup check" and "hvbackup verify"', 'Test-VMBackup')
    $result = [regex]::Replace($result, ' --repository "[^"]*"', '')
    $command = '"?hvbackup (?<words>[a-z]+(?:-[a-z]+)?(?: (?:key|list|add|remove|create|accept-removed|sessions|end-session)\b)*)(?<rest>(?: --?[\w-]+(?: [^\s"-][^\s"]*)?)*)"?'
    $result = [regex]::Replace($result, $command, {
            param($found)
            $cmdlet = switch -Regex ($found.Groups['words'].Value) {
                '^list|^show' { 'Get-VMBackup'; break }
                '^check|^verify' { 'Test-VMBackup'; break }
                '^repair' { 'Repair-VMBackupRepository'; break }
                '^backup' { 'Backup-VMRct'; break }
                '^restore' { 'Restore-VMBackup'; break }
                '^export' { 'Export-VMBackupData'; break }
                '^copy' { 'Copy-VMBackup'; break }
                '^remove' { 'Remove-VMBackup'; break }
                '^hold' { 'Set-VMBackupHold'; break }
                '^prune' { 'Invoke-VMBackupRetention'; break }
                '^stats' { 'Get-VMBackupRepository'; break }
                '^repository create' { 'New-VMBackupRepository'; break }
                '^repository accept-removed' { 'Approve-VMBackupRemoval'; break }
                '^repository sessions' { 'Get-VMBackupSession'; break }
                '^repository end-session' { 'Stop-VMBackupSession'; break }
                '^repository key list' { 'Get-VMBackupRepositoryKey'; break }
                '^repository key add' { 'Add-VMBackupRepositoryKey'; break }
                '^repository key remove' { 'Remove-VMBackupRepositoryKey'; break }
                default { $found.Value }
            }
            $cmdlet + $found.Groups['rest'].Value
        })
    $names = @{ point = 'Id'; vm = 'Name'; host = 'VMHost'; disk = 'DiskNumber'; key = 'Id'; 'dry-run' = 'WhatIf' }
    $result = [regex]::Replace($result, '--([a-z]+(?:-[a-z]+)*)( (?:auto|full|data|vm|native|attached|export)\b)?', {
            param($found)
            $option = $found.Groups[1].Value
            $name = $names[$option]
            if (-not $name) { $name = -join @(foreach ($word in $option.Split('-')) { $word.Substring(0, 1).ToUpperInvariant() + $word.Substring(1) }) }
            $value = $found.Groups[2].Value
            if ($value) { $value = ' ' + (ConvertTo-EnumName -Value $value.Trim()) }
            "-$name$value"
        })
    # A parameter by its name in the protocol.
    return [regex]::Replace($result, '(?<=this version does not support )"([a-z])(\w*)"', { param($found) '-' + $found.Groups[1].Value.ToUpperInvariant() + $found.Groups[2].Value })
}
