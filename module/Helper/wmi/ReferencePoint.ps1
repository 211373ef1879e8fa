# Reference points: what is left of converted checkpoints, for the next incremental.

$script:ReferencePointProperties = 'InstanceID', 'VirtualSystemIdentifier', 'ConsistencyLevel', 'ReferencePointType', 'VirtualDiskIdentifiers', 'ResilientChangeTrackingIdentifiers'

function Get-HelperReferencePointList {
    <#
    .SYNOPSIS
        Reference points of a VM, ours and others'.
    #>
    [CmdletBinding()]
    param([Parameter(Mandatory)] [object] $Request)

    $points = foreach ($point in Get-HvAssociated -InputObject (Get-HvSystem -Id $Request.vmId) -ResultClassName 'Msvm_VirtualSystemReferencePoint' -Association 'Msvm_ReferencePointOfVirtualSystem') {
        Get-HvValue -InputObject $point -Property $script:ReferencePointProperties
    }
    return @{ referencePoints = @($points) }
}

function Invoke-HelperReferencePointRemoval {
    <#
    .SYNOPSIS
        Removes a reference point. Not an error when it is gone.
    #>
    [CmdletBinding()]
    param([Parameter(Mandatory)] [object] $Request)

    # Its id is the host's own text and goes into no filter.
    $point = Get-HvInstance -ClassName 'Msvm_VirtualSystemReferencePoint' | Where-Object -FilterScript { [string] $_.InstanceID -eq [string] $Request.referencePointId } | Select-Object -First 1
    if (-not $point) { return @{ removed = $false } }
    # One of a group belongs to the product that backs the group up, and the others of the group with it. Ours are of one VM each.
    if (Get-HvCollector -InputObject $point -ResultClassName 'Msvm_ReferencePointCollection' -Association 'Msvm_CollectedReferencePoints') {
        Deny-Request -Code 'NOT_SUPPORTED' -Message "The reference point $($point.InstanceID) is one of a group of VMs, and not removed." -Advice 'The product that backs up the group removes it.' -Data @{ referencePointId = [string] $point.InstanceID }
    }
    $service = Get-HvService -ClassName 'Msvm_VirtualSystemReferencePointService'
    $null = Invoke-HvMethod -InputObject $service -MethodName 'DestroyReferencePoint' -Arguments @{ AffectedReferencePoint = $point } -Failure 'The reference point could not be removed'
    return @{ removed = $true }
}
