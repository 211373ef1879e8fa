function Write-BackendProgress {
    <#
    .SYNOPSIS
        Shows a progress notification, five times a second at most.
    #>
    [CmdletBinding()]
    param(
        # Parameters of the $/progress notification.
        [Parameter(Mandatory)]
        [psobject] $Notification,

        [Parameter(Mandatory)]
        [string] $Activity,

        # State from call to call: Watch and Shown.
        [Parameter(Mandatory)]
        [hashtable] $Meter
    )

    if ($null -ne $Meter.Watch -and $Meter.Watch.ElapsedMilliseconds -lt 200) { return }
    $Meter.Watch = [System.Diagnostics.Stopwatch]::StartNew()
    $Meter.Shown = $true
    $status = $Notification.phase
    $disk = Get-Field -InputObject $Notification -Name 'disk'
    if ($null -ne $disk) { $status += " disk $disk" }
    $progress = @{ Activity = ConvertTo-PrintableText -Text $Activity }
    $done = Get-Field -InputObject $Notification -Name 'doneBytes'
    $total = Get-Field -InputObject $Notification -Name 'totalBytes'
    if ($null -ne $done) { $status += ', ' + (Format-ByteCount -Bytes $done) }
    if ($null -ne $total -and $total -gt 0) {
        $status += ' of ' + (Format-ByteCount -Bytes $total)
        $progress.PercentComplete = [int][Math]::Min(100, [Math]::Floor(100.0 * $done / $total))
    }
    $rate = Get-Field -InputObject $Notification -Name 'bytesPerSecond'
    if ($null -ne $rate) { $status += ', ' + (Format-ByteCount -Bytes $rate) + '/s' }
    $text = Get-Field -InputObject $Notification -Name 'message'
    if ($text) { $status += ", $text" }
    $remaining = Get-Field -InputObject $Notification -Name 'remainingMs'
    if ($null -ne $remaining) { $progress.SecondsRemaining = [int][Math]::Min([int]::MaxValue, [Math]::Ceiling($remaining / 1000)) }
    Write-Progress @progress -Status (ConvertTo-PrintableText -Text $status)
}
