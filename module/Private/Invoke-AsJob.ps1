function Invoke-AsJob {
    <#
    .SYNOPSIS
        Runs a command of this module in a background job: Receive-Job gives its objects, errors and progress.
    .NOTES
        A job is a process of its own. When it is stopped, its backend sees its stdin end, cancels and cleans up.
    #>
    [CmdletBinding()]
    [OutputType([System.Management.Automation.Job])]
    param(
        [Parameter(Mandatory)]
        [string] $CommandName,

        # Parameters of the command. Paths must be absolute: a job has a current folder of its own.
        [Parameter(Mandatory)]
        [hashtable] $Parameters,

        [string] $Name
    )

    $script = {
        param($ManifestPath, $CommandName, $Parameters)
        Import-Module -Name $ManifestPath -ErrorAction Stop
        & $CommandName @Parameters
    }
    $job = @{ ScriptBlock = $script; ArgumentList = $script:ManifestPath, $CommandName, $Parameters }
    if ($Name) { $job.Name = $Name }
    return Start-Job @job
}
