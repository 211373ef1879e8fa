# Calling methods, and waiting for the jobs they start.

# What methods of this namespace return besides 0 and 4096 (job started).
$script:MethodFailures = @{
    1 = 'not supported'; 2 = 'failed'; 3 = 'timed out'; 4 = 'invalid parameter'; 5 = 'invalid state'; 6 = 'invalid type'
    32768 = 'failed'; 32769 = 'access denied'; 32770 = 'not supported'; 32771 = 'unknown status'; 32772 = 'timed out'
    32773 = 'invalid parameter'; 32774 = 'in use'; 32775 = 'invalid state'; 32776 = 'incorrect data type'
    32777 = 'not available'; 32778 = 'out of memory'; 32779 = 'file not found'
}
# Msvm_ConcreteJob.JobState: 2 new, 3 starting, 4 running, 5 suspended, 6 shutting down.
$script:JobPending = 2, 3, 4, 5, 6
$script:JobDone = 7, 32768
$script:JobStates = @{ 8 = 'terminated'; 9 = 'killed'; 10 = 'exception'; 11 = 'service' }
$script:MoreInLog = 'Look into the event log Hyper-V-VMMS-Admin of the host at that time.'
# The job that was waited for last, as it was seen last.
$script:LastJob = $null
# Milliseconds between looks at a job: short first, most jobs take less than a second.
$script:JobPollFirst = 50
$script:JobPollMost = 1000

function Invoke-HvMethod {
    <#
    .SYNOPSIS
        Calls a method and waits for its job.
    .OUTPUTS
        { Result, Job }: out parameters, and the finished job's instance (nothing when there was no job).
    #>
    [CmdletBinding()]
    param(
        [Parameter(Mandatory)] [object] $InputObject,
        [Parameter(Mandatory)] [string] $MethodName,
        [Parameter(Mandatory)] [hashtable] $Arguments,
        # What was tried, for messages: 'No recovery checkpoint could be created'.
        [Parameter(Mandatory)] [string] $Failure,
        [string] $Code = 'HELPER_FAILED',
        [int] $TimeoutSeconds = 3600
    )

    $target = $script:CimTarget
    $result = Invoke-CimMethod -InputObject $InputObject -MethodName $MethodName -Arguments $Arguments -OperationTimeoutSec $script:CimTimeout @target
    $returned = [long] $result.ReturnValue
    if ($returned -eq 0) { return @{ Result = $result; Job = $null } }
    if ($returned -ne 4096) {
        $name = $script:MethodFailures[[int] $returned]
        $detail = if ($name) { "$returned, $name" } else { "$returned" }
        $mapped = if ($returned -eq 32769) { 'ACCESS_DENIED' } else { $Code }
        Deny-Request -Code $mapped -Message "${Failure}: $MethodName returned $detail." -Advice $script:MoreInLog -Data @{ method = $MethodName; returnValue = $returned }
    }
    if (-not $result.Job) {
        Deny-Request -Code $Code -Message "${Failure}: $MethodName said that it started a job and named none." -Data @{ method = $MethodName }
    }
    $job = Wait-HvJob -Job $result.Job -MethodName $MethodName -Failure $Failure -Code $Code -TimeoutSeconds $TimeoutSeconds
    return @{ Result = $result; Job = $job }
}

