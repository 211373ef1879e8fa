function ConvertTo-SwitchMapping {
    <#
    .SYNOPSIS
        What network adapters are connected to, in the protocol's form: from (absent: all others) and to.
    #>
    [CmdletBinding()]
    [OutputType([hashtable])]
    param(
        [AllowEmptyString()] [string] $SwitchName,
        [AllowNull()] [hashtable] $SwitchMap
    )

    if ($SwitchMap) {
        foreach ($old in $SwitchMap.Keys | Sort-Object) {
            $new = $SwitchMap[$old]
            # A switch object of the Hyper-V module, or a list, would become text that names nothing.
            if ($new -isnot [string] -or -not $new -or -not [string]$old) {
                $problem = @{
                    code    = 'USAGE'
                    message = "SwitchMap: what '$old' is mapped to is no name of a virtual switch."
                    advice  = "Give names: -SwitchMap @{ 'old' = 'new' }."
                }
                throw (ConvertTo-BackendErrorRecord -ErrorObject $problem -TargetObject $old)
            }
            @{ from = [string]$old; to = $new }
        }
    }
    if ($SwitchName) { @{ to = $SwitchName } }
}
