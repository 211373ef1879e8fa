# Building a VM: planned, changed step by step, then realised. The steps are the backend's decision (docs/helper-protocol.md).

$script:PlannedType = 'Microsoft:Hyper-V:System:Planned'

function Get-HelperPlannedList {
    <#
    .SYNOPSIS
        VMs that are being built, by anybody.
    #>
    [CmdletBinding()]
    param([Parameter(Mandatory)] [object] $Request)

    $null = $Request
    $systems = foreach ($system in Get-HvInstance -ClassName 'Msvm_PlannedComputerSystem') { Get-HvValue -InputObject $system -Property $script:SystemProperties }
    return @{ systems = @($systems) }
}

function Get-HvPlannedResult {
    # The planned system that a method made: from its job, or from its out parameter.
    [CmdletBinding()]
    param(
        [Parameter(Mandatory)] [hashtable] $Answer,
        [Parameter(Mandatory)] [string] $Parameter,
        [Parameter(Mandatory)] [string] $Failure
    )

    $system = if ($Answer.Job) { Get-JobResult -Job $Answer.Job -ClassName 'Msvm_PlannedComputerSystem' } else { $Answer.Result.$Parameter }
    if (-not $system) { Deny-Request -Code 'HELPER_FAILED' -Message "${Failure}: the host reports success and names no planned VM." }
    return @{ vmId = [string] $system.Name }
}

function Invoke-HelperImport {
    <#
    .SYNOPSIS
        A planned VM from a .vmcx file, which must not be in use: give a copy.
    #>
    [CmdletBinding()]
    param([Parameter(Mandatory)] [object] $Request)

    $failure = "The configuration '$($Request.file)' could not be imported"
    $answer = Invoke-HvMethod -InputObject (Get-HvService -ClassName 'Msvm_VirtualSystemManagementService') -MethodName 'ImportSystemDefinition' -Arguments @{
        SystemDefinitionFile        = [string] $Request.file
        SnapshotFolder              = ''
        GenerateNewSystemIdentifier = [bool] $Request.newId
    } -Failure $failure -Code 'CONFIGURATION_UNSUPPORTED'
    return Get-HvPlannedResult -Answer $answer -Parameter 'ImportedSystem' -Failure $failure
}

function Invoke-HelperDefinition {
    <#
    .SYNOPSIS
        A planned VM from settings: class name -> properties.
    #>
    [CmdletBinding()]
    param([Parameter(Mandatory)] [object] $Request)

    $failure = 'The VM could not be defined'
    $resources = foreach ($resource in $Request.resources) {
        ConvertTo-EmbeddedText -ClassName ([string] $resource.className) -Property (ConvertTo-SettingProperty -ClassName ([string] $resource.className) -Value $resource.properties)
    }
    $answer = Invoke-HvMethod -InputObject (Get-HvService -ClassName 'Msvm_VirtualSystemManagementService') -MethodName 'DefinePlannedSystem' -Arguments @{
        SystemSettings   = (ConvertTo-EmbeddedText -ClassName 'Msvm_VirtualSystemSettingData' -Property (ConvertTo-SettingProperty -ClassName 'Msvm_VirtualSystemSettingData' -Value $Request.settings))
        ResourceSettings = [string[]] @($resources)
    } -Failure $failure
    return Get-HvPlannedResult -Answer $answer -Parameter 'ResultingSystem' -Failure $failure
}

function ConvertTo-SettingProperty {
    # Properties of a request with the types their class declares: JSON knows no uint16.
    [CmdletBinding()]
    [OutputType([hashtable])]
    param(
        [Parameter(Mandatory)] [string] $ClassName,
        [Parameter(Mandatory)] [object] $Value
    )

    $class = Get-HvClass -ClassName $ClassName
    $types = @{}
    foreach ($property in $class.CimClassProperties) { $types[$property.Name] = [string] $property.CimType }
    $properties = @{}
    foreach ($field in $Value.PSObject.Properties) {
        # What this version of Windows does not have is left out; the backend sees from the description what was taken.
        if (-not $types.ContainsKey($field.Name)) { continue }
        $properties[$field.Name] = switch ($types[$field.Name]) {
            'UInt8' { [byte] $field.Value }
            'UInt16' { [uint16] $field.Value }
            'UInt32' { [uint32] $field.Value }
            'UInt64' { [uint64] $field.Value }
            'Boolean' { [bool] $field.Value }
            'StringArray' { , [string[]] @($field.Value) }
            'UInt16Array' { , [uint16[]] @($field.Value) }
            default { [string] $field.Value }
        }
    }
    return $properties
}

function Invoke-HelperPlanConfiguration {
    <#
    .SYNOPSIS
        Carries out steps on a planned VM: system, modify, remove, add.
    #>
    [CmdletBinding()]
    param([Parameter(Mandatory)] [object] $Request)

    $service = Get-HvService -ClassName 'Msvm_VirtualSystemManagementService'
    $system = Get-HvSystem -Id $Request.vmId -Planned
    foreach ($step in $Request.steps) {
        $setting = Get-HvSystemSetting -System $system
        switch ([string] $step.kind) {
            'system' { Invoke-SystemStep -Service $service -Setting $setting -Step $step }
            'modify' { Invoke-ModifyStep -Service $service -Setting $setting -Step $step }
            'remove' { Invoke-RemoveStep -Service $service -Setting $setting -Step $step }
            'add' { Invoke-AddStep -Service $service -Setting $setting -Step $step }
            default { Deny-Request -Code 'PROTOCOL_INVALID' -Message "There is no step '$($step.kind)'." }
        }
    }
    return @{ done = $true }
}

