# Recovery checkpoints: Msvm_VirtualSystemSnapshotService.

$script:RecoveryType = 'Microsoft:Hyper-V:Snapshot:Recovery'
# SnapshotType of a recovery checkpoint, as Microsoft's sample has it.
$script:RecoverySnapshotType = 32768

function Get-HvSnapshot {
    <#
    .SYNOPSIS
        A recovery checkpoint by id; nothing when it is not there.
    #>
    [CmdletBinding()]
    param([AllowNull()] [AllowEmptyString()] [string] $Id)

    $setting = Get-HvSettingById -Id $Id
    if ($setting -and [string] $setting.VirtualSystemType -eq $script:RecoveryType) { return $setting }
    return $null
}

function Get-HelperSnapshotList {
    <#
    .SYNOPSIS
        Checkpoints of a VM: recovery ones with their components, users' by name only; or the one with the given id.
    #>
    [CmdletBinding()]
    param([Parameter(Mandatory)] [object] $Request)

    if ($Request.snapshotId) {
        $one = Get-HvSnapshot -Id $Request.snapshotId
        return @{ snapshots = @(if ($one) { ConvertTo-SettingValue -Setting $one }); others = @() }
    }
    $all = @(Get-HvAssociated -InputObject (Get-HvSystem -Id $Request.vmId) -ResultClassName 'Msvm_VirtualSystemSettingData' -Association 'Msvm_SnapshotOfVirtualSystem')
    $recovery = foreach ($setting in $all) {
        if ([string] $setting.VirtualSystemType -eq $script:RecoveryType) { ConvertTo-SettingValue -Setting $setting }
    }
    $others = foreach ($setting in $all) {
        if ([string] $setting.VirtualSystemType -ne $script:RecoveryType) { Get-HvValue -InputObject $setting -Property $script:SettingProperties }
    }
    return @{ snapshots = @($recovery); others = @($others) }
}

function Invoke-HelperSnapshotCreation {
    <#
    .SYNOPSIS
        Creates a recovery checkpoint and gives it its name.
    .NOTES
        The id is not known beforehand. The job's id goes out as progress the moment there is one, so that after a crash of this
        process the next one can ask the job for its checkpoint (adoptSnapshot).
    #>
    [CmdletBinding()]
    param([Parameter(Mandatory)] [object] $Request)

    $system = Get-HvSystem -Id $Request.vmId
    $before = @(Get-RecoverySnapshotId -System $system)
    $application = [string] $Request.consistency -eq 'application'
    $properties = @{ ConsistencyLevel = $(if ($application) { 1 } else { 2 }); IgnoreNonSnapshottableDisks = $true }
    # Since Windows 10 1703; without it the guest does a full backup.
    if ($application -and (Test-HvProperty -ClassName 'Msvm_VirtualSystemSnapshotSettingData' -Name 'GuestBackupType')) {
        $properties['GuestBackupType'] = if ([string] $Request.guestBackup -eq 'copy') { 2 } else { 1 }
    }
    $failure = "No recovery checkpoint of VM '$($system.ElementName)' could be created"
    try {
        $answer = Invoke-HvMethod -InputObject (Get-HvService -ClassName 'Msvm_VirtualSystemSnapshotService') -MethodName 'CreateSnapshot' -Arguments @{
            AffectedSystem   = $system
            SnapshotSettings = (ConvertTo-EmbeddedText -ClassName 'Msvm_VirtualSystemSnapshotSettingData' -Property $properties)
            SnapshotType     = [uint16] $script:RecoverySnapshotType
        } -Failure $failure -Code 'CHECKPOINT_FAILED' -TimeoutSeconds ([int] $Request.timeoutSeconds)
    } catch {
        if ([string] $_.Exception.Data['HelperCode'] -ne 'CANCELLED') { throw }
        # A job that was ended may have made its checkpoint all the same.
        $left = @(Invoke-CancelledSnapshotRemoval -System $system -Before $before)
        if ($left.Count -gt 0) { $_.Exception.Data['HelperData']['unclear'] = $left }
        throw
    }
    $setting = if ($answer.Job) { Get-JobResult -Job $answer.Job -ClassName 'Msvm_VirtualSystemSettingData' } else { $answer.Result.ResultingSnapshot }
    if ($setting) { $setting = Get-HvFresh -InputObject $setting }
    # The job may be gone, or associated with more than one object: then it is the one that was not there before.
    if (-not $setting) { $setting = Find-NewSnapshot -System $system -Before $before -Failure $failure }
    return Complete-Snapshot -Setting $setting -Label ([string] $Request.label)
}

