@{
    RootModule        = 'CimDouble.psm1'
    ModuleVersion     = '0.1.0'
    GUID              = '0c3d5a0e-8f6b-4c59-9a44-2d1f7a8b6e11'
    Author            = 'HyperVBackup contributors'
    Description       = 'Stands in for the CIM cmdlets where there is no WMI, over a simulated host. For tests.'
    PowerShellVersion = '5.1'
    FunctionsToExport = @(
        'Get-CimAssociatedInstance'
        'Get-CimClass'
        'Get-CimInstance'
        'Invoke-CimMethod'
        'Invoke-WmiDouble'
        'New-CimInstance'
        'New-CimSession'
        'Remove-CimSession'
    )
    CmdletsToExport   = @()
    VariablesToExport = @()
    AliasesToExport   = @()
}
