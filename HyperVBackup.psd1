@{
    RootModule           = 'HyperVBackup.psm1'
    ModuleVersion        = '0.1.0'
    GUID                 = 'b6a3c1c7-6f0e-4c43-9f0b-7d2a4f7e9c15'
    Author               = 'HyperVBackup contributors'
    CompanyName          = 'HyperVBackup'
    Copyright            = '(c) HyperVBackup contributors. MIT licence.'
    Description          = 'Backup of Hyper-V virtual machines: deduplicated, compressed restore points that read only what changed (RCT), and that restore, verify and export on any machine.'
    PowerShellVersion    = '5.1'
    CompatiblePSEditions = @('Desktop', 'Core')
    FormatsToProcess     = @('module/Formats/HyperVBackup.Format.ps1xml')
    FunctionsToExport    = @(
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
    CmdletsToExport      = @()
    VariablesToExport    = @()
    AliasesToExport      = @()
    PrivateData          = @{
        PSData = @{
            Tags         = @('Hyper-V', 'Backup', 'Restore', 'RCT', 'VHDX', 'VirtualMachine', 'PSEdition_Desktop', 'PSEdition_Core', 'Windows')
            ReleaseNotes = 'Backup, verification, restore, export, retention, copies and encryption, on the simulated host and on doubles of Hyper-V; no real host has seen it yet.'
        }
    }
}
