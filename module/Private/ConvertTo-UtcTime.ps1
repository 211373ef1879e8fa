function ConvertTo-UtcTime {
    <#
    .SYNOPSIS
        A time of the protocol (ISO 8601) as a DateTime in UTC.
    #>
    [CmdletBinding()]
    [OutputType([datetime])]
    param(
        [Parameter(Mandatory)]
        [string] $Text
    )

    $culture = [System.Globalization.CultureInfo]::InvariantCulture
    return [datetime]::Parse($Text, $culture, [System.Globalization.DateTimeStyles]::RoundtripKind).ToUniversalTime()
}
