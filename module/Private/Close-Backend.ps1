function Close-Backend {
    <#
    .SYNOPSIS
        Ends the backend: the end of its stdin makes it cancel what runs and clean up. Killed when it takes too long.
    #>
    [CmdletBinding()]
    param(
        [Parameter(Mandatory)]
        [hashtable] $Backend,

        # How long the backend may take to clean up, milliseconds.
        [int] $TimeoutMs = 60000
    )

    $process = $Backend.Process
    try {
        try { $Backend.Input.Dispose() } catch { Write-Debug -Message "stdin: $_" }
        # Its answers are read on, so that it never waits for us.
        $watch = [System.Diagnostics.Stopwatch]::StartNew()
        while (-not $Backend.Closed -and $watch.ElapsedMilliseconds -lt $TimeoutMs) {
            $null = Read-BackendLine -Backend $Backend -WaitMs 200
        }
        $left = [Math]::Max(1000, $TimeoutMs - $watch.ElapsedMilliseconds)
        if (-not $process.WaitForExit([int]$left)) { $process.Kill() }
        if ($Backend.Errors.Wait(1000) -and $Backend.Errors.Result) { Write-Debug -Message $Backend.Errors.Result }
    } finally {
        $process.Dispose()
    }
}
