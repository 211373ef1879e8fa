function Copy-VMBackup {
    <#
    .SYNOPSIS
        Copies restore points to another repository.
    .DESCRIPTION
        Copies restore points as they are, under the same ids, oldest first. Only what differs from the restore points that the
        other repository has already is read. What is there already is skipped, so a copy that was cut short goes on where it
        stopped; what was removed there is not brought back. Holds are not copied. Block sizes and encryption may differ.

        A restore point that cannot be read is reported as an error, and the next one is copied.
    .PARAMETER Repository
        Location of the repository to copy from, or a repository object as New-VMBackupRepository gives it.
    .PARAMETER Destination
        Location of the repository to copy to, or a repository object. It must exist.
    .PARAMETER Id
        Ids of restore points, or beginnings of them that no other restore point has; all when left out.
    .PARAMETER Name
        Only restore points of the virtual machines of these names or ids.
    .PARAMETER Compression
        How hard new blocks are compressed: Fast, Default or Strong.
    .PARAMETER LimitRate
        Read at most so many bytes a second from the repository.
    .PARAMETER Passphrase
        Passphrase of the repository, when it is encrypted. When left out: that of the repository object, or of the file that
        the environment variable HVBACKUP_PASSPHRASE_FILE names.
    .PARAMETER DestinationPassphrase
        Passphrase of the repository to copy to, when it is encrypted. When left out: that of the repository object.
    .EXAMPLE
        Copy-VMBackup -Repository D:\Backups -Destination \\vault\backups

        Copies every restore point that the other repository does not have.
    .EXAMPLE
        Get-VMBackup web01 -Repository D:\Backups | Select-Object -Last 1 | Copy-VMBackup -Destination E:\Offsite -LimitRate 50MB

        Copies the newest restore point of a virtual machine, reading at most 50 MB a second.
    .OUTPUTS
        HyperVBackup.CopyResult, one for each restore point: RestorePointId, VMName, VMId, CreatedAt (UTC), Action, Reason,
        ReadBytes, NewBytes, StorageRetries (of the call: calls of both storages that failed and were repeated), Repository (the destination).
    .LINK
        about_HyperVBackup
    #>
    [CmdletBinding(SupportsShouldProcess, DefaultParameterSetName = 'Name')]
    [OutputType('HyperVBackup.CopyResult')]
    param(
        [Parameter(Mandatory, ValueFromPipelineByPropertyName)]
        [ValidateNotNullOrEmpty()]
        [object] $Repository,

        [Parameter(ValueFromPipelineByPropertyName)]
        [securestring] $Passphrase,

        [Parameter(Mandatory, Position = 0)]
        [ValidateNotNullOrEmpty()]
        [object] $Destination,

        [Parameter(Mandatory, ParameterSetName = 'Id', ValueFromPipelineByPropertyName)]
        [Alias('RestorePointId')]
        [ValidateNotNullOrEmpty()]
        [string[]] $Id,

        [Parameter(ParameterSetName = 'Name')]
        [ValidateNotNullOrEmpty()]
        [string[]] $Name,

        [ValidateSet('Fast', 'Default', 'Strong')]
        [string] $Compression,

        [ValidateRange(1024, [long]::MaxValue)]
        [long] $LimitRate,

        [securestring] $DestinationPassphrase
    )

    process {
        try {
            $location = Resolve-Repository -Repository $Repository
            $secret = Resolve-Passphrase -Passphrase $Passphrase -Repository $Repository
            $target = Resolve-Repository -Repository $Destination
            $choices = @(
                foreach ($point in $Id) { @{ point = $point } }
                foreach ($vm in $Name) { @{ vm = $vm } }
                if (-not $Id -and -not $Name) { @{} }
            )
            foreach ($choice in $choices) {
                $what = if ($choice.Count) { "$($choice.Values)" } else { $location }
                if (-not $PSCmdlet.ShouldProcess($what, "Copy to $target")) { continue }
                $parameters = $choice + @{
                    repository   = $location
                    passphrase   = $secret
                    to           = $target
                    toPassphrase = Resolve-Passphrase -Passphrase $DestinationPassphrase -Repository $Destination -NoEnvironment
                    compression  = ConvertTo-ProtocolValue -Value $Compression
                    limitRate    = if ($LimitRate) { $LimitRate } else { $null }
                }
                $made = New-Object -TypeName 'System.Collections.Generic.List[object]'
                $call = @{ Method = 'point/copy'; Parameters = $parameters; Activity = "Copying $what"; TargetObject = $what }
                Invoke-Backend @call -Partial -Cmdlet $PSCmdlet | ForEach-Object -Process {
                    $point = Get-Field -InputObject $_ -Name 'PartialResult'
                    if ($null -eq $point) {
                        # What storages made repeat belongs to the call as a whole, and is known at its end.
                        foreach ($object in $made) { $object.StorageRetries = ConvertTo-StorageRetry -Result $_ }
                        return
                    }
                    $problem = Get-Field -InputObject $point -Name 'error'
                    if ($null -ne $problem) {
                        Write-BackendError -Cmdlet $PSCmdlet -ErrorObject $problem -TargetObject $point.id
                        return
                    }
                    $object = [pscustomobject]@{
                        PSTypeName     = 'HyperVBackup.CopyResult'
                        RestorePointId = [string]$point.id
                        VMName         = [string]$point.vmName
                        VMId           = [guid]$point.vmId
                        CreatedAt      = ConvertTo-UtcTime -Text $point.createdAt
                        Action         = ConvertTo-EnumName -Value $point.action
                        Reason         = [string](Get-Field -InputObject $point -Name 'reason')
                        ReadBytes      = [long]$point.readBytes
                        NewBytes       = [long]$point.newBytes
                        StorageRetries = $null
                        Repository     = $target
                    }
                    $made.Add($object)
                    $object
                }
            }
        } catch {
            $PSCmdlet.ThrowTerminatingError($_)
        }
    }
}
