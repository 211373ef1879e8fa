# virtdisk.dll, through the class HyperVBackup.VirtDisk. Only for disks that this machine can open.

# $null: not tried yet; '' : loaded; else why it cannot be used.
$script:VirtDiskProblem = $null
# Where the class came from: '' not loaded yet, 'assembly', or 'compiled' with the reason.
$script:VirtDiskSource = ''
# The last answer, handed out page by page: a query of a large disk is asked of Windows once.
$script:ChangeAnswer = $null
# Ranges a page: 1 MiB of packed ranges.
$script:ChangePageSize = 65536

function Import-VirtDisk {
    <#
    .SYNOPSIS
        Loads the class: the prebuilt assembly beside this file, which can be signed; compiled from the helper's sources where that is missing,
        or is not the file that the package's list of files (files.json) names by its hash.
    #>
    [CmdletBinding()]
    param()

    if ($null -ne $script:VirtDiskProblem) { return }
    try {
        $script:VirtDiskSource = Import-VirtDiskAssembly
        if ($script:VirtDiskSource -ne 'assembly') {
            $helper = Split-Path -Path $PSScriptRoot -Parent
            Add-Type -LiteralPath @(Get-ChildItem -LiteralPath $helper -Filter '*.cs' -Recurse | ForEach-Object -Process { $_.FullName })
        }
        $script:VirtDiskProblem = ''
    } catch {
        $script:VirtDiskProblem = "virtdisk cannot be used: $($_.Exception.Message)"
    }
}

function Import-VirtDiskAssembly {
    # Loads VirtDisk.dll if it is what the package says. @returns 'assembly', or why it is to be compiled
    [CmdletBinding()]
    [OutputType([string])]
    param()

    $path = Join-Path -Path $PSScriptRoot -ChildPath 'VirtDisk.dll'
    $module = Split-Path -Path (Split-Path -Path $PSScriptRoot -Parent) -Parent
    $list = Join-Path -Path (Split-Path -Path $module -Parent) -ChildPath 'files.json'
    if (-not (Test-Path -LiteralPath $path)) { return 'compiled: there is no VirtDisk.dll' }
    if (-not (Test-Path -LiteralPath $list)) { return 'compiled: there is no files.json that names VirtDisk.dll' }
    $files = (ConvertFrom-BackendJson -Json ([System.IO.File]::ReadAllText($list))).files
    $entry = $files.PSObject.Properties['module/Helper/virtdisk/VirtDisk.dll']
    # Held open, so that what is loaded is what was hashed: no other process can write to it meanwhile.
    $held = [System.IO.File]::Open($path, 'Open', 'Read', 'Read')
    try {
        $hasher = [System.Security.Cryptography.SHA256]::Create()
        $hash = [System.BitConverter]::ToString($hasher.ComputeHash($held)).Replace('-', '')
        $hasher.Dispose()
        if (-not $entry -or $hash -ne [string] $entry.Value) { return 'compiled: VirtDisk.dll is not the file that files.json names' }
        Add-Type -LiteralPath $path
    } finally {
        $held.Dispose()
    }
    return 'assembly'
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
    return @{ available = ($script:VirtDiskProblem -eq ''); reason = $script:VirtDiskProblem; source = $script:VirtDiskSource }
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

function Connect-ShareNative {
    <#
    .SYNOPSIS
        Connects this logon session to a server with an account, for every share of it. @returns Windows' code, 0 when it worked
    #>
    [CmdletBinding()]
    [OutputType([int])]
    param(
        [Parameter(Mandatory)] [string] $Server,
        [Parameter(Mandatory)] [pscredential] $Credential
    )

    Import-VirtDisk
    if ($script:VirtDiskProblem) { throw $script:VirtDiskProblem }
    return [HyperVBackup.NetworkShare]::Connect($Server, $Credential.UserName, $Credential.Password)
}

function Disconnect-ShareNative {
    <#
    .SYNOPSIS
        Ends what Connect-ShareNative began. @returns Windows' code
    #>
    [CmdletBinding()]
    [OutputType([int])]
    param([Parameter(Mandatory)] [string] $Server)

    return [HyperVBackup.NetworkShare]::Disconnect($Server)
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
