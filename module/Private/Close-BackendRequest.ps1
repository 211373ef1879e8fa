function Close-BackendRequest {
    <#
    .SYNOPSIS
        Cancels a request and waits until it is cleaned up. A backend that takes too long for that is killed.
    #>
    [CmdletBinding()]
    param(
        [Parameter(Mandatory)]
        [hashtable] $Backend,

        [Parameter(Mandatory)]
        [int] $Id,

        # How long it may take to clean up, milliseconds.
        [int] $TimeoutMs = 60000
    )

    try {
        Send-BackendMessage -Backend $Backend -Message @{ method = '$/cancelRequest'; params = @{ id = $Id } }
    } catch {
        Write-Debug -Message "stdin: $_"
    }
    $watch = [System.Diagnostics.Stopwatch]::StartNew()
    while ($watch.ElapsedMilliseconds -lt $TimeoutMs) {
        $message = Receive-BackendMessage -Backend $Backend -Id $Id -TimeoutMs 200
        if ($Backend.Closed -or ($null -ne $message -and $null -eq (Get-Field -InputObject $message -Name 'method'))) { return }
    }
    try { $Backend.Process.Kill() } catch { Write-Debug -Message "kill: $_" }
    $Backend.Closed = $true
}
