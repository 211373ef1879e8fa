function Restore-VMBackup {
    <#
    .SYNOPSIS
        Restores a restore point as a virtual machine.
    .DESCRIPTION
        Writes the disks of a restore point to a host and defines the virtual machine there, either from its own configuration
        (VM) or anew from its description (Data). The virtual machine appears only when all of it is there.

        A virtual machine of the same id is refused unless -GenerateNewId gives the restored one another id, or -Replace
        replaces it; one that runs is never replaced. With -Replace the old one stays until the new one is complete.

        Its network adapters are connected to nothing, unless -SwitchName or -SwitchMap says to what; a warning names those that
        are left so, also with -Replace.
    .PARAMETER Id
        Ids of restore points, or beginnings of them that no other restore point has.
    .PARAMETER Repository
        Location of the repository, or a repository object as New-VMBackupRepository gives it.
    .PARAMETER VMHost
        The host that gets the virtual machine: hyperv: for this machine, hyperv:SERVER for another, sim:DIR for a simulated
        one. When left out: what the environment variable HVBACKUP_HOST says, else this machine.
    .PARAMETER Credential
        Account to reach another host with (hyperv:SERVER): a PSCredential, or a name, whose
        password is asked for then. When left out: what the file holds that the environment variable HVBACKUP_CREDENTIAL_FILE
        names (the account in the first line, the password in the second), else the account of this session.
    .PARAMETER Name
        Name of the restored virtual machine; the original one when left out.
    .PARAMETER GenerateNewId
        Give the virtual machine a new id, so that it can stand beside the original.
    .PARAMETER Replace
        Replace the virtual machine of the same id. Asks first, unless -Force is given.
    .PARAMETER Kind
        VM: import the configuration. Data: define the virtual machine anew. As it was backed up when left out.
    .PARAMETER SwitchName
        Virtual switch of the host (its name, or its id) that all network adapters are connected to; with -SwitchMap, those that
        it does not name. One that the host does not have is refused before anything is written (SWITCH_NOT_FOUND).
    .PARAMETER SwitchMap
        Virtual switches by those that the network adapters were connected to when the backup was made: @{ 'old' = 'new' }. What
        is not in it stays disconnected.
    .PARAMETER DiskNumber
        Numbers of the disks to restore, from 0; all when left out.
    .PARAMETER Path
        Folder for the files of the virtual machine. This version refuses it: the host's default folders are used.
    .PARAMETER SkipUnreadable
        Restore what can be read of a damaged restore point: unreadable ranges are filled with zeros and reported in Holes.
        AllowHoles, the former name of this parameter, remains as an alias. Without it
        damage is an error, and nothing is restored or replaced.
    .PARAMETER Force
        With -Replace: do not ask.
    .PARAMETER Passphrase
        Passphrase of the repository, when it is encrypted. When left out: that of the repository object, or of the file that
        the environment variable HVBACKUP_PASSPHRASE_FILE names.
    .EXAMPLE
        Get-VMBackup web01 -Repository D:\Backups | Select-Object -Last 1 | Restore-VMBackup -GenerateNewId -Name web01-restored

        Restores the newest restore point beside the original.
    .EXAMPLE
        Restore-VMBackup -Repository D:\Backups -Id 01JD9QK4T4W6 -Replace

        Takes a virtual machine back to a restore point.
    .EXAMPLE
        Restore-VMBackup -Repository D:\Backups -Id 01JD9QK4T4W6 -VMHost sim:C:\Lab -Kind Data -WhatIf

        Says what would be restored.
    .EXAMPLE
        Restore-VMBackup -Repository D:\Backups -Id 01JD9QK4T4W6 -GenerateNewId -Name web01-test -SwitchName 'Lab'

        Restores a restore point beside the original, with all its network adapters on the virtual switch Lab.
    .EXAMPLE
        $restored = Restore-VMBackup -Repository D:\Backups -Id 01JD9QK4T4W6 -VMHost hyperv:hv02 -SwitchMap @{ 'LAN' = 'Office'; 'DMZ' = 'DMZ' }
        $restored.NetworkAdapters

        Restores to another host, whose virtual switches have other names, and says what each network adapter is connected to.
    .OUTPUTS
        HyperVBackup.RestoreResult: VMName, VMId, VMHost, Kind, Replaced, Disks, NetworkAdapters, Damaged, Holes,
        HoleBytes, Duration, StorageRetries (calls of the storage that failed and were repeated), Warnings, RestorePointId.
    .LINK
        about_HyperVBackup
    #>
    [CmdletBinding(SupportsShouldProcess, ConfirmImpact = 'Medium')]
    [OutputType('HyperVBackup.RestoreResult')]
    param(
        [Parameter(Mandatory, ValueFromPipelineByPropertyName)]
        [Alias('RestorePointId')]
        [ValidateNotNullOrEmpty()]
        [string[]] $Id,

        [Parameter(Mandatory, ValueFromPipelineByPropertyName)]
        [ValidateNotNullOrEmpty()]
        [object] $Repository,

        [Parameter(ValueFromPipelineByPropertyName)]
        [securestring] $Passphrase,

        [ValidateNotNullOrEmpty()]
        [string] $VMHost,

        [ValidateNotNull()]
        [System.Management.Automation.Credential()]
        [pscredential] $Credential,

        [ValidateNotNullOrEmpty()]
        [string] $Name,

        [switch] $GenerateNewId,

        [switch] $Replace,

        [ValidateSet('VM', 'Data')]
        [string] $Kind,

        [ValidateNotNullOrEmpty()]
        [string] $SwitchName,

        [ValidateNotNullOrEmpty()]
        [hashtable] $SwitchMap,

        [ValidateRange(0, 1023)]
        [int[]] $DiskNumber,

        [ValidateNotNullOrEmpty()]
        [string] $Path,

        [Alias('AllowHoles')]
        [switch] $SkipUnreadable,

        [switch] $Force
    )

    process {
        try {
            $location = Resolve-Repository -Repository $Repository
            $secret = Resolve-Passphrase -Passphrase $Passphrase -Repository $Repository
            $uri = Resolve-BackupHost -VMHost $VMHost
            $account = Resolve-HostCredential -Credential $Credential -VMHost $uri
            $switches = @(ConvertTo-SwitchMapping -SwitchName $SwitchName -SwitchMap $SwitchMap)
            foreach ($point in $Id) {
                $action = if ($Replace) { "Restore to $uri and replace the virtual machine there" } else { "Restore to $uri" }
                if (-not $PSCmdlet.ShouldProcess("Restore point $point", $action)) { continue }
                if ($Replace -and -not $Force) {
                    $question = "The virtual machine on $uri is replaced by restore point $point. What it holds now is lost."
                    if (-not $switches) { $question += ' Its network adapters are disconnected: -SwitchName or -SwitchMap connects them.' }
                    $question += ' Go on?'
                    if (-not $PSCmdlet.ShouldContinue($question, 'Replace virtual machine')) { continue }
                }
                $parameters = @{
                    repository = $location
                    passphrase = $secret
                    point      = $point
                    host       = $uri
                    credential = $account
                    name       = if ($Name) { $Name } else { $null }
                    newId      = [bool]$GenerateNewId
                    replace    = [bool]$Replace
                    kind       = ConvertTo-ProtocolValue -Value $Kind
                    switches   = if ($switches) { , $switches } else { $null }
                    disks      = $DiskNumber
                    allowHoles = [bool]$SkipUnreadable
                    path       = if ($Path) { Resolve-BackupPath -Path $Path } else { $null }
                }
                $call = @{ Method = 'point/restore'; Parameters = $parameters; Activity = "Restoring $point"; TargetObject = $point }
                $result = Invoke-Backend @call -Cmdlet $PSCmdlet
                if (-not $result) { continue }
                Write-HoleWarning -Result $result -Target "Restore point $point"
                $disks = foreach ($disk in $result.disks) {
                    [pscustomobject]@{
                        PSTypeName   = 'HyperVBackup.RestoredDisk'
                        Number       = [int]$disk.index
                        Path         = [string]$disk.path
                        Size         = [long]$disk.size
                        WrittenBytes = [long]$disk.writtenBytes
                    }
                }
                $adapters = foreach ($adapter in $result.networkAdapters) {
                    $connectedTo = Get-Field -InputObject $adapter -Name 'switchName'
                    [pscustomobject]@{
                        PSTypeName        = 'HyperVBackup.RestoredNetworkAdapter'
                        Name              = [string]$adapter.name
                        Connected         = $null -ne $connectedTo
                        SwitchName        = $connectedTo
                        MacAddress        = [string]$adapter.macAddress
                        DynamicMacAddress = [bool]$adapter.dynamicMacAddress
                    }
                }
                [pscustomobject]@{
                    PSTypeName      = 'HyperVBackup.RestoreResult'
                    VMName          = [string]$result.vmName
                    VMId            = [guid]$result.vmId
                    VMHost          = [string]$result.host
                    Kind            = ConvertTo-EnumName -Value $result.kind
                    Replaced        = [bool]$result.replaced
                    Disks           = @($disks)
                    NetworkAdapters = @($adapters)
                    Damaged         = [bool]$result.damaged
                    Holes           = @(ConvertTo-Hole -Hole $result.holes)
                    HoleBytes       = [long]$result.holeBytes
                    Duration        = [timespan]::FromMilliseconds($result.durationMs)
                    StorageRetries  = ConvertTo-StorageRetry -Result $result
                    Warnings        = @(foreach ($warning in $result.warnings) { [string]$warning })
                    RestorePointId  = [string]$result.restorePointId
                }
            }
        } catch {
            $PSCmdlet.ThrowTerminatingError($_)
        }
    }
}
