# VMs and their settings, as WMI has them; what they mean is for the backend to say.

$script:SystemProperties = 'Name', 'ElementName', 'EnabledState', 'OperationalStatus', 'Caption'
$script:SettingProperties = 'InstanceID', 'ElementName', 'VirtualSystemIdentifier', 'VirtualSystemType', 'VirtualSystemSubType', 'Version', 'Notes', 'CreationTime', 'ConfigurationID', 'ConfigurationDataRoot', 'ConfigurationFile', 'SnapshotDataRoot', 'GuestStateDataRoot', 'GuestStateFile', 'BootOrder', 'BootSourceOrder', 'SecureBootEnabled', 'SecureBootTemplateId', 'Parent'
$script:ComponentProperties = @{
    Msvm_MemorySettingData                    = 'InstanceID', 'VirtualQuantity', 'DynamicMemoryEnabled', 'Reservation', 'Limit'
    Msvm_ProcessorSettingData                 = 'InstanceID', 'VirtualQuantity'
    Msvm_SecuritySettingData                  = 'InstanceID', 'TpmEnabled', 'ShieldingRequested'
    Msvm_ResourceAllocationSettingData        = 'InstanceID', 'ElementName', 'ResourceType', 'ResourceSubType', 'Parent', 'Address', 'AddressOnParent', 'HostResource'
    Msvm_StorageAllocationSettingData         = 'InstanceID', 'ElementName', 'ResourceType', 'ResourceSubType', 'Parent', 'AddressOnParent', 'HostResource', 'PersistentReservationsSupported', 'SnapshotId'
    Msvm_SyntheticEthernetPortSettingData     = 'InstanceID', 'ElementName', 'Address', 'StaticMacAddress'
    Msvm_EmulatedEthernetPortSettingData      = 'InstanceID', 'ElementName', 'Address', 'StaticMacAddress'
    Msvm_EthernetPortAllocationSettingData    = 'InstanceID', 'ElementName', 'Parent', 'HostResource', 'LastKnownSwitchName', 'EnabledState'
}
$script:RealizedType = 'Microsoft:Hyper-V:System:Realized'

function Get-HvSystem {
    <#
    .SYNOPSIS
        The computer system of a VM; an error when it is not there.
    #>
    [CmdletBinding()]
    param(
        [AllowNull()] [AllowEmptyString()] [string] $Id,
        [switch] $Planned
    )

    $guid = Resolve-HelperGuid -Text $Id
    $class = if ($Planned) { 'Msvm_PlannedComputerSystem' } else { 'Msvm_ComputerSystem' }
    $system = Get-HvInstance -ClassName $class -Filter "Name = '$guid'" | Select-Object -First 1
    if (-not $system) {
        Deny-Request -Code 'VM_NOT_FOUND' -Message "There is no VM with the id $($guid.ToLowerInvariant()) on the host." -Advice 'List the VMs to see their names and ids; the VM may have moved to another node.' -Data @{ vm = $guid.ToLowerInvariant() }
    }
    return $system
}

function Get-HvSystemSetting {
    <#
    .SYNOPSIS
        The settings a VM has now, not those of its checkpoints.
    #>
    [CmdletBinding()]
    param([Parameter(Mandatory)] [object] $System)

    $settings = @(Get-HvAssociated -InputObject $System -ResultClassName 'Msvm_VirtualSystemSettingData' -Association 'Msvm_SettingsDefineState')
    if ($settings.Count -ne 1) {
        Deny-Request -Code 'HELPER_FAILED' -Message "The VM $($System.Name) has $($settings.Count) settings objects where one was expected."
    }
    return $settings[0]
}

function Get-HvSettingById {
    <#
    .SYNOPSIS
        Settings (of a VM or checkpoint) by id; nothing when they are not there.
    #>
    [CmdletBinding()]
    param([AllowNull()] [AllowEmptyString()] [string] $Id)

    $guid = Resolve-HelperGuid -Text $Id
    Get-HvInstance -ClassName 'Msvm_VirtualSystemSettingData' -Filter "InstanceID = 'Microsoft:$guid'" | Select-Object -First 1
}

function ConvertTo-SettingValue {
    # Settings with their components, in the protocol's form.
    [CmdletBinding()]
    [OutputType([hashtable])]
    param([Parameter(Mandatory)] [object] $Setting)

    $components = foreach ($component in Get-HvAssociated -InputObject $Setting -Association 'Msvm_VirtualSystemSettingDataComponent') {
        $properties = $script:ComponentProperties[[string] $component.CimSystemProperties.ClassName]
        if (-not $properties) { continue }
        $value = Get-HvValue -InputObject $component -Property $properties
        # How others name it as their parent.
        $value['path'] = Get-HvObjectPath -InputObject $component
        $value
    }
    return @{ settings = (Get-HvValue -InputObject $Setting -Property $script:SettingProperties); components = @($components) }
}

