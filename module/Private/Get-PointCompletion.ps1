function Get-PointCompletion {
    <#
    .SYNOPSIS
        Completions for a restore point's id, newest first, or for the names of VMs that have restore points.
    #>
    [CmdletBinding()]
    [OutputType([System.Management.Automation.CompletionResult])]
    param(
        [AllowEmptyString()]
        [string] $Word,

        # Parameters that are on the command line already.
        [System.Collections.IDictionary] $Bound = @{},

        # Complete names of VMs instead of ids.
        [switch] $VMName
    )

    $repository = Get-Field -InputObject $Bound -Name 'Repository'
    if (-not $repository) { return }
    try {
        $points = @(Get-VMBackup -Repository $repository -Passphrase (Get-Field -InputObject $Bound -Name 'Passphrase') -ErrorAction SilentlyContinue | Sort-Object -Property 'CreatedAt' -Descending)
        if ($VMName) {
            foreach ($name in $points | Select-Object -ExpandProperty 'VMName' -Unique) { ConvertTo-Completion -Text $name -Word $Word -ToolTip $name }
            return
        }
        foreach ($point in $points) {
            $tip = '{0}, {1}, {2:u}' -f $point.VMName, $point.Mode, $point.CreatedAt
            ConvertTo-Completion -Text $point.Id -Word $Word -ToolTip $tip
        }
    } catch {
        Write-Debug -Message "completion: $_"
    }
}
