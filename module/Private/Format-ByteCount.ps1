function Format-ByteCount {
    <#
    .SYNOPSIS
        Bytes for people: 512 B, 1.5 KiB, 127 GiB.
    #>
    [CmdletBinding()]
    [OutputType([string])]
    param(
        [Parameter(Mandatory)]
        [double] $Bytes
    )

    $units = 'B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'
    $unit = 0
    while ($Bytes -ge 1023.5 -and $unit -lt 5) {
        $Bytes /= 1024
        $unit++
    }
    $format = if ($unit -eq 0 -or $Bytes -ge 99.95) { '0' } elseif ($Bytes -ge 9.995) { '0.#' } else { '0.##' }
    return '{0} {1}' -f $Bytes.ToString($format, [System.Globalization.CultureInfo]::InvariantCulture), $units[$unit]
}
