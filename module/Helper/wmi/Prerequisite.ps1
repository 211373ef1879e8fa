# What stands in the way of backing up a VM, as facts; what to make of them is for the backend to say.

function Get-HelperPrerequisite {
    <#
    .SYNOPSIS
        Integration services and groups of a VM, and the volumes of the host.
    #>
    [CmdletBinding()]
    param([Parameter(Mandatory)] [object] $Request)

    $system = Get-HvSystem -Id $Request.vmId
    $vss = @(Get-HvAssociated -InputObject $system -ResultClassName 'Msvm_VssComponent' -Association 'Msvm_SystemDevice') | Select-Object -First 1
    return @{
        elevated = Test-Elevated
        vss      = $(if ($vss) { Get-HvValue -InputObject $vss -Property 'EnabledState', 'OperationalStatus', 'StatusDescriptions' })
        groups   = @(Get-VMCollection -System $system)
        volumes  = @(Get-HostVolume)
    }
}

function Get-VMCollection {
    # Names of the groups (Msvm_VirtualSystemCollection) that a VM is in; none where the host knows no groups.
    [CmdletBinding()]
    [OutputType([string])]
    param([Parameter(Mandatory)] [object] $System)

    foreach ($group in Get-HvCollector -InputObject $System -ResultClassName 'Msvm_VirtualSystemCollection' -Association 'Msvm_CollectedVirtualSystems') { [string] $group.ElementName }
}

function Get-HostVolume {
    # Volumes with their free space; nothing where the account may not see them.
    [CmdletBinding()]
    param()

    try {
        $target = $script:CimTarget
        foreach ($volume in Get-CimInstance -Namespace 'root\cimv2' -ClassName 'Win32_Volume' -OperationTimeoutSec $script:CimTimeout @target) {
            Get-HvValue -InputObject $volume -Property 'Name', 'FreeSpace', 'Capacity', 'FileSystem'
        }
    } catch {
        Write-Debug -Message "Win32_Volume: $($_.Exception.Message)"
    }
}

function Test-Elevated {
    # Whether this process has an administrator's rights; nothing where there is no such thing.
    [CmdletBinding()]
    param()

    try {
        $identity = [System.Security.Principal.WindowsIdentity]::GetCurrent()
        return (New-Object -TypeName 'System.Security.Principal.WindowsPrincipal' -ArgumentList $identity).IsInRole([System.Security.Principal.WindowsBuiltInRole]::Administrator)
    } catch {
        return $null
    }
}
