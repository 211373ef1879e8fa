# Loader: the functions of module/Private and module/Public, one a file.
# First what would fail in ways that nobody understands: the module starts a program and speaks with it, which this mode forbids.
if ($ExecutionContext.SessionState.LanguageMode -ne 'FullLanguage') {
    throw "HyperVBackup cannot work in $($ExecutionContext.SessionState.LanguageMode) mode. A policy of this machine (AppLocker, App Control for Business) restricts PowerShell: allow the module by a rule for its signed scripts or its folder, exempt the account that runs backups, or run them from another machine (-VMHost hyperv:SERVER)."
}
Set-StrictMode -Version Latest

$script:ModuleRoot = $PSScriptRoot
# Files of the package whose hash was right: path -> length and time.
$script:CheckedFiles = @{}
$script:ManifestPath = Join-Path -Path $PSScriptRoot -ChildPath 'HyperVBackup.psd1'
# Repositories used in this session, for argument completion.
$script:KnownRepository = New-Object -TypeName 'System.Collections.Generic.List[string]'
# The backend of this session, started by the first command that needs it.
$script:Backend = $null

foreach ($folder in 'Private', 'Public') {
    $path = Join-Path -Path (Join-Path -Path $PSScriptRoot -ChildPath 'module') -ChildPath $folder
    foreach ($file in Get-ChildItem -LiteralPath $path -Filter '*.ps1') {
        . $file.FullName
    }
}

Register-Completer
$ExecutionContext.SessionState.Module.OnRemove = { Close-SessionBackend }

Export-ModuleMember -Function @(
    'Add-VMBackupRepositoryKey'
    'Approve-VMBackupRemoval'
    'Backup-VMRct'
    'Copy-VMBackup'
    'Export-VMBackupData'
    'Get-VMBackup'
    'Get-VMBackupRepository'
    'Get-VMBackupSession'
    'Invoke-VMBackupRetention'
    'Get-VMBackupRepositoryKey'
    'New-VMBackupRepository'
    'Remove-VMBackup'
    'Remove-VMBackupRepositoryKey'
    'Repair-VMBackupRepository'
    'Restore-VMBackup'
    'Set-VMBackupHold'
    'Start-VMBackupTrace'
    'Stop-VMBackupSession'
    'Stop-VMBackupTrace'
    'Test-VMBackup'
    'Test-VMBackupPrerequisite'
)
