# VHD sets (.vhds): a small file that names the files of a shared disk and its snapshots. Windows Server 2016, Windows 10.

# AdditionalInformation: 2 is paths.
$script:VhdSetPaths = [uint32[]] @(2)

function Get-HelperVhdSet {
    <#
    .SYNOPSIS
        The files of a VHD set and its snapshots: all of them, or the ones that are named.
    #>
    [CmdletBinding()]
    param([Parameter(Mandatory)] [object] $Request)

    $path = [string] $Request.path
    $failure = "The VHD set '$path' cannot be looked into"
    $service = Get-HvService -ClassName 'Msvm_ImageManagementService'
    $answer = Invoke-HvMethod -InputObject $service -MethodName 'GetVHDSetInformation' -Arguments @{ VHDSetPath = $path; AdditionalInformation = $script:VhdSetPaths } -Failure $failure -TimeoutSeconds 120
    if (-not $answer.Result.Information) { Deny-Request -Code 'HELPER_FAILED' -Message "${failure}: the host says nothing about it." }
    $set = ConvertFrom-EmbeddedText -Value $answer.Result.Information
    $arguments = @{ VHDSetPath = $path; AdditionalInformation = $script:VhdSetPaths }
    if ($null -ne $Request.snapshotIds) { $arguments['SnapshotIds'] = [string[]] @($Request.snapshotIds) }
    $answer = Invoke-HvMethod -InputObject $service -MethodName 'GetVHDSnapshotInformation' -Arguments $arguments -Failure $failure -TimeoutSeconds 120
    $snapshots = foreach ($text in $answer.Result.SnapshotInformation) {
        if (-not $text) { continue }
        $values = ConvertFrom-EmbeddedText -Value $text
        @{ id = [string] $values['SnapshotId']; path = [string] $values['SnapshotPath']; parents = @($values['ParentPathsList']); rctId = [string] $values['ResilientChangeTrackingId'] }
    }
    return @{ path = $path; paths = @($set['AllPaths']); snapshotIds = @($set['SnapshotIdList']); snapshots = @($snapshots) }
}
