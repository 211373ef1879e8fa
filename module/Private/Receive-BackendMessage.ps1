function Receive-BackendMessage {
    <#
    .SYNOPSIS
        Waits for the next line of the backend, and stays interruptible by Ctrl-C meanwhile. $null when there is none.
    #>
    [CmdletBinding()]
    [OutputType([string])]
    param(
        [Parameter(Mandatory)]
        [hashtable] $Backend,

        # Longest time to wait, milliseconds; -1 waits for ever.
        [int] $TimeoutMs = -1
    )

    $watch = [System.Diagnostics.Stopwatch]::StartNew()
    if ($null -eq $Backend.Pending) { $Backend.Pending = $Backend.Output.ReadLineAsync() }
    # A blocking call cannot be interrupted: PowerShell looks for Ctrl-C between statements.
    while (-not $Backend.Pending.Wait(50)) {
        if ($TimeoutMs -ge 0 -and $watch.ElapsedMilliseconds -ge $TimeoutMs) { return $null }
    }
    $line = $Backend.Pending.Result
    $Backend.Pending = $null
    if ($null -eq $line) { $Backend.Closed = $true }
    return $line
}
