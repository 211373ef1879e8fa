function Invoke-Backend {
    <#
    .SYNOPSIS
        Calls a method of this session's backend and returns its result. Progress and warnings are shown meanwhile.
    .NOTES
        Nothing when it failed; the error was reported then, with its code as the first part of FullyQualifiedErrorId. When it
        is interrupted it cancels the request, waits until that is cleaned up, and leaves the backend to the next command.
    #>
    [CmdletBinding()]
    [OutputType([psobject])]
    param(
        [Parameter(Mandatory)]
        [string] $Method,

        # Entries that are $null are left out.
        [Parameter(Mandatory)]
        [hashtable] $Parameters,

        # Command that errors are reported as; when omitted they are not reported.
        [System.Management.Automation.PSCmdlet] $Cmdlet,

        # Headline of the progress display; none is shown when absent.
        [string] $Activity,

        # What an error is about.
        [object] $TargetObject,

        # Before the result, give each element of its list as soon as it is final, as the property PartialResult.
        [switch] $Partial
    )

    $given = @{}
    foreach ($name in $Parameters.Keys) {
        if ($null -ne $Parameters[$name]) { $given[$name] = $Parameters[$name] }
    }
    # A backend that was about to end may not have begun it; a second time that is no coincidence any more.
    foreach ($attempt in 1, 2) {
        $backend = Get-Backend -Cmdlet $Cmdlet
        if (-not $backend) { return }
        $call = @{ Backend = $backend; Method = $Method; Given = $given; Activity = $Activity; Partial = $Partial }
        $outcome = @{ Answer = $null }
        Wait-BackendAnswer @call -Outcome $outcome
        if ($outcome.Answer -or -not $backend.Ending) { break }
    }
    if (-not $outcome.Answer) {
        Write-BackendError -Cmdlet $Cmdlet -ErrorObject (Get-BackendFailure -Backend $backend) -TargetObject $TargetObject
        return
    }
    $failure = Get-Field -InputObject $outcome.Answer -Name 'error'
    if ($null -ne $failure) {
        $errorObject = Get-Field -InputObject $failure -Name 'data'
        if ($null -eq $errorObject) { $errorObject = @{ code = 'INTERNAL'; message = $failure.message } }
        Write-BackendError -Cmdlet $Cmdlet -ErrorObject $errorObject -TargetObject $TargetObject
        return
    }
    foreach ($warning in @(Get-Field -InputObject $outcome.Answer.result -Name 'warnings')) {
        if ($warning) { Write-Warning -Message (ConvertTo-PrintableText -Text (ConvertTo-CmdletText -Text $warning)) }
    }
    return $outcome.Answer.result
}
