function Receive-BackendMessage {
    <#
    .SYNOPSIS
        Waits for the next message about a request, and stays interruptible by Ctrl-C meanwhile. $null when there is none.
    .NOTES
        Commands of one pipeline share the backend: what comes for the request of another waits in its inbox.
    #>
    [CmdletBinding()]
    [OutputType([psobject])]
    param(
        [Parameter(Mandatory)]
        [hashtable] $Backend,

        # Of the request.
        [Parameter(Mandatory)]
        [int] $Id,

        # Longest time to wait, milliseconds; -1 waits for ever.
        [int] $TimeoutMs = -1
    )

    $watch = [System.Diagnostics.Stopwatch]::StartNew()
    $inbox = $Backend.Inbox["$Id"]
    while ($true) {
        if ($inbox.Count) { return $inbox.Dequeue() }
        if ($Backend.Closed -or ($TimeoutMs -ge 0 -and $watch.ElapsedMilliseconds -ge $TimeoutMs)) { return $null }
        # A blocking call cannot be interrupted: PowerShell looks for Ctrl-C between statements.
        $line = Read-BackendLine -Backend $Backend -WaitMs 50
        if ($null -eq $line) { continue }
        $message = ConvertFrom-BackendJson -Json $line
        if ((Get-Field -InputObject $message -Name 'method') -eq '$/ending') {
            # What it may still answer, it answers to refuse.
            $Backend.Ending = $true
            $Backend.Closed = $true
            continue
        }
        $about = Get-Field -InputObject $message -Name 'id'
        if ($null -eq $about) { $about = Get-Field -InputObject (Get-Field -InputObject $message -Name 'params') -Name 'token' }
        # Late messages about a request that is no longer awaited are dropped.
        if ($null -ne $about -and $Backend.Inbox.ContainsKey("$about")) { $Backend.Inbox["$about"].Enqueue($message) }
    }
}
