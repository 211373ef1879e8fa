# Embedded instances: how settings travel as text in string parameters.

# Scriptblock that turns an instance into text; chosen at first use, replaceable.
$script:InstanceSerializer = $null

function Get-InstanceSerializer {
    <#
    .SYNOPSIS
        MI's own serializer for real instances where the language mode allows it; our text writer for all else.
    .NOTES
        CimSerializer is what shipping clients use. The writer makes the XML of CIM DTD 2.0, which Microsoft's sample passes to the
        same methods (GetText with WmiDtd20); it serves Constrained Language Mode, where CimSerializer is not allowed.
    #>
    [CmdletBinding()]
    [OutputType([scriptblock])]
    param([Parameter(Mandatory)] [object] $Instance)

    $type = $Instance.PSObject.BaseObject.GetType().FullName
    if ($type -eq 'Microsoft.Management.Infrastructure.CimInstance' -and $ExecutionContext.SessionState.LanguageMode -eq 'FullLanguage') {
        return {
            param($Instance)
            $serializer = [Microsoft.Management.Infrastructure.Serialization.CimSerializer]::Create()
            try {
                $bytes = $serializer.Serialize($Instance, [Microsoft.Management.Infrastructure.Serialization.InstanceSerializationOptions]::None)
            } finally {
                $serializer.Dispose()
            }
            [System.Text.Encoding]::Unicode.GetString($bytes)
        }
    }
    return { param($Instance) ConvertTo-CimDtdText -Instance $Instance }
}

function ConvertTo-EmbeddedText {
    <#
    .SYNOPSIS
        Settings of a class as the text of an embedded instance. -Source is a fetched instance to clone, -Property what to set.
    .NOTES
        A fetched instance has read-only properties, so it is cloned into a new one, InstanceID included.
    #>
    [CmdletBinding()]
    [OutputType([string])]
    param(
        [Parameter(Mandatory)] [string] $ClassName,
        [Parameter(Mandatory)] [hashtable] $Property,
        [object] $Source
    )

    $class = Get-HvClass -ClassName $ClassName
    $declared = @($class.CimClassProperties | ForEach-Object -Process { $_.Name })
    foreach ($name in $Property.Keys) {
        if ($declared -notcontains $name) {
            Deny-Request -Code 'NOT_SUPPORTED' -Message "This host's $ClassName has no $name." -Advice 'This needs a newer version of Windows on the host.'
        }
    }
    $values = @{}
    foreach ($name in $declared) {
        $value = if ($Property.ContainsKey($name)) { $Property[$name] } elseif ($Source) { $Source.$name } else { $null }
        if ($null -ne $value) { $values[$name] = $value }
    }
    $instance = New-CimInstance -CimClass $class -ClientOnly -Property $values
    if ($null -eq $script:InstanceSerializer) { $script:InstanceSerializer = Get-InstanceSerializer -Instance $instance }
    return [string] (& $script:InstanceSerializer $instance)
}

function ConvertTo-CimValueText {
    # One value as CIM-XML writes it (DSP0201, VALUE).
    [CmdletBinding()]
    [OutputType([string])]
    param([Parameter(Mandatory)] [object] $Value)

    if ($Value -is [bool]) { return $(if ($Value) { 'TRUE' } else { 'FALSE' }) }
    if ($Value -is [datetime]) { return $Value.ToUniversalTime().ToString('yyyyMMddHHmmss.ffffff', [System.Globalization.CultureInfo]::InvariantCulture) + '+000' }
    $text = [string]::Format([System.Globalization.CultureInfo]::InvariantCulture, '{0}', $Value)
    $escaped = New-Object -TypeName 'System.Text.StringBuilder'
    foreach ($character in $text.ToCharArray()) {
        switch ($character) {
            '<' { [void] $escaped.Append('&lt;') }
            '>' { [void] $escaped.Append('&gt;') }
            '&' { [void] $escaped.Append('&amp;') }
            '"' { [void] $escaped.Append('&quot;') }
            # A parser would make one LF of CR LF.
            "`r" { [void] $escaped.Append('&#13;') }
            default { [void] $escaped.Append($character) }
        }
    }
    return $escaped.ToString()
}

function ConvertTo-CimDtdText {
    <#
    .SYNOPSIS
        An instance as XML of CIM DTD 2.0. Properties in the order the class declares them.
    #>
    [CmdletBinding()]
    [OutputType([string])]
    param([Parameter(Mandatory)] [object] $Instance)

    $text = New-Object -TypeName 'System.Text.StringBuilder'
    [void] $text.AppendFormat('<INSTANCE CLASSNAME="{0}">', $Instance.CimSystemProperties.ClassName)
    foreach ($property in $Instance.CimClass.CimClassProperties) {
        $value = $Instance.($property.Name)
        if ($null -eq $value) { continue }
        $type = [string] $property.CimType
        if ($type -like '*Array') {
            [void] $text.AppendFormat('<PROPERTY.ARRAY NAME="{0}" TYPE="{1}"><VALUE.ARRAY>', $property.Name, $type.Substring(0, $type.Length - 5).ToLowerInvariant())
            foreach ($item in $value) { [void] $text.AppendFormat('<VALUE>{0}</VALUE>', (ConvertTo-CimValueText -Value $item)) }
            [void] $text.Append('</VALUE.ARRAY></PROPERTY.ARRAY>')
        } else {
            [void] $text.AppendFormat('<PROPERTY NAME="{0}" TYPE="{1}"><VALUE>{2}</VALUE></PROPERTY>', $property.Name, $type.ToLowerInvariant(), (ConvertTo-CimValueText -Value $value))
        }
    }
    return $text.Append('</INSTANCE>').ToString()
}

function ConvertFrom-EmbeddedText {
    <#
    .SYNOPSIS
        Properties of an embedded instance that a method gave: name -> text, or array of texts.
    .NOTES
        As CIM-XML text, or already as an instance where the transport turned it into one.
    #>
    [CmdletBinding()]
    [OutputType([hashtable])]
    param([Parameter(Mandatory)] [object] $Value)

    $values = @{}
    if ($Value -isnot [string]) {
        foreach ($property in $Value.CimInstanceProperties) { $values[$property.Name] = $property.Value }
        return $values
    }
    $document = [xml] $Value
    foreach ($node in $document.SelectNodes('//INSTANCE/PROPERTY')) {
        $text = $node.SelectSingleNode('VALUE')
        $values[$node.GetAttribute('NAME')] = if ($text) { $text.InnerText } else { $null }
    }
    foreach ($node in $document.SelectNodes('//INSTANCE/PROPERTY.ARRAY')) {
        $values[$node.GetAttribute('NAME')] = @($node.SelectNodes('VALUE.ARRAY/VALUE') | ForEach-Object -Process { $_.InnerText })
    }
    return $values
}