function Get-HvComponent {
    # A component of settings by its InstanceID.
    [CmdletBinding()]
    param(
        [Parameter(Mandatory)] [object] $Setting,
        [Parameter(Mandatory)] [string] $InstanceId
    )

    $found = Get-HvAssociated -InputObject $Setting -Association 'Msvm_VirtualSystemSettingDataComponent' | Where-Object -FilterScript { [string] $_.InstanceID -eq $InstanceId } | Select-Object -First 1
    if (-not $found) { Deny-Request -Code 'HELPER_FAILED' -Message "The planned VM has no component '$InstanceId'." }
    return $found
}

function Invoke-SystemStep {
    # ModifySystemSettings.
    [CmdletBinding()]
    param([object] $Service, [object] $Setting, [object] $Step)

    $class = 'Msvm_VirtualSystemSettingData'
    $text = ConvertTo-EmbeddedText -ClassName $class -Source $Setting -Property (ConvertTo-SettingProperty -ClassName $class -Value $Step.properties)
    $null = Invoke-HvMethod -InputObject $Service -MethodName 'ModifySystemSettings' -Arguments @{ SystemSettings = $text } -Failure 'The settings of the planned VM could not be changed'
}

function Invoke-ModifyStep {
    # ModifyResourceSettings of one component.
    [CmdletBinding()]
    param([object] $Service, [object] $Setting, [object] $Step)

    $component = Get-HvComponent -Setting $Setting -InstanceId ([string] $Step.instanceId)
    $class = [string] $component.CimSystemProperties.ClassName
    $text = ConvertTo-EmbeddedText -ClassName $class -Source $component -Property (ConvertTo-SettingProperty -ClassName $class -Value $Step.properties)
    $null = Invoke-HvMethod -InputObject $Service -MethodName 'ModifyResourceSettings' -Arguments @{ ResourceSettings = [string[]] @($text) } -Failure "The component '$($component.ElementName)' of the planned VM could not be changed"
}

function Invoke-RemoveStep {
    # RemoveResourceSettings of one component.
    [CmdletBinding()]
    param([object] $Service, [object] $Setting, [object] $Step)

    $component = Get-HvComponent -Setting $Setting -InstanceId ([string] $Step.instanceId)
    $null = Invoke-HvMethod -InputObject $Service -MethodName 'RemoveResourceSettings' -Arguments @{ ResourceSettings = @($component) } -Failure "The component '$($component.ElementName)' of the planned VM could not be removed"
}

function Invoke-AddStep {
    # AddResourceSettings of one component, from the host's default for its kind.
    [CmdletBinding()]
    param([object] $Service, [object] $Setting, [object] $Step)

    $template = Get-HvDefaultResource -SubType ([string] $Step.subType)
    $class = [string] $template.CimSystemProperties.ClassName
    $properties = ConvertTo-SettingProperty -ClassName $class -Value $Step.properties
    if ($Step.parentId) { $properties['Parent'] = Get-HvObjectPath -InputObject (Get-HvComponent -Setting $Setting -InstanceId ([string] $Step.parentId)) }
    $text = ConvertTo-EmbeddedText -ClassName $class -Source $template -Property $properties
    $null = Invoke-HvMethod -InputObject $Service -MethodName 'AddResourceSettings' -Arguments @{ AffectedConfiguration = $Setting; ResourceSettings = [string[]] @($text) } -Failure "A component ($($Step.subType)) could not be added to the planned VM"
}

function Get-HvDefaultResource {
    # The host's default settings for a kind of resource.
    [CmdletBinding()]
    param([Parameter(Mandatory)] [string] $SubType)

    $capability = Get-HvInstance -ClassName 'Msvm_AllocationCapabilities' | Where-Object -FilterScript { [string] $_.ResourceSubType -eq $SubType } | Select-Object -First 1
    $default = if ($capability) {
        Get-HvAssociated -InputObject $capability -Association 'Msvm_SettingsDefineCapabilities' | Where-Object -FilterScript { ([string] $_.InstanceID).EndsWith('Default') } | Select-Object -First 1
    }
    if (-not $default) { Deny-Request -Code 'NOT_SUPPORTED' -Message "The host cannot give a VM a '$SubType'." }
    return $default
}

function Invoke-HelperRealisation {
    <#
    .SYNOPSIS
        Validates a planned VM and makes it a VM.
    #>
    [CmdletBinding()]
    param([Parameter(Mandatory)] [object] $Request)

    $service = Get-HvService -ClassName 'Msvm_VirtualSystemManagementService'
    $system = Get-HvSystem -Id $Request.vmId -Planned
    $failure = "The VM '$($system.ElementName)' does not fit this host"
    $null = Invoke-HvMethod -InputObject $service -MethodName 'ValidatePlannedSystem' -Arguments @{ PlannedSystem = $system } -Failure $failure
    $failure = "The VM '$($system.ElementName)' could not be made"
    $answer = Invoke-HvMethod -InputObject $service -MethodName 'RealizePlannedSystem' -Arguments @{ PlannedSystem = $system } -Failure $failure
    $made = if ($answer.Job) { Get-JobResult -Job $answer.Job -ClassName 'Msvm_ComputerSystem' } else { $answer.Result.ResultingSystem }
    # The planned VM's id stays; the association with the job is only the second way to know it.
    return @{ vmId = [string] $(if ($made) { $made.Name } else { $system.Name }) }
}
