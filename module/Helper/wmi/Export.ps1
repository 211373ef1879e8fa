# Exports of recovery checkpoints: ExportSystemDefinition, full or as the difference to a reference point.

$script:ExportClass = 'Msvm_VirtualSystemExportSettingData'
# OneSnapshotForBackup: the exported configuration keeps the VM's id.
$script:ExportForBackup = 3
# What Win32 errors in a job's text mean for an export. They come as HRESULTs, which no language of Windows translates.
$script:ExportFailures = @(
    @{ Pattern = '0x80070070|0x80070027'; Code = 'DISK_FULL'; Advice = 'Free space in the export folder, or name another (--export-folder, -ExportFolder).' }
    @{ Pattern = '0x80070005'; Code = 'ACCESS_DENIED'; Advice = 'The host itself writes the export: give its computer account (on a share) or the Virtual Machine Management service the right to.' }
    @{ Pattern = '0x80070002|0x80070003|0x80070035|0x80070043'; Code = 'FILE_NOT_FOUND'; Advice = 'Name an export folder that the host reaches under that name (--export-folder, -ExportFolder).' }
)

function Get-HelperExportAbility {
    <#
    .SYNOPSIS
        What exports of this host can do: leaving disks out came with Windows 10 1709.
    #>
    [CmdletBinding()]
    param([Parameter(Mandatory)] [object] $Request)

    $null = $Request
    return @{ excludesDisks = (Test-HvProperty -ClassName $script:ExportClass -Name 'ExcludedVirtualHardDisks') }
}

function Invoke-HelperExport {
    <#
    .SYNOPSIS
        Exports a recovery checkpoint into a folder that is there and empty. With base, only what changed since that reference point.
    .NOTES
        With CopyVmStorage false the host would stop merging until its service restarts (seen by a shipping client), so disks that are
        not wanted are excluded instead, where the host can.
    #>
    [CmdletBinding()]
    param([Parameter(Mandatory)] [object] $Request)

    $setting = Get-HvSnapshot -Id $Request.snapshotId
    if (-not $setting) {
        Deny-Request -Code 'CHECKPOINT_NOT_FOUND' -Message "The recovery checkpoint is not on the host (any more): $($Request.snapshotId)" -Advice 'Run the backup again; it takes a new checkpoint.' -Data @{ checkpointId = [string] $Request.snapshotId }
    }
    $system = Get-HvSystem -Id $setting.VirtualSystemIdentifier
    $folder = [string] $Request.folder
    $properties = @{
        CopySnapshotConfiguration  = [byte] $script:ExportForBackup
        CopyVmRuntimeInformation   = $false
        CopyVmStorage              = $true
        CreateVmExportSubdirectory = $false
        SnapshotVirtualSystem      = Get-HvObjectPath -InputObject $setting
        # What Microsoft's sample sets.
        BackupIntent               = [byte] 1
        # Whatever the VM's own settings say: a full export must not become a difference.
        DifferentialBackupBase     = $null
    }
    if ($Request.base) { $properties['DifferentialBackupBase'] = Get-HvObjectPath -InputObject (Get-HvReferencePoint -Id ([string] $Request.base)) }
    $exclude = [string[]] @($Request.exclude | Where-Object -FilterScript { $_ })
    if ($exclude) {
        $properties['ExcludedVirtualHardDisks'] = $exclude
        $properties['DisableDifferentialOfIgnoredStorage'] = $true
    }
    $arguments = @{
        ComputerSystem    = $system
        ExportDirectory   = $folder
        ExportSettingData = ConvertTo-EmbeddedText -ClassName $script:ExportClass -Property $properties -Source (Get-ExportDefault -System $system)
    }
    $kind = if ($Request.base) { 'differential export' } else { 'export' }
    $failure = "The $kind of the checkpoint '$($setting.ElementName)' to '$folder' failed"
    try {
        $null = Invoke-HvMethod -InputObject (Get-HvService -ClassName 'Msvm_VirtualSystemManagementService') -MethodName 'ExportSystemDefinition' -Arguments $arguments -Failure $failure -Code 'EXPORT_FAILED' -TimeoutSeconds ([int] $Request.timeoutSeconds)
    } catch {
        Resolve-ExportFailure -ErrorRecord $_ -Folder $folder
    }
    return @{ ended = $true }
}

function Wait-HelperExport {
    <#
    .SYNOPSIS
        After a crash of this process: waits for an export that it had begun. Not ended where its job is no longer known.
    #>
    [CmdletBinding()]
    param([Parameter(Mandatory)] [object] $Request)

    # A job's id goes into no filter: it is looked for among all.
    $job = Get-HvInstance -ClassName 'Msvm_ConcreteJob' | Where-Object -FilterScript { [string] $_.InstanceID -eq [string] $Request.jobId } | Select-Object -First 1
    if (-not $job) { return @{ ended = $false } }
    try {
        $ended = Wait-HvJob -Job $job -MethodName 'ExportSystemDefinition' -Failure 'The export failed' -Code 'EXPORT_FAILED' -TimeoutSeconds ([int] $Request.timeoutSeconds)
    } catch {
        Resolve-ExportFailure -ErrorRecord $_ -Folder ''
    }
    return @{ ended = -not ($ended -is [hashtable]) }
}

function Get-HvReferencePoint {
    # A reference point by its id, which is the host's own text and goes into no filter.
    [CmdletBinding()]
    param([Parameter(Mandatory)] [string] $Id)

    $point = Get-HvInstance -ClassName 'Msvm_VirtualSystemReferencePoint' | Where-Object -FilterScript { [string] $_.InstanceID -eq $Id } | Select-Object -First 1
    if (-not $point) {
        Deny-Request -Code 'REFERENCE_POINT_NOT_FOUND' -Message "The reference point is not on the host (any more): $Id" -Advice 'The disk is read in full.' -Data @{ referencePointId = $Id }
    }
    return $point
}

function Get-ExportDefault {
    # The VM's own export settings, as Microsoft's sample takes them for a start; nothing where there are none.
    [CmdletBinding()]
    param([Parameter(Mandatory)] [object] $System)

    return @(Get-HvAssociated -InputObject $System -ResultClassName $script:ExportClass -Association 'Msvm_SystemExportSettingData') | Select-Object -First 1
}

function Resolve-ExportFailure {
    # Ends the request with the failure, under the code of what went wrong with the folder where the host's text shows it.
    [CmdletBinding()]
    param(
        [Parameter(Mandatory)] [System.Management.Automation.ErrorRecord] $ErrorRecord,
        [AllowEmptyString()] [string] $Folder
    )

    $known = ConvertTo-HelperError -ErrorRecord $ErrorRecord
    if ($known.code -eq 'EXPORT_FAILED') {
        foreach ($kind in $script:ExportFailures) {
            if ($known.message -notmatch $kind.Pattern) { continue }
            Deny-Request -Code $kind.Code -Message $known.message -Advice $kind.Advice -Data ($known.data + @{ path = $Folder })
        }
    }
    throw $ErrorRecord
}
