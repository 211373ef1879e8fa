function ConvertFrom-JsonElement {
    <#
    .SYNOPSIS
        A System.Text.Json element as objects, arrays and values; for PowerShell 7.0 to 7.4.
    #>
    [CmdletBinding()]
    [OutputType([psobject])]
    param(
        [Parameter(Mandatory)]
        [object] $Element
    )

    switch ("$($Element.ValueKind)") {
        'Object' {
            $fields = [ordered]@{}
            foreach ($property in $Element.EnumerateObject()) { $fields[$property.Name] = ConvertFrom-JsonElement -Element $property.Value }
            return [pscustomobject]$fields
        }
        'Array' {
            $items = @(foreach ($item in $Element.EnumerateArray()) { , (ConvertFrom-JsonElement -Element $item) })
            return , $items
        }
        'String' { return $Element.GetString() }
        'Number' {
            [long] $whole = 0
            if ($Element.TryGetInt64([ref]$whole)) { return $whole }
            return $Element.GetDouble()
        }
        'True' { return $true }
        'False' { return $false }
        default { return $null }
    }
}