function Get-HelperSystemList {
    <#
    .SYNOPSIS
        All VMs of the host with their settings; with disks, also what hangs on their drives. A fixed number of queries,
        however many VMs.
    #>
    [CmdletBinding()]
    param([Parameter(Mandatory)] [object] $Request)

    $settings = @{}
    foreach ($setting in Get-HvInstance -ClassName 'Msvm_VirtualSystemSettingData' -Filter "VirtualSystemType = '$($script:RealizedType)'") {
        $settings[[string] $setting.VirtualSystemIdentifier] = $setting
    }
    # The host itself is a Msvm_ComputerSystem too; it has no such settings.
    $systems = foreach ($system in Get-HvInstance -ClassName 'Msvm_ComputerSystem') {
        $setting = $settings[[string] $system.Name]
        if (-not $setting) { continue }
        @{
            system   = (Get-HvValue -InputObject $system -Property $script:SystemProperties)
            settings = (Get-HvValue -InputObject $setting -Property $script:SettingProperties)
        }
    }
    $answer = @{ systems = @($systems) }
    if ($Request.disks) {
        $properties = $script:ComponentProperties['Msvm_StorageAllocationSettingData'] | Where-Object -FilterScript { $_ -notin 'PersistentReservationsSupported', 'SnapshotId' }
        $answer['storage'] = @(
            Get-HvInstance -ClassName 'Msvm_StorageAllocationSettingData' -Filter "ResourceSubType = 'Microsoft:Hyper-V:Virtual Hard Disk'" | ForEach-Object -Process { Get-HvValue -InputObject $_ -Property $properties }
            Get-HvInstance -ClassName 'Msvm_ResourceAllocationSettingData' -Filter "ResourceSubType = 'Microsoft:Hyper-V:Physical Disk Drive'" | ForEach-Object -Process { Get-HvValue -InputObject $_ -Property $properties }
        )
    }
    return $answer
}

function Get-HelperDescription {
    <#
    .SYNOPSIS
        A VM with everything it is made of. With planned, one that is being built.
    #>
    [CmdletBinding()]
    param([Parameter(Mandatory)] [object] $Request)

    $system = Get-HvSystem -Id $Request.vmId -Planned:([bool] $Request.planned)
    $value = ConvertTo-SettingValue -Setting (Get-HvSystemSetting -System $system)
    $value['system'] = Get-HvValue -InputObject $system -Property $script:SystemProperties
    $applied = @(Get-HvAssociated -InputObject $system -ResultClassName 'Msvm_VirtualSystemSettingData' -Association 'Msvm_LastAppliedSnapshot')
    $value['lastApplied'] = if ($applied) { [string] $applied[0].InstanceID } else { $null }
    return $value
}

function Get-HelperHostDefault {
    <#
    .SYNOPSIS
        Where the host puts new VMs and disks.
    #>
    [CmdletBinding()]
    param([Parameter(Mandatory)] [object] $Request)

    $null = $Request
    $setting = Get-HvInstance -ClassName 'Msvm_VirtualSystemManagementServiceSettingData' | Select-Object -First 1
    return @{
        virtualHardDiskPath = [string] $setting.DefaultVirtualHardDiskPath
        externalDataRoot    = [string] $setting.DefaultExternalDataRoot
    }
}

function Get-HelperSwitchList {
    <#
    .SYNOPSIS
        Virtual switches of the host, with the paths that connections name them by.
    #>
    [CmdletBinding()]
    param([Parameter(Mandatory)] [object] $Request)

    $null = $Request
    $switches = foreach ($switch in Get-HvInstance -ClassName 'Msvm_VirtualEthernetSwitch') {
        $value = Get-HvValue -InputObject $switch -Property 'Name', 'ElementName'
        $value['path'] = Get-HvObjectPath -InputObject $switch
        $value
    }
    return @{ switches = @($switches) }
}

function Invoke-HelperSystemRemoval {
    <#
    .SYNOPSIS
        Takes a VM, or one that is being built, off the host; its disk files stay. Not an error when it is gone.
    #>
    [CmdletBinding()]
    param([Parameter(Mandatory)] [object] $Request)

    try {
        $system = Get-HvSystem -Id $Request.vmId -Planned:([bool] $Request.planned)
    } catch {
        if ($_.Exception.Data['HelperCode'] -eq 'VM_NOT_FOUND') { return @{ removed = $false } }
        throw
    }
    $service = Get-HvService -ClassName 'Msvm_VirtualSystemManagementService'
    $null = Invoke-HvMethod -InputObject $service -MethodName 'DestroySystem' -Arguments @{ AffectedSystem = $system } -Failure "The VM '$($system.ElementName)' could not be removed"
    return @{ removed = $true }
}
