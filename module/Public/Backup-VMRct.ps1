function Backup-VMRct {
    <#
    .SYNOPSIS
        Backs up virtual machines: makes a restore point of each, reading only what changed (RCT).
    .DESCRIPTION
        Takes a consistent restore point of each virtual machine and stores it in a repository. The first one reads every
        disk in full; later ones read what resilient change tracking (RCT) reports as changed. Each restore point is complete
        on its own: it can be restored, exported, verified or removed without any other.

        A virtual machine that cannot be backed up is reported as an error, and the next one is taken. Press Ctrl-C to cancel:
        the checkpoint is cleaned up, and nothing half-made is listed.
    .PARAMETER Name
        Names of the virtual machines, or their ids.
    .PARAMETER VM
        Virtual machines as Get-VM gives them, or any objects with an Id or a Name.
    .PARAMETER Id
        Ids of the virtual machines.
    .PARAMETER Repository
        Location of the repository, or a repository object as New-VMBackupRepository gives it.
    .PARAMETER VMHost
        The host: hyperv: for this machine, hyperv:SERVER for another, sim:DIR for a simulated one. When left out: what the
        environment variable HVBACKUP_HOST says, else the computer of the VM object, else this machine.
    .PARAMETER Credential
        Account to reach another host with (hyperv:SERVER, or the computer of the VM object): a PSCredential, or a name, whose
        password is asked for then. When left out: what the file holds that the environment variable HVBACKUP_CREDENTIAL_FILE
        names (the account in the first line, the password in the second), else the account of this session.
    .PARAMETER Mode
        Auto and Incremental read what changed since the newest usable restore point, and a disk without one in full, with
        the reason in the result. Full reads every disk in full. Auto when left out.
    .PARAMETER Kind
        VM: configuration and disks. Data: disks alone. VM when left out.
    .PARAMETER Consistency
        Application: the guest quiesces its applications first. Crash: as if power had been cut. Application when left out.
    .PARAMETER AllowCrashConsistent
        Where application consistency cannot be reached, take a crash-consistent restore point, and say so in the result,
        instead of failing.
    .PARAMETER GuestBackup
        Type of backup requested from the guest: Full lets its applications truncate their logs, Copy does not.
    .PARAMETER ExcludeDisk
        Numbers of disks that are left out, from 0.
    .PARAMETER Compression
        How hard new blocks are compressed: Fast, Default or Strong.
    .PARAMETER ReadMethod
        How the disks of a Hyper-V host are read. Native: from their files. Attached: through virtdisk.dll. Export: from what the host
        exports over WMI. Auto, when left out: from their files, and in another way where those cannot be read.
    .PARAMETER ExportFolder
        Folder in which exports lie while they are read, as the host names it: a local path of the host, or a share that the host and
        this machine reach. When left out: a folder of its own below the host's folder for virtual disks.
    .PARAMETER Hold
        Hold the new restore points: nothing removes them until Set-VMBackupHold -Release.
    .PARAMETER LimitRate
        Read at most so many bytes a second from the disks of all virtual machines together.
    .PARAMETER ThrottleLimit
        Back up so many virtual machines at once. One after the other when left out. With more than one, results come when
        all of a host are done.
    .PARAMETER AsJob
        Run as a background job and return the job. Receive-Job gives the results.
    .PARAMETER Passphrase
        Passphrase of the repository, when it is encrypted. When left out: that of the repository object, or of the file that
        the environment variable HVBACKUP_PASSPHRASE_FILE names.
    .EXAMPLE
        Get-VM | Backup-VMRct -Repository D:\Backups

        Backs up every virtual machine of this host.
    .EXAMPLE
        Backup-VMRct web01, db01 -Repository D:\Backups -AllowCrashConsistent

        Backs up two virtual machines, crash-consistently where their guests cannot do better.
    .EXAMPLE
        Get-VM | Backup-VMRct -Repository D:\Backups -ThrottleLimit 4 -LimitRate 200MB

        Backs up four virtual machines at a time, reading at most 200 MB a second from all of them together.
    .EXAMPLE
        Backup-VMRct -Name web01 -Repository D:\Backups | Test-VMBackup

        Backs up a virtual machine and verifies every byte of the new restore point.
    .EXAMPLE
        Backup-VMRct -Name web01 -VMHost hyperv:hv02 -Credential CONTOSO\backup -Repository D:\Backups

        Backs up a virtual machine of another host, with an account whose password is asked for.
    .EXAMPLE
        Backup-VMRct -Name web01 -VMHost sim:C:\Lab -Repository D:\Backups -AsJob | Wait-Job | Receive-Job

        Backs up a virtual machine of a simulated host in a background job.
    .EXAMPLE
        Backup-VMRct -Name web01 -VMHost hyperv:NODE7 -Repository D:\Backups -ReadMethod Export -ExportFolder \\files\staging

        Backs up a virtual machine of a host whose disks cannot be opened over its shares: the host exports them to a share of its own.
    .OUTPUTS
        HyperVBackup.BackupResult, one for each virtual machine as it is done; with -AsJob a job. StorageRetries in it counts the
        calls of the storage that failed and were repeated (with -ThrottleLimit: for all virtual machines); nothing when none were.
    .LINK
        about_HyperVBackup
    #>
    [CmdletBinding(DefaultParameterSetName = 'Name', SupportsShouldProcess)]
    [OutputType('HyperVBackup.BackupResult')]
    [OutputType([System.Management.Automation.Job])]
    param(
        [Parameter(Mandatory, Position = 0, ParameterSetName = 'Name', ValueFromPipeline, ValueFromPipelineByPropertyName)]
        [Alias('VMName')]
        [ValidateNotNullOrEmpty()]
        [string[]] $Name,

        [Parameter(Mandatory, ParameterSetName = 'VMObject', ValueFromPipeline)]
        [ValidateNotNullOrEmpty()]
        [psobject[]] $VM,

        [Parameter(Mandatory, ParameterSetName = 'Id')]
        [guid[]] $Id,

        [Parameter(Mandatory)]
        [ValidateNotNullOrEmpty()]
        [object] $Repository,

        [securestring] $Passphrase,

        [ValidateNotNullOrEmpty()]
        [string] $VMHost,

        [ValidateNotNull()]
        [System.Management.Automation.Credential()]
        [pscredential] $Credential,

        [ValidateSet('Auto', 'Full', 'Incremental')]
        [string] $Mode,

        [ValidateSet('VM', 'Data')]
        [string] $Kind,

        [ValidateSet('Application', 'Crash')]
        [string] $Consistency,

        [switch] $AllowCrashConsistent,

        [ValidateSet('Full', 'Copy')]
        [string] $GuestBackup,

        [ValidateRange(0, 1023)]
        [int[]] $ExcludeDisk,

        [ValidateSet('Fast', 'Default', 'Strong')]
        [string] $Compression,

        [ValidateSet('Auto', 'Native', 'Attached', 'Export')]
        [string] $ReadMethod,

        [ValidateNotNullOrEmpty()]
        [string] $ExportFolder,

        [switch] $Hold,

        [ValidateRange(1024, [long]::MaxValue)]
        [long] $LimitRate,

        [ValidateRange(1, 64)]
        [int] $ThrottleLimit = 1,

        [switch] $AsJob
    )

    begin {
        try {
            $location = Resolve-Repository -Repository $Repository
            $gathered = New-Object -TypeName 'System.Collections.Generic.List[object]'
            $common = @{
                repository           = $location
                passphrase           = Resolve-Passphrase -Passphrase $Passphrase -Repository $Repository
                mode                 = ConvertTo-ProtocolValue -Value $Mode
                kind                 = ConvertTo-ProtocolValue -Value $Kind
                consistency          = ConvertTo-ProtocolValue -Value $Consistency
                allowCrashConsistent = [bool]$AllowCrashConsistent
                guestBackup          = ConvertTo-ProtocolValue -Value $GuestBackup
                excludeDisks         = $ExcludeDisk
                compression          = ConvertTo-ProtocolValue -Value $Compression
                readMethod           = ConvertTo-ProtocolValue -Value $ReadMethod
                exportFolder         = if ($ExportFolder) { $ExportFolder } else { $null }
                hold                 = if ($Hold) { $true } else { $null }
                limitRate            = if ($LimitRate) { $LimitRate } else { $null }
            }
        } catch {
            $PSCmdlet.ThrowTerminatingError($_)
        }
    }

    process {
        try {
            # An object with a name binds to -Name as well: it is an object all the same, and its id is surer.
            $piped = $_
            $object = $PSCmdlet.MyInvocation.ExpectingInput -and $piped -isnot [string] -and $piped -isnot [array]
            $targets = switch ($PSCmdlet.ParameterSetName) {
                { $object } {
                    Resolve-BackupTarget -VM $piped -VMHost $VMHost -Cmdlet $PSCmdlet
                    break
                }
                'Name' { foreach ($item in $Name) { @{ Selector = $item; Label = $item; Host = Resolve-BackupHost -VMHost $VMHost } } }
                'Id' { foreach ($item in $Id) { @{ Selector = "$item"; Label = "$item"; Host = Resolve-BackupHost -VMHost $VMHost } } }
                'VMObject' { foreach ($item in $VM) { Resolve-BackupTarget -VM $item -VMHost $VMHost -Cmdlet $PSCmdlet } }
            }
            foreach ($target in $targets) {
                if (-not $PSCmdlet.ShouldProcess($target.Label, "Back up to $location")) { continue }
                if ($AsJob -or $ThrottleLimit -gt 1) {
                    $gathered.Add($target)
                    continue
                }
                $parameters = $common + @{ host = $target.Host; vm = $target.Selector; credential = Resolve-HostCredential -Credential $Credential -VMHost $target.Host }
                $call = @{ Method = 'vm/backup'; Parameters = $parameters; Activity = "Backing up $($target.Label)"; TargetObject = $target.Label }
                $result = Invoke-Backend @call -Cmdlet $PSCmdlet
                if (-not $result) { continue }
                ConvertTo-BackupResult -Result $result -Repository $location | Add-Passphrase -Passphrase $Passphrase -Repository $Repository
            }
        } catch {
            $PSCmdlet.ThrowTerminatingError($_)
        }
    }

    end {
        try {
            foreach ($group in $gathered | Group-Object -Property { $_.Host }) {
                $selectors = [string[]]@($group.Group | ForEach-Object -Process { $_.Selector })
                $labels = @($group.Group | ForEach-Object -Process { $_.Label }) -join ', '
                if (-not $AsJob) {
                    $call = @{
                        Method       = 'host/backup'
                        Parameters   = $common + @{ host = $group.Name; vms = $selectors; parallel = $ThrottleLimit; credential = Resolve-HostCredential -Credential $Credential -VMHost $group.Name }
                        Activity     = "Backing up $labels"
                        TargetObject = $labels
                    }
                    $made = New-Object -TypeName 'System.Collections.Generic.List[object]'
                    Invoke-Backend @call -Partial -Cmdlet $PSCmdlet | ForEach-Object -Process {
                        $result = Get-Field -InputObject $_ -Name 'PartialResult'
                        if ($null -eq $result) {
                            # What storages made repeat belongs to the call as a whole, and is known at its end.
                            foreach ($object in $made) { $object.StorageRetries = ConvertTo-StorageRetry -Result $_ }
                            return
                        }
                        $problem = Get-Field -InputObject $result -Name 'error'
                        if ($null -ne $problem) {
                            Write-BackendError -Cmdlet $PSCmdlet -ErrorObject $problem -TargetObject $result.vmName
                            return
                        }
                        foreach ($warning in $result.warnings) { Write-Warning -Message (ConvertTo-PrintableText -Text (ConvertTo-CmdletText -Text "$($result.vmName): $warning")) }
                        $object = ConvertTo-BackupResult -Result $result -Repository $location | Add-Passphrase -Passphrase $Passphrase -Repository $Repository
                        $made.Add($object)
                        $object
                    }
                    continue
                }
                $parameters = @{ Name = $selectors; VMHost = $group.Name; Repository = $location }
                foreach ($option in 'Mode', 'Kind', 'Consistency', 'GuestBackup', 'ExcludeDisk', 'Compression', 'ReadMethod', 'ExportFolder', 'LimitRate', 'ThrottleLimit') {
                    if ($PSBoundParameters.ContainsKey($option)) { $parameters[$option] = $PSBoundParameters[$option] }
                }
                $carried = if ($Passphrase) { $Passphrase } elseif ($Repository -isnot [string]) { Get-Field -InputObject $Repository -Name 'Passphrase' }
                if ($carried) { $parameters.Passphrase = $carried }
                if ($Credential) { $parameters.Credential = $Credential }
                foreach ($option in 'AllowCrashConsistent', 'Hold') {
                    if ($PSBoundParameters.ContainsKey($option)) { $parameters[$option] = [bool]$PSBoundParameters[$option] }
                }
                Invoke-AsJob -CommandName 'Backup-VMRct' -Parameters $parameters -Name "Backup-VMRct $labels"
            }
        } catch {
            $PSCmdlet.ThrowTerminatingError($_)
        }
    }
}