function Invoke-HelperSnapshotAdoption {
    <#
    .SYNOPSIS
        After a crash of this process: the checkpoint of a job that it had started. Nothing when the job is gone or failed.
    #>
    [CmdletBinding()]
    param([Parameter(Mandatory)] [object] $Request)

    # A job's id goes into no filter: it is looked for among all.
    $job = Get-HvInstance -ClassName 'Msvm_ConcreteJob' | Where-Object -FilterScript { [string] $_.InstanceID -eq [string] $Request.jobId } | Select-Object -First 1
    if (-not $job) { return @{ snapshot = $null } }
    $ended = Wait-HvJob -Job $job -MethodName 'CreateSnapshot' -Failure 'The checkpoint could not be created' -Code 'CHECKPOINT_FAILED' -TimeoutSeconds ([int] $Request.timeoutSeconds)
    $setting = Get-JobResult -Job $ended -ClassName 'Msvm_VirtualSystemSettingData'
    if (-not $setting) { return @{ snapshot = $null } }
    return Complete-Snapshot -Setting (Get-HvFresh -InputObject $setting) -Label ([string] $Request.label)
}

function Get-RecoverySnapshotId {
    # InstanceIDs of the recovery checkpoints of a VM.
    [CmdletBinding()]
    [OutputType([string])]
    param([Parameter(Mandatory)] [object] $System)

    foreach ($setting in Get-HvAssociated -InputObject $System -ResultClassName 'Msvm_VirtualSystemSettingData' -Association 'Msvm_SnapshotOfVirtualSystem') {
        if ([string] $setting.VirtualSystemType -eq $script:RecoveryType) { [string] $setting.InstanceID }
    }
}

function Invoke-CancelledSnapshotRemoval {
    # Destroys what a cancelled job is associated with. @returns ids of other new checkpoints: nothing says whose they are
    [CmdletBinding()]
    [OutputType([string])]
    param(
        [Parameter(Mandatory)] [object] $System,
        [AllowEmptyCollection()] [string[]] $Before = @()
    )

    $made = Get-JobResult -Job $script:LastJob -ClassName 'Msvm_VirtualSystemSettingData'
    if ($made -and $Before -notcontains [string] $made.InstanceID) {
        $id = ([string] $made.InstanceID) -replace '^Microsoft:', ''
        $null = Invoke-HelperSnapshotRemoval -Request @{ snapshotId = $id }
    }
    foreach ($id in Get-RecoverySnapshotId -System $System) {
        if ($Before -notcontains $id) { $id }
    }
}

function Find-NewSnapshot {
    # The one recovery checkpoint that was not there before; an error when it cannot be determined.
    [CmdletBinding()]
    param(
        [Parameter(Mandatory)] [object] $System,
        [AllowEmptyCollection()] [string[]] $Before = @(),
        [Parameter(Mandatory)] [string] $Failure
    )

    $new = @(Get-HvAssociated -InputObject $System -ResultClassName 'Msvm_VirtualSystemSettingData' -Association 'Msvm_SnapshotOfVirtualSystem' |
            Where-Object -FilterScript { [string] $_.VirtualSystemType -eq $script:RecoveryType -and $Before -notcontains [string] $_.InstanceID })
    if ($new.Count -eq 1) { return $new[0] }
    Deny-Request -Code 'CHECKPOINT_FAILED' -Message "${Failure}: the host reports success, and $($new.Count) new checkpoints are there." -Advice 'If a checkpoint is left that no backup product uses, remove it (Remove-VMSnapshot), and run the backup again.' -Data @{
        found = @($new | ForEach-Object -Process { [string] $_.InstanceID })
    }
}

function Complete-Snapshot {
    # Names the checkpoint. Without its name it is still ours by its id, which the caller records next.
    [CmdletBinding()]
    [OutputType([hashtable])]
    param(
        [Parameter(Mandatory)] [object] $Setting,
        [Parameter(Mandatory)] [string] $Label
    )

    $named = $true
    try {
        $text = ConvertTo-EmbeddedText -ClassName 'Msvm_VirtualSystemSettingData' -Source $Setting -Property @{ ElementName = $Label }
        $service = Get-HvService -ClassName 'Msvm_VirtualSystemManagementService'
        $null = Invoke-HvMethod -InputObject $service -MethodName 'ModifySystemSettings' -Arguments @{ SystemSettings = $text } -Failure 'The checkpoint could not be named' -TimeoutSeconds 120
        $Setting = Get-HvFresh -InputObject $Setting
    } catch {
        $named = $false
    }
    return @{ snapshot = (ConvertTo-SettingValue -Setting $Setting); named = $named }
}

