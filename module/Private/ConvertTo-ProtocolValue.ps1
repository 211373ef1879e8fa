function ConvertTo-ProtocolValue {
    <#
    .SYNOPSIS
        A value of a parameter as the protocol writes it: Incremental becomes incremental; nothing stays nothing.
    #>
    [CmdletBinding()]
    [OutputType([string])]
    param(
        [AllowEmptyString()]
        [string] $Value
    )

    if ($Value) { return $Value.ToLowerInvariant() }
}
