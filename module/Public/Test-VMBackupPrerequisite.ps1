function Test-VMBackupPrerequisite {
    <#
    .SYNOPSIS
        Shows whether and how virtual machines can be backed up, and what prevents it.
    .DESCRIPTION
        Examines the configuration version, integration services, disks, checkpoints, free space and rights, and reports how the disks
        would be read. Nothing is done to the virtual machine.
    .PARAMETER Name
        Names or ids of virtual machines.
    .PARAMETER VM
        Virtual machines as Get-VM gives them.
    .PARAMETER VMHost
        The host: hyperv: for this machine, hyperv:SERVER for another, sim:DIR for a simulated one. When left out: what the
        environment variable HVBACKUP_HOST says, else the computer of the VM object, else this machine.
    .PARAMETER Credential
        Account to reach another host with (hyperv:SERVER, or the computer of the VM object): a PSCredential, or a name, whose
        password is asked for then. When left out: what the file holds that the environment variable HVBACKUP_CREDENTIAL_FILE
        names (the account in the first line, the password in the second), else the account of this session.
    .PARAMETER ReadMethod
        How the disks shall be read: Auto, Native, Attached or Export, as for Backup-VMRct.
    .PARAMETER ExportFolder
        Folder for exports, as for Backup-VMRct.
    .EXAMPLE
        Get-VM | Test-VMBackupPrerequisite | Where-Object { -not $_.Ready }

        The virtual machines of this host that cannot be backed up.
    .EXAMPLE
        (Test-VMBackupPrerequisite web01).Findings | Format-List

        What was found about one virtual machine, and what to do about it.
    .OUTPUTS
        HyperVBackup.Prerequisite: VMName, VMId, Ready, Method, Changes, Why, ExportFolder, Findings, VMHost.
    .LINK
        about_HyperVBackup
    #>
    [CmdletBinding(DefaultParameterSetName = 'Name')]
    [OutputType('HyperVBackup.Prerequisite')]
    param(
        [Parameter(Mandatory, Position = 0, ParameterSetName = 'Name', ValueFromPipeline)]
        [Alias('VMName')]
        [ValidateNotNullOrEmpty()]
        [string[]] $Name,

        [Parameter(Mandatory, ParameterSetName = 'VMObject', ValueFromPipeline)]
        [ValidateNotNull()]
        [object[]] $VM,

        [string] $VMHost,

        [ValidateNotNull()]
        [System.Management.Automation.Credential()]
        [pscredential] $Credential,

        [ValidateSet('Auto', 'Native', 'Attached', 'Export')]
        [string] $ReadMethod,

        [ValidateNotNullOrEmpty()]
        [string] $ExportFolder
    )

    process {
        try {
            $machines = @($VM)
            if ($Name) { $machines = $Name }
            foreach ($machine in $machines) {
                $target = if ($Name) { @{ Selector = $machine; Host = (Resolve-BackupHost -VMHost $VMHost) } } else { Resolve-BackupTarget -VM $machine -VMHost $VMHost -Cmdlet $PSCmdlet }
                if (-not $target) { continue }
                $parameters = @{
                    host         = $target.Host
                    vm           = $target.Selector
                    credential   = Resolve-HostCredential -Credential $Credential -VMHost $target.Host
                    readMethod   = ConvertTo-ProtocolValue -Value $ReadMethod
                    exportFolder = if ($ExportFolder) { $ExportFolder } else { $null }
                }
                $call = @{ Method = 'vm/show'; Parameters = $parameters; Activity = "Looking at $($target.Selector)"; TargetObject = $machine }
                $result = Invoke-Backend @call -Cmdlet $PSCmdlet
                if (-not $result) { continue }
                $readiness = $result.readiness
                [pscustomobject]@{
                    PSTypeName   = 'HyperVBackup.Prerequisite'
                    VMName       = [string]$result.vm.name
                    VMId         = [guid]$result.vm.id
                    Ready        = [bool]$readiness.ready
                    Method       = ConvertTo-EnumName -Value $readiness.method
                    Changes      = ConvertTo-EnumName -Value $readiness.changes
                    Why          = [string]$readiness.why
                    ExportFolder = [string](Get-Field -InputObject $readiness -Name 'exportFolder')
                    Findings     = @(foreach ($finding in $readiness.findings) {
                            [pscustomobject]@{
                                PSTypeName = 'HyperVBackup.PrerequisiteFinding'
                                Code       = [string]$finding.code
                                Severity   = ConvertTo-EnumName -Value $finding.severity
                                Message    = [string]$finding.message
                                Advice     = [string](Get-Field -InputObject $finding -Name 'advice')
                            }
                        })
                    VMHost       = $target.Host
                }
            }
        } catch {
            $PSCmdlet.ThrowTerminatingError($_)
        }
    }
}
