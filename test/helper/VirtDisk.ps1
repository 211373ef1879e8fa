# Stands in for module/Helper/virtdisk/VirtDisk.ps1 in tests: the same functions, answered by the double instead of virtdisk.dll.

$script:ChangeAnswer = $null
$script:ChangePageSize = if ($env:WMI_DOUBLE_PAGE) { [int] $env:WMI_DOUBLE_PAGE } else { 65536 }

function Get-VirtDiskState {
    param([bool] $Remote)

    if ($Remote) { return @{ available = $false; reason = 'the host is another machine' } }
    return @{ available = $true; reason = '' }
}

function Connect-ShareNative {
    param([string] $Server, [pscredential] $Credential)

    return (Invoke-WmiDouble -Request @{ op = 'share'; connect = $true; computerName = $Server; userName = $Credential.UserName; password = $Credential.GetNetworkCredential().Password }).code
}

function Disconnect-ShareNative {
    param([string] $Server)

    return (Invoke-WmiDouble -Request @{ op = 'share'; connect = $false; computerName = $Server }).code
}

function Get-VirtDiskTracking {
    param([string] $Path)

    # Assumed: the id can be read over a share. Run both ways.
    if ($script:CimTarget.Count -gt 0 -and $env:WMI_DOUBLE_NO_REMOTE_TRACKING) { throw 'not over a share' }
    $state = Invoke-WmiDouble -Request @{ op = 'tracking'; path = $Path }
    return @{ path = $Path; enabled = $state.enabled; newerChanges = $state.newerChanges; mostRecentId = $state.mostRecentId }
}

function Get-VirtDiskChangePage {
    param([string] $Path, [string] $RctId, [uint64] $Offset, [uint64] $Length)

    $null = $Length
    $answer = $script:ChangeAnswer
    if ($Offset -eq 0 -or -not $answer -or $answer.Path -ne $Path -or $answer.RctId -ne $RctId) {
        $changes = Invoke-WmiDouble -Request @{ op = 'changes'; path = $Path; rctId = $RctId }
        $pairs = [uint64[]] @($changes.ranges)
        $bytes = New-Object -TypeName 'byte[]' -ArgumentList (8 * $pairs.Length)
        [System.Buffer]::BlockCopy($pairs, 0, $bytes, 0, $bytes.Length)
        $answer = @{ Path = $Path; RctId = $RctId; Bytes = $bytes; Count = $pairs.Length / 2; Size = $changes.size }
        $script:ChangeAnswer = $answer
    }
    $from = [int] $Offset
    $count = [Math]::Max(0, [Math]::Min($script:ChangePageSize, $answer.Count - $from))
    return @{ ranges = [Convert]::ToBase64String($answer.Bytes, 16 * $from, 16 * $count); next = $from + $count; total = $answer.Count; size = $answer.Size }
}
