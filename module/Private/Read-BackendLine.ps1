function Read-BackendLine {
    <#
    .SYNOPSIS
        The next line of the backend. $null when none came in time, or there will be none any more: the backend is Closed then.
    #>
    [CmdletBinding()]
    [OutputType([string])]
    param(
        [Parameter(Mandatory)]
        [hashtable] $Backend,

        # Longest time to wait, milliseconds.
        [Parameter(Mandatory)]
        [int] $WaitMs
    )

    if ($null -eq $Backend.Pending) { $Backend.Pending = $Backend.Output.ReadLineAsync() }
    $pending = $Backend.Pending
    try {
        if (-not $pending.Wait($WaitMs)) { return $null }
        $line = $pending.Result
    } catch [System.AggregateException] {
        Write-Debug -Message "stdout: $_"
        $line = $null
    }
    # An event handler of this session may have read it meanwhile.
    if (-not [object]::ReferenceEquals($pending, $Backend.Pending)) { return $null }
    $Backend.Pending = $null
    if ($null -eq $line) { $Backend.Closed = $true }
    return $line
}
