# Loader: the functions of module/Private and module/Public, one a file.
Set-StrictMode -Version Latest

$script:ModuleRoot = $PSScriptRoot
$script:ManifestPath = Join-Path -Path $PSScriptRoot -ChildPath 'HyperVBackup.psd1'
# Repositories used in this session, for argument completion.
$script:KnownRepository = New-Object -TypeName 'System.Collections.Generic.List[string]'

foreach ($folder in 'Private', 'Public') {
    $path = Join-Path -Path (Join-Path -Path $PSScriptRoot -ChildPath 'module') -ChildPath $folder
    foreach ($file in Get-ChildItem -LiteralPath $path -Filter '*.ps1') {
        . $file.FullName
    }
}

Register-Completer

Export-ModuleMember -Function @(
    'Add-VMBackupRepositoryKey'
    'Approve-VMBackupRemoval'
    'Backup-VMRct'
    'Copy-VMBackup'
    'Export-VMBackupData'
    'Get-VMBackup'
    'Get-VMBackupRepository'
    'Invoke-VMBackupRetention'
    'Get-VMBackupRepositoryKey'
    'New-VMBackupRepository'
    'Remove-VMBackup'
    'Remove-VMBackupRepositoryKey'
    'Repair-VMBackupRepository'
    'Restore-VMBackup'
    'Set-VMBackupHold'
    'Start-VMBackupTrace'
    'Stop-VMBackupTrace'
    'Test-VMBackup'
    'Test-VMBackupPrerequisite'
)
