function Resolve-BackupTarget {
    <#
    .SYNOPSIS
        What identifies a VM object to the backend: its id where it has one, since names may repeat, and its host. Nothing when
        it is no VM; the error was reported then.
    #>
    [CmdletBinding()]
    [OutputType([hashtable])]
    param(
        [Parameter(Mandatory)]
        [psobject] $VM,

        [string] $VMHost,

        # Command that errors are reported as.
        [System.Management.Automation.PSCmdlet] $Cmdlet
    )

    $name = $null
    foreach ($property in 'Name', 'VMName') {
        if (-not $name) { $name = "$(Get-Field -InputObject $VM -Name $property)" }
    }
    $id = $null
    foreach ($property in 'Id', 'VMId') {
        $value = "$(Get-Field -InputObject $VM -Name $property)"
        $parsed = [guid]::Empty
        if (-not $id -and [guid]::TryParse($value, [ref]$parsed)) { $id = "$parsed" }
    }
    if (-not $id -and -not $name) {
        Write-BackendError -Cmdlet $Cmdlet -TargetObject $VM -ErrorObject @{
            code    = 'USAGE'
            message = "$VM is not a virtual machine: it has neither an Id nor a Name."
            advice  = 'Pass objects of Get-VM, or names.'
        }
        return
    }
    return @{
        Selector = if ($id) { $id } else { $name }
        Label    = if ($name) { $name } else { $id }
        Host     = Resolve-BackupHost -VMHost $VMHost -VM $VM
    }
}
