# Disks that are attached for reading: the backend asks for their sectors over a pipe of its own (docs/helper-protocol.md, "Attached disks").

# Session -> the class that answers.
$script:AttachedDisks = @{}
# Milliseconds: the pipe is there when it is asked for; a read that fails takes Windows minutes.
$script:PipeTimeout = 30000
$script:DetachTimeout = 300000

function Open-HelperAttachedDisk {
    <#
    .SYNOPSIS
        Attaches a disk file read-only, unseen by this host, and answers requests for its sectors over the named pipe until that is closed.
    #>
    [CmdletBinding()]
    param([Parameter(Mandatory)] [object] $Request)

    $path = [string] $Request.path
    $handle = Invoke-VirtDisk -Action { [HyperVBackup.VirtDisk]::OpenRead($path) }
    try {
        Invoke-VirtDisk -Action { [HyperVBackup.VirtDisk]::AttachForReading($handle) }
        $info = Invoke-VirtDisk -Action { [HyperVBackup.VirtDisk]::GetInfo($handle) }
        $pipe = New-Object -TypeName 'System.IO.Pipes.NamedPipeClientStream' -ArgumentList '.', ([string] $Request.pipe), 'InOut'
        $pipe.Connect($script:PipeTimeout)
    } catch {
        $handle.Dispose()
        throw
    }
    $server = Invoke-VirtDisk -Action { New-Object -TypeName 'HyperVBackup.VirtDiskServer' -ArgumentList $handle, $pipe }
    $server.Start([Convert]::FromBase64String([string] $Request.token))
    $script:AttachedDisks[[string] $Request.session] = $server
    return @{ size = $server.Size; sectorSize = [long] $info.SectorSize }
}

function Close-HelperAttachedDisk {
    <#
    .SYNOPSIS
        Waits until a disk whose pipe was closed is detached. Not an error when it is not attached (any more).
    #>
    [CmdletBinding()]
    param([Parameter(Mandatory)] [object] $Request)

    $session = [string] $Request.session
    $server = $script:AttachedDisks[$session]
    if (-not $server) { return @{ detached = $false } }
    $script:AttachedDisks.Remove($session)
    $ended = Invoke-VirtDisk -Action { $server.WaitForEnd($script:DetachTimeout) }
    if (-not $ended) {
        $server.Dispose()
        Deny-Request -Code 'HELPER_FAILED' -Message "A disk is still being read after $($script:DetachTimeout / 1000) s and could not be detached." -Advice 'Look at the host: its storage may be stuck.'
    }
    return @{ detached = $true }
}
