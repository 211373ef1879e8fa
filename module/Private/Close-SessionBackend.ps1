function Close-SessionBackend {
    <#
    .SYNOPSIS
        Ends the backend of this session, if there is one. The next command starts another.
    #>
    [CmdletBinding()]
    param()

    $backend = $script:Backend
    $script:Backend = $null
    if ($null -ne $backend) { Close-Backend -Backend $backend }
}