function Invoke-HelperSnapshotRemoval {
    <#
    .SYNOPSIS
        Ends a recovery checkpoint without a reference point. Not an error when it is gone.
    #>
    [CmdletBinding()]
    param([Parameter(Mandatory)] [object] $Request)

    $setting = Get-HvSnapshot -Id $Request.snapshotId
    if (-not $setting) { return @{ removed = $false } }
    Assert-SnapshotOfOne -Setting $setting
    $service = Get-HvService -ClassName 'Msvm_VirtualSystemSnapshotService'
    $null = Invoke-HvMethod -InputObject $service -MethodName 'DestroySnapshot' -Arguments @{ AffectedSnapshot = $setting } -Failure "The checkpoint '$($setting.ElementName)' could not be removed" -Code 'CHECKPOINT_FAILED'
    return @{ removed = $true }
}

function Invoke-HelperSnapshotConversion {
    <#
    .SYNOPSIS
        Turns a recovery checkpoint into a reference point.
    #>
    [CmdletBinding()]
    param([Parameter(Mandatory)] [object] $Request)

    $setting = Get-HvSnapshot -Id $Request.snapshotId
    if (-not $setting) {
        Deny-Request -Code 'CHECKPOINT_NOT_FOUND' -Message "The recovery checkpoint is not on the host (any more): $($Request.snapshotId)" -Advice 'Run the backup again; it takes a new checkpoint.' -Data @{ checkpointId = [string] $Request.snapshotId }
    }
    Assert-SnapshotOfOne -Setting $setting
    $system = Get-HvSystem -Id $setting.VirtualSystemIdentifier
    $before = @(Get-HvAssociated -InputObject $system -ResultClassName 'Msvm_VirtualSystemReferencePoint' -Association 'Msvm_ReferencePointOfVirtualSystem' | ForEach-Object -Process { [string] $_.InstanceID })
    $failure = "The checkpoint '$($setting.ElementName)' could not be turned into a reference point"
    $answer = Invoke-HvMethod -InputObject (Get-HvService -ClassName 'Msvm_VirtualSystemSnapshotService') -MethodName 'ConvertToReferencePoint' -Arguments @{ AffectedSnapshot = $setting } -Failure $failure -Code 'CHECKPOINT_FAILED'
    $point = if ($answer.Job) { Get-JobResult -Job $answer.Job -ClassName 'Msvm_VirtualSystemReferencePoint' } else { $answer.Result.ResultingReferencePoint }
    if ($point) { $point = Get-HvFresh -InputObject $point }
    if (-not $point) {
        $new = @(Get-HvAssociated -InputObject $system -ResultClassName 'Msvm_VirtualSystemReferencePoint' -Association 'Msvm_ReferencePointOfVirtualSystem' |
                Where-Object -FilterScript { $before -notcontains [string] $_.InstanceID })
        if ($new.Count -ne 1) {
            Deny-Request -Code 'CHECKPOINT_FAILED' -Message "${failure}: the host reports success, and $($new.Count) new reference points are there." -Advice 'The restore point is complete; the next backup reads in full.'
        }
        $point = $new[0]
    }
    return @{ referencePoint = (Get-HvValue -InputObject $point -Property $script:ReferencePointProperties) }
}

function Assert-SnapshotOfOne {
    # A checkpoint of a group ends with those of the other VMs, by the product that made it; ours are of one VM each.
    [CmdletBinding()]
    param([Parameter(Mandatory)] [object] $Setting)

    if (Get-HvCollector -InputObject $Setting -ResultClassName 'Msvm_SnapshotCollection' -Association 'Msvm_CollectedSnapshots') {
        Deny-Request -Code 'NOT_SUPPORTED' -Message "The checkpoint '$($Setting.ElementName)' is one of a group of VMs, and left as it is." -Advice 'The product that made it ends it.' -Data @{ checkpointId = [string] $Setting.InstanceID }
    }
}

function Get-HelperConfigurationFile {
    <#
    .SYNOPSIS
        Paths of a checkpoint's own configuration files: the folder and name that its settings give, any extension.
    #>
    [CmdletBinding()]
    param([Parameter(Mandatory)] [object] $Request)

    $setting = Get-HvSnapshot -Id $Request.snapshotId
    if (-not $setting) {
        Deny-Request -Code 'CHECKPOINT_NOT_FOUND' -Message "The recovery checkpoint is not on the host (any more): $($Request.snapshotId)" -Advice 'Run the backup again; it takes a new checkpoint.' -Data @{ checkpointId = [string] $Request.snapshotId }
    }
    return @{
        dataRoot       = [string] $setting.ConfigurationDataRoot
        file           = [string] $setting.ConfigurationFile
        guestStateRoot = [string] $setting.GuestStateDataRoot
        guestStateFile = [string] $setting.GuestStateFile
    }
}
