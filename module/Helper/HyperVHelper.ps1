<#
.SYNOPSIS
    The helper process of the backend: WMI (root\virtualization\v2) and virtdisk.dll, asked for one request at a time.
.DESCRIPTION
    The backend owns the PowerShell process and dot-sources this file in it (docs/helper-protocol.md). Each request is one call of
    Invoke-HelperRequest with base64 of JSON; no value ever becomes script text. Windows PowerShell 5.1 and PowerShell 7.
#>
[CmdletBinding()]
param()

$ErrorActionPreference = 'Stop'
$ProgressPreference = 'SilentlyContinue'
$WarningPreference = 'SilentlyContinue'
$InformationPreference = 'SilentlyContinue'

# By what is spoken to: the backend, WMI, virtdisk.dll.
$parts = @(
    'session/Protocol', 'session/Session'
    'wmi/Cim', 'wmi/Embedded', 'wmi/Job', 'wmi/System', 'wmi/Disk', 'wmi/VhdSet', 'wmi/Snapshot', 'wmi/ReferencePoint', 'wmi/Change'
    'wmi/Export', 'wmi/Plan', 'wmi/Prerequisite'
    'virtdisk/VirtDisk', 'virtdisk/AttachedDisk'
)
foreach ($part in $parts) {
    . (Join-Path -Path $PSScriptRoot -ChildPath "$part.ps1")
}

# Method of the protocol -> function. A request can call nothing else.
$script:HelperMethods = @{
    hello                 = 'Get-HelperGreeting'
    open                  = 'Open-HelperSession'
    close                 = 'Close-HelperSession'
    listSystems           = 'Get-HelperSystemList'
    describe              = 'Get-HelperDescription'
    diskFacts             = 'Get-HelperDiskFact'
    vhdSet                = 'Get-HelperVhdSet'
    listSnapshots         = 'Get-HelperSnapshotList'
    createSnapshot        = 'Invoke-HelperSnapshotCreation'
    adoptSnapshot         = 'Invoke-HelperSnapshotAdoption'
    destroySnapshot       = 'Invoke-HelperSnapshotRemoval'
    convertSnapshot       = 'Invoke-HelperSnapshotConversion'
    listReferencePoints   = 'Get-HelperReferencePointList'
    destroyReferencePoint = 'Invoke-HelperReferencePointRemoval'
    configurationFiles    = 'Get-HelperConfigurationFile'
    changeTracking        = 'Get-HelperChangeTracking'
    queryChanges          = 'Get-HelperChange'
    exportAbilities       = 'Get-HelperExportAbility'
    exportSnapshot        = 'Invoke-HelperExport'
    awaitExport           = 'Wait-HelperExport'
    openAttached          = 'Open-HelperAttachedDisk'
    closeAttached         = 'Close-HelperAttachedDisk'
    hostDefaults          = 'Get-HelperHostDefault'
    listPlanned           = 'Get-HelperPlannedList'
    listSwitches          = 'Get-HelperSwitchList'
    importPlanned         = 'Invoke-HelperImport'
    definePlanned         = 'Invoke-HelperDefinition'
    configurePlanned      = 'Invoke-HelperPlanConfiguration'
    realisePlanned        = 'Invoke-HelperRealisation'
    destroySystem         = 'Invoke-HelperSystemRemoval'
    prerequisites         = 'Get-HelperPrerequisite'
}
