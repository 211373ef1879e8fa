# virtdisk.dll, through the class HyperVBackup.VirtDisk. Only for disks that this machine can open.

# $null: not tried yet; '' : loaded; else why it cannot be used.
$script:VirtDiskProblem = $null
# The last answer, handed out page by page: a query of a large disk is asked of Windows once.
$script:ChangeAnswer = $null
# Ranges a page: 1 MiB of packed ranges.
$script:ChangePageSize = 65536

function Import-VirtDisk {
    <#
    .SYNOPSIS
        Loads the class: the prebuilt assembly beside this file, which can be signed; compiled from source where it is missing.
    #>
    [CmdletBinding()]
    param()

    if ($null -ne $script:VirtDiskProblem) { return }
    try {
        $assembly = Join-Path -Path $PSScriptRoot -ChildPath 'VirtDisk.dll'
        if (Test-Path -LiteralPath $assembly) {
            Add-Type -LiteralPath $assembly
        } else {
            Add-Type -LiteralPath @(Get-ChildItem -LiteralPath $PSScriptRoot -Filter '*.cs' | ForEach-Object -Process { $_.FullName })
        }
        $script:VirtDiskProblem = ''
    } catch {
        $script:VirtDiskProblem = "virtdisk cannot be used: $($_.Exception.Message)"
    }
}

function Get-VirtDiskState {
    <#
    .SYNOPSIS
        Whether disks can be asked directly, and if not, why.
    #>
    [CmdletBinding()]
    [OutputType([hashtable])]
    param([bool] $Remote)

    if ($Remote) { return @{ available = $false; reason = 'the host is another machine' } }
    Import-VirtDisk
    return @{ available = ($script:VirtDiskProblem -eq ''); reason = $script:VirtDiskProblem }
}

function Invoke-VirtDisk {
    # Runs an action on the class; its exceptions become the protocol's errors.
    [CmdletBinding()]
    param([Parameter(Mandatory)] [scriptblock] $Action)

    Import-VirtDisk
    if ($script:VirtDiskProblem) {
        Deny-Request -Code 'NOT_SUPPORTED' -Message $script:VirtDiskProblem -Advice 'Where policy forbids compiling (Constrained Language Mode), install the package with the signed VirtDisk.dll.'
    }
    try {
        & $Action
    } catch {
        for ($exception = $_.Exception; $exception; $exception = $exception.InnerException) {
            if (-not $exception.PSObject.Properties['ProjectCode']) { continue }
            Deny-Request -Code $exception.ProjectCode -Message $exception.Message -Advice $exception.Advice -Data @{ code = $exception.CodeText; symbol = $exception.Symbol; path = $exception.Path }
        }
        throw
    }
}

function Get-VirtDiskTracking {
    <#
    .SYNOPSIS
        Change tracking state of a disk file.
    #>
    [CmdletBinding()]
    [OutputType([hashtable])]
    param([Parameter(Mandatory)] [string] $Path)

    $info = Invoke-VirtDisk -Action { [HyperVBackup.VirtDisk]::GetInfo($Path) }
    return @{ path = $Path; enabled = [bool] $info.TrackingEnabled; newerChanges = [bool] $info.NewerChanges; mostRecentId = $info.MostRecentId }
}

function Get-VirtDiskChangePage {
    <#
    .SYNOPSIS
        Ranges -Offset and following of all that changed since an id. Here -Offset counts ranges; a page is as long as it is.
    #>
    [CmdletBinding()]
    [OutputType([hashtable])]
    param(
        [Parameter(Mandatory)] [string] $Path,
        [Parameter(Mandatory)] [string] $RctId,
        [Parameter(Mandatory)] [uint64] $Offset,
        [Parameter(Mandatory)] [uint64] $Length
    )

    $null = $Length
    $answer = $script:ChangeAnswer
    # Also after a restart of this process: the frozen disk gives the same answer again.
    if ($Offset -eq 0 -or -not $answer -or $answer.Path -ne $Path -or $answer.RctId -ne $RctId) {
        $clock = [System.Diagnostics.Stopwatch]::StartNew()
        # Called after each page of Windows', which can be hundreds a second: said once a second.
        $watch = [Action[uint64, uint64]] {
            param($done, $total)
            if ($clock.ElapsedMilliseconds -lt 1000) { return }
            $clock.Restart()
            Write-HelperProgress -Value @{ method = 'QueryChangesVirtualDisk'; doneBytes = $done; totalBytes = $total }
        }
        $ranges = Invoke-VirtDisk -Action { [HyperVBackup.VirtDisk]::QueryChanges($Path, $RctId, $watch, [System.Threading.CancellationToken]::None) }
        $answer = @{ Path = $Path; RctId = $RctId; Bytes = $ranges.ToBytes(); Count = $ranges.Count; Size = $ranges.VirtualSize }
        $script:ChangeAnswer = $answer
    }
    $from = [int] $Offset
    $count = [Math]::Max(0, [Math]::Min($script:ChangePageSize, $answer.Count - $from))
    $page = [Convert]::ToBase64String($answer.Bytes, 16 * $from, 16 * $count)
    $next = $from + $count
    if ($next -ge $answer.Count) { $script:ChangeAnswer = $null }
    return @{ ranges = $page; next = $next; total = $answer.Count; size = $answer.Size }
}
