function ConvertTo-EnumName {
    <#
    .SYNOPSIS
        A value of the protocol as PowerShell writes it: incremental becomes Incremental, vm becomes VM.
    #>
    [CmdletBinding()]
    [OutputType([string])]
    param(
        [Parameter(Mandatory)]
        [string] $Value
    )

    if ($Value -eq 'vm') { return 'VM' }
    return $Value.Substring(0, 1).ToUpperInvariant() + $Value.Substring(1)
}
