function Invoke-VMBackupRetention {
    <#
    .SYNOPSIS
        Removes the restore points that no keep rule keeps, and frees the space that no restore point needs.
    .DESCRIPTION
        Decides for each virtual machine on its own which restore points stay. KeepLast keeps the newest ones; the other rules
        keep the newest restore point of each hour, day, ISO week, month or year, in the time zone of this machine, counting
        only those that have one. Held restore points stay and use up no rule, and the newest one of a virtual machine stays
        whatever the rules say. Without a keep rule only unused space is given back.

        Gives one object for each restore point that the rules were asked about: kept, with the reasons, or removed. With
        -WhatIf nothing is removed, and the objects say what would be.

        Asks before it removes, unless -Force or -Confirm:$false is given.
    .PARAMETER Repository
        Location of the repository, or a repository object as New-VMBackupRepository gives it.
    .PARAMETER Name
        Apply the keep rules only to the virtual machines of these names or ids; others stay as they are.
    .PARAMETER KeepLast
        Keep so many of the newest restore points.
    .PARAMETER KeepHourly
        Keep the newest restore point of each of so many hours.
    .PARAMETER KeepDaily
        Keep the newest restore point of each of so many days.
    .PARAMETER KeepWeekly
        Keep the newest restore point of each of so many ISO weeks.
    .PARAMETER KeepMonthly
        Keep the newest restore point of each of so many months.
    .PARAMETER KeepYearly
        Keep the newest restore point of each of so many years.
    .PARAMETER OverrideDoubt
        Delete in spite of a doubt (REPOSITORY_DOUBTFUL): restore points that are missing without a removal, incomplete
        listings. It counts for this call only; Approve-VMBackupRemoval accepts it for good.
    .PARAMETER Force
        Do not ask.
    .PARAMETER Passphrase
        Passphrase of the repository, when it is encrypted. When left out: that of the repository object, or of the file that
        the environment variable HVBACKUP_PASSPHRASE_FILE names.
    .EXAMPLE
        Invoke-VMBackupRetention -Repository D:\Backups -KeepDaily 14 -KeepWeekly 8 -KeepMonthly 12 -WhatIf

        Shows what would be removed, what would be kept, and why.
    .EXAMPLE
        Invoke-VMBackupRetention -Repository D:\Backups -KeepDaily 14 -KeepWeekly 8 -KeepMonthly 12 -Force

        Does it without asking, as a scheduled task would.
    .EXAMPLE
        Invoke-VMBackupRetention -Repository D:\Backups -Name web01 -KeepLast 30 -Force | Where-Object Action -eq 'Remove'

        Keeps the newest 30 restore points of one virtual machine, and lists those that went.
    .OUTPUTS
        HyperVBackup.RetentionDecision, one for each restore point: Id, VMName, VMId, CreatedAt (UTC), Action, Reasons, Repository,
        StorageRetries (of the call: calls of the storage that failed and were repeated).
    .LINK
        about_HyperVBackup
    #>
    [CmdletBinding(SupportsShouldProcess, ConfirmImpact = 'High')]
    [OutputType('HyperVBackup.RetentionDecision')]
    param(
        [Parameter(Mandatory, Position = 0, ValueFromPipeline)]
        [ValidateNotNullOrEmpty()]
        [object] $Repository,

        [Parameter(ValueFromPipelineByPropertyName)]
        [securestring] $Passphrase,

        [Alias('VMName')]
        [ValidateNotNullOrEmpty()]
        [string[]] $Name,

        [ValidateRange(0, 1000000)]
        [int] $KeepLast,

        [ValidateRange(0, 1000000)]
        [int] $KeepHourly,

        [ValidateRange(0, 1000000)]
        [int] $KeepDaily,

        [ValidateRange(0, 1000000)]
        [int] $KeepWeekly,

        [ValidateRange(0, 1000000)]
        [int] $KeepMonthly,

        [ValidateRange(0, 1000000)]
        [int] $KeepYearly,

        [switch] $OverrideDoubt,

        [switch] $Force
    )

    begin {
        if ($Force -and -not $PSBoundParameters.ContainsKey('Confirm')) { $ConfirmPreference = 'None' }
    }

    process {
        try {
            $location = Resolve-Repository -Repository $Repository
            $secret = Resolve-Passphrase -Passphrase $Passphrase -Repository $Repository
            $rules = @{}
            foreach ($rule in 'KeepLast', 'KeepHourly', 'KeepDaily', 'KeepWeekly', 'KeepMonthly', 'KeepYearly') {
                if ($PSBoundParameters.ContainsKey($rule)) { $rules[$rule.Substring(0, 1).ToLowerInvariant() + $rule.Substring(1)] = $PSBoundParameters[$rule] }
            }
            $action = if ($rules.Count) { 'Remove the restore points that no keep rule keeps' } else { 'Give back unused space' }
            $vms = @($null)
            if ($Name) { $vms = $Name }
            foreach ($vm in $vms) {
                $target = if ($vm) { "$vm in $location" } else { $location }
                # What -WhatIf is asked for is the list, and the backend makes it without removing anything.
                $dryRun = -not $PSCmdlet.ShouldProcess($target, $action)
                if ($dryRun -and -not $WhatIfPreference) { continue }
                $call = @{
                    Method       = 'repository/prune'
                    Parameters   = $rules + @{ repository = $location; passphrase = $secret; vm = $vm; dryRun = $dryRun; overrideDoubt = [bool]$OverrideDoubt }
                    Activity     = "Retention in $target"
                    TargetObject = $target
                }
                $result = Invoke-Backend @call -Cmdlet $PSCmdlet
                if (-not $result) { continue }
                Write-Verbose -Message "${target}: $(Format-ByteCount -Bytes $result.freedBytes) given back, $(Format-ByteCount -Bytes $result.pendingBytes) later"
                foreach ($point in $result.points) {
                    [pscustomobject]@{
                        PSTypeName     = 'HyperVBackup.RetentionDecision'
                        Id             = [string]$point.id
                        VMName         = [string]$point.vmName
                        VMId           = [guid]$point.vmId
                        CreatedAt      = ConvertTo-UtcTime -Text $point.createdAt
                        Action         = ConvertTo-EnumName -Value $point.action
                        Reasons        = @(foreach ($reason in $point.reasons) { [string]$reason })
                        Repository     = $location
                        StorageRetries = ConvertTo-StorageRetry -Result $result
                    }
                }
            }
        } catch {
            $PSCmdlet.ThrowTerminatingError($_)
        }
    }
}