function Wait-HvJob {
    <#
    .SYNOPSIS
        Waits until a job has ended well. Says how far it is; ends it when it takes too long, or when the request is cancelled.
    .NOTES
        A job that is asked to end is waited for all the same: it may refuse, or be done before it hears of it. Then its result counts,
        and the caller gets what was made; it knows of the cancellation, and undoes it.
    .OUTPUTS
        The job's instance; a hashtable { Vanished } when it went away before its end was seen (5 minutes after it).
    #>
    [CmdletBinding()]
    param(
        [Parameter(Mandatory)] [object] $Job,
        [Parameter(Mandatory)] [string] $MethodName,
        [Parameter(Mandatory)] [string] $Failure,
        [string] $Code = 'HELPER_FAILED',
        [int] $TimeoutSeconds = 3600
    )

    $clock = [System.Diagnostics.Stopwatch]::StartNew()
    $pause = $script:JobPollFirst
    $cancelled = $false
    Write-HelperProgress -Value @{ jobId = [string] $Job.InstanceID; method = $MethodName; percent = 0 }
    while ($true) {
        try {
            $current = Get-HvFresh -InputObject $Job
        } catch {
            if (-not (Test-CimNotFound -ErrorRecord $_)) { throw }
            $current = $null
        }
        # Whether it did its work is for the caller to find out.
        if (-not $current) { return @{ Vanished = $true } }
        $script:LastJob = $current
        $state = [int] $current.JobState
        if ($script:JobDone -contains $state) { return $current }
        if ($script:JobPending -notcontains $state) {
            if ($cancelled) {
                Deny-Request -Code 'CANCELLED' -Message "${Failure}: it was cancelled." -Data @{ method = $MethodName; jobState = $state }
            }
            Deny-Request -Code $Code -Message (Get-JobFailureText -Job $current -Failure $Failure -MethodName $MethodName) -Advice $script:MoreInLog -Data @{
                method = $MethodName; jobState = $state; errorCode = [long] $current.ErrorCode; description = [string] $current.ErrorDescription
            }
        }
        if ($clock.Elapsed.TotalSeconds -ge $TimeoutSeconds) {
            $ended = Invoke-JobTermination -Job $current
            Deny-Request -Code $Code -Message "${Failure}: $MethodName has not ended after $TimeoutSeconds s." -Advice 'Look at the host: its storage or the guest may be stuck.' -Data @{
                method = $MethodName; jobState = $state; percent = [int] $current.PercentComplete; terminated = $ended
            }
        }
        if (Test-HelperCancelled) {
            $cancelled = $true
            $null = Invoke-JobTermination -Job $current
            $pause = $script:JobPollFirst
        }
        Write-HelperProgress -Value @{ jobId = [string] $current.InstanceID; method = $MethodName; percent = [int] $current.PercentComplete; cancelled = $cancelled }
        Start-Sleep -Milliseconds $pause
        $pause = [Math]::Min([int] ($pause * 1.5), $script:JobPollMost)
    }
}

function Get-JobFailureText {
    # The sentence for a job that failed, with everything the host says about it.
    [CmdletBinding()]
    [OutputType([string])]
    param(
        [Parameter(Mandatory)] [object] $Job,
        [Parameter(Mandatory)] [string] $Failure,
        [Parameter(Mandatory)] [string] $MethodName
    )

    $texts = @(Get-JobErrorText -Job $Job)
    foreach ($field in 'ErrorSummaryDescription', 'ErrorDescription') {
        $text = [string] $Job.$field
        if ($text -and $texts -notcontains $text) { $texts += $text }
    }
    $state = [int] $Job.JobState
    $name = if ($script:JobStates.ContainsKey($state)) { $script:JobStates[$state] } else { "state $state" }
    $said = if ($texts) { ($texts -join ' ').Trim() } else { 'the host gives no reason' }
    return "${Failure}: the job of $MethodName ended ($name, error $($Job.ErrorCode)): $said"
}

function Get-JobErrorText {
    # Messages of GetErrorEx, outermost first. What cannot be read is no reason to lose the rest.
    [CmdletBinding()]
    [OutputType([string])]
    param([Parameter(Mandatory)] [object] $Job)

    try {
        $target = $script:CimTarget
        $answer = Invoke-CimMethod -InputObject $Job -MethodName 'GetErrorEx' -OperationTimeoutSec $script:CimTimeout @target
        foreach ($text in $answer.Errors) {
            if (-not $text) { continue }
            $message = (ConvertFrom-EmbeddedText -Value $text)['Message']
            if ($message) { [string] $message }
        }
    } catch {
        Write-Debug -Message "GetErrorEx: $($_.Exception.Message)"
    }
}

function Invoke-JobTermination {
    # Asks a job to end. @returns whether the host took the request.
    [CmdletBinding()]
    [OutputType([bool])]
    param([Parameter(Mandatory)] [object] $Job)

    if (-not $Job.Cancellable) { return $false }
    try {
        $target = $script:CimTarget
        $answer = Invoke-CimMethod -InputObject $Job -MethodName 'RequestStateChange' -Arguments @{ RequestedState = [uint16] 4 } -OperationTimeoutSec $script:CimTimeout @target
        return [long] $answer.ReturnValue -in 0, 4096
    } catch {
        return $false
    }
}

function Get-JobResult {
    <#
    .SYNOPSIS
        The one instance of a class that a finished job is associated with; nothing when there is none or several.
    #>
    [CmdletBinding()]
    param(
        [AllowNull()] [object] $Job,
        [Parameter(Mandatory)] [string] $ClassName
    )

    if (-not $Job -or $Job -is [hashtable]) { return $null }
    try {
        $found = @(Get-HvAssociated -InputObject $Job -ResultClassName $ClassName)
    } catch {
        if (Test-CimNotFound -ErrorRecord $_) { return $null }
        throw
    }
    if ($found.Count -eq 1) { return $found[0] }
    return $null
}
