function Get-VMCompletion {
    <#
    .SYNOPSIS
        Completions for the name of a VM of the host that is meant. Silent when the host cannot be asked.
    #>
    [CmdletBinding()]
    [OutputType([System.Management.Automation.CompletionResult])]
    param(
        [AllowEmptyString()]
        [string] $Word,

        # Parameters that are on the command line already.
        [System.Collections.IDictionary] $Bound = @{}
    )

    try {
        $uri = Resolve-BackupHost -VMHost (Get-Field -InputObject $Bound -Name 'VMHost')
        $given = Get-Field -InputObject $Bound -Name 'Credential'
        if ($given -isnot [pscredential]) { $given = $null }
        $result = Invoke-Backend -Method 'vm/list' -Parameters @{ host = $uri; credential = Resolve-HostCredential -Credential $given -VMHost $uri }
        if (-not $result) { return }
        foreach ($vm in $result.vms) { ConvertTo-Completion -Text $vm.name -Word $Word -ToolTip "$($vm.name), $($vm.state)" }
    } catch {
        Write-Debug -Message "completion: $_"
    }
}
