function ConvertFrom-BackendJson {
    <#
    .SYNOPSIS
        Parses a message and leaves every string a string.
    .NOTES
        ConvertFrom-Json of PowerShell 7 turns strings that look like dates into dates, so that a VM with such a name would
        lose it; 5.1 does not. Which fields are times is for the schema to say (ConvertTo-UtcTime).
    #>
    [CmdletBinding()]
    [OutputType([psobject])]
    param(
        [Parameter(Mandatory)]
        [string] $Json
    )

    if ($PSVersionTable.PSVersion.Major -lt 6) { return ConvertFrom-Json -InputObject $Json }
    # From 7.5 on. A variable, because the parameter's name alone is an error of syntax checks for older versions.
    $options = @{ DateKind = 'String' }
    if ((Get-Command -Name 'ConvertFrom-Json').Parameters.ContainsKey('DateKind')) { return ConvertFrom-Json -InputObject $Json @options }
    $document = [System.Text.Json.JsonDocument]::Parse($Json)
    try {
        return ConvertFrom-JsonElement -Element $document.RootElement
    } finally {
        $document.Dispose()
    }
}
