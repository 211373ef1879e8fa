# What the host says of a virtual disk file; works while the VM runs, and for another host's disks.

# Msvm_VirtualHardDiskSettingData.Format
$script:DiskFormats = @{ 2 = 'vhd'; 3 = 'vhdx'; 4 = 'vhds' }

function Get-HelperDiskFact {
    <#
    .SYNOPSIS
        Identity and geometry of disk files. A file that cannot be described has an error instead.
    #>
    [CmdletBinding()]
    param([Parameter(Mandatory)] [object] $Request)

    $service = Get-HvService -ClassName 'Msvm_ImageManagementService'
    $facts = foreach ($path in $Request.paths) {
        try {
            Get-DiskFact -Service $service -Path ([string] $path)
        } catch {
            @{ path = [string] $path; error = (ConvertTo-HelperError -ErrorRecord $_) }
        }
    }
    return @{ disks = @($facts) }
}

function Get-DiskFact {
    # One disk file.
    [CmdletBinding()]
    [OutputType([hashtable])]
    param(
        [Parameter(Mandatory)] [object] $Service,
        [Parameter(Mandatory)] [string] $Path
    )

    $answer = Invoke-HvMethod -InputObject $Service -MethodName 'GetVirtualHardDiskSettingData' -Arguments @{ Path = $Path } -Failure "The disk file '$Path' cannot be described" -Code 'FILE_NOT_FOUND' -TimeoutSeconds 120
    $values = ConvertFrom-EmbeddedText -Value $answer.Result.SettingData
    return @{
        path               = $Path
        format             = $script:DiskFormats[[int] $values['Format']]
        size               = [long] $values['MaxInternalSize']
        blockSize          = [long] $values['BlockSize']
        logicalSectorSize  = [long] $values['LogicalSectorSize']
        physicalSectorSize = [long] $values['PhysicalSectorSize']
        diskId             = [string] $values['VirtualDiskId']
        parentPath         = [string] $values['ParentPath']
    }
}
