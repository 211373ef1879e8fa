# What changed since an RCT id: virtdisk.dll on this machine, GetVirtualDiskChanges over WMI for another host.

function Get-HelperChangeTracking {
    <#
    .SYNOPSIS
        Change tracking state of disk files; nothing where it cannot be asked for (another host).
    #>
    [CmdletBinding()]
    param([Parameter(Mandatory)] [object] $Request)

    $states = foreach ($path in $Request.paths) {
        try {
            Get-VirtDiskTracking -Path ([string] $path)
        } catch {
            @{ path = [string] $path; error = (ConvertTo-HelperError -ErrorRecord $_) }
        }
    }
    return @{ disks = @($states) }
}

function Get-HelperChange {
    <#
    .SYNOPSIS
        One page of changed ranges from -offset on, packed: pairs of 64-bit offset and length, little-endian, base64.
    #>
    [CmdletBinding()]
    param([Parameter(Mandatory)] [object] $Request)

    $arguments = @{ Path = [string] $Request.path; RctId = [string] $Request.rctId; Offset = [uint64] $Request.offset; Length = [uint64] $Request.length }
    # A snapshot within a VHD set: only WMI takes its id.
    if ([string] $Request.method -eq 'wmi') { return Get-WmiChangePage @arguments -TargetSnapshotId ([string] $Request.snapshotId) }
    return Get-VirtDiskChangePage @arguments
}

function Get-WmiChangePage {
    # GetVirtualDiskChanges, one call. What it processed is the caller's to go on from.
    [CmdletBinding()]
    [OutputType([hashtable])]
    param(
        [Parameter(Mandatory)] [string] $Path,
        [Parameter(Mandatory)] [string] $RctId,
        [Parameter(Mandatory)] [uint64] $Offset,
        [Parameter(Mandatory)] [uint64] $Length,
        [string] $TargetSnapshotId = ''
    )

    $service = Get-HvService -ClassName 'Msvm_ImageManagementService'
    $arguments = @{ Path = $Path; LimitId = $RctId; TargetSnapshotId = $TargetSnapshotId; ByteOffset = $Offset; ByteLength = $Length }
    try {
        $result = Invoke-CimRead -Action {
            $target = $script:CimTarget
            Invoke-CimMethod -InputObject $service -MethodName 'GetVirtualDiskChanges' -Arguments $arguments -OperationTimeoutSec $script:CimTimeout @target
        }
    } catch {
        $failure = ConvertTo-HelperError -ErrorRecord $_
        if ($failure.code -ne 'NOT_SUPPORTED') { throw }
        Deny-Request -Code 'TRACKING_LOST' -Message "The host has no GetVirtualDiskChanges. $($failure.message)" -Advice 'A full backup of this disk is needed, or differential exports (-ExportFolder).' -Data @{ path = $Path; unsupported = $true }
    }
    $returned = [long] $result.ReturnValue
    # The documentation wants a length below the disk's size; a shipping client passes the size. The caller asks for half.
    if ($returned -eq 32773) { return @{ refused = 'length' } }
    if ($returned -eq 4096) {
        Deny-Request -Code 'TRACKING_LOST' -Message "The host answers GetVirtualDiskChanges for '$Path' with a job, whose result cannot be read." -Advice 'Take a full backup of this disk.' -Data @{ path = $Path; unsupported = $true }
    }
    if ($returned -ne 0) {
        $name = $script:MethodFailures[[int] $returned]
        Deny-Request -Code 'TRACKING_LOST' -Message "The changed ranges of '$Path' cannot be had: GetVirtualDiskChanges returned $returned, $name." -Advice 'A full backup of this disk is needed.' -Data @{ path = $Path; rctId = $RctId; returnValue = $returned; unsupported = ($returned -eq 32770) }
    }
    $offsets = @($result.ChangedByteOffsets)
    $lengths = @($result.ChangedByteLengths)
    if ($offsets.Count -ne $lengths.Count) {
        Deny-Request -Code 'TRACKING_INCONSISTENT' -Message "The host gives $($offsets.Count) offsets and $($lengths.Count) lengths for '$Path'." -Advice 'A full backup of this disk is needed.' -Data @{ path = $Path }
    }
    return @{ ranges = (ConvertTo-PackedRange -Offset $offsets -Length $lengths); processed = [long] $result.ProcessedByteLength }
}

function ConvertTo-PackedRange {
    # Ranges as base64 of little-endian pairs.
    [CmdletBinding()]
    [OutputType([string])]
    param(
        [AllowEmptyCollection()] [AllowNull()] [object[]] $Offset,
        [AllowEmptyCollection()] [AllowNull()] [object[]] $Length
    )

    $count = if ($null -eq $Offset -or ($Offset.Count -eq 1 -and $null -eq $Offset[0])) { 0 } else { $Offset.Count }
    # BlockCopy of whole arrays: a loop over 300,000 ranges would take seconds in PowerShell.
    $pairs = New-Object -TypeName 'uint64[]' -ArgumentList (2 * $count)
    for ($i = 0; $i -lt $count; $i++) {
        $pairs[2 * $i] = $Offset[$i]
        $pairs[2 * $i + 1] = $Length[$i]
    }
    $bytes = New-Object -TypeName 'byte[]' -ArgumentList (16 * $count)
    [System.Buffer]::BlockCopy($pairs, 0, $bytes, 0, $bytes.Length)
    return [Convert]::ToBase64String($bytes)
}
