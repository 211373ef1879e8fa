function Use-Backend {
    <#
    .SYNOPSIS
        Runs a script block with a backend that ends with it, also on errors, Ctrl-C, or when the pipeline is cut short.
    .NOTES
        One backend for each pipeline input: an `end` block does not run when a pipeline is stopped, a `finally` does.
    #>
    [CmdletBinding()]
    param(
        # Gets the backend as its argument; not run when there is none. Its output is passed on as it comes.
        [Parameter(Mandatory, Position = 0)]
        [scriptblock] $Process,

        # Command that errors are reported as; nobody hears of them when it is left out.
        [System.Management.Automation.PSCmdlet] $Cmdlet
    )

    $backend = Open-Backend -Cmdlet $Cmdlet
    if (-not $backend) { return }
    try {
        & $Process $backend
    } finally {
        Close-Backend -Backend $backend
    }
}
