function Invoke-BackendMethod {
    <#
    .SYNOPSIS
        Calls a method of the backend and returns its result. Progress and warnings are shown meanwhile.
    .NOTES
        Nothing when it failed; the error was reported then, with its code as the first part of FullyQualifiedErrorId. When it
        is interrupted it cancels the request.
    #>
    [CmdletBinding()]
    [OutputType([psobject])]
    param(
        [Parameter(Mandatory)]
        [hashtable] $Backend,

        [Parameter(Mandatory)]
        [string] $Method,

        # Entries that are $null are left out.
        [Parameter(Mandatory)]
        [hashtable] $Parameters,

        # Headline of the progress display; none is shown when absent.
        [string] $Activity,

        # What an error is about.
        [object] $TargetObject
    )

    $given = @{}
    foreach ($name in $Parameters.Keys) {
        if ($null -ne $Parameters[$name]) { $given[$name] = $Parameters[$name] }
    }
    $Backend.LastId++
    $id = $Backend.LastId
    $meter = @{ Watch = $null; Shown = $false }
    $answered = $false
    try {
        try {
            Send-BackendMessage -Backend $Backend -Message @{ id = $id; method = $Method; params = $given }
        } catch [System.IO.IOException] {
            Write-Debug -Message "stdin: $_"
        }
        while (-not $answered) {
            $line = Receive-BackendMessage -Backend $Backend
            if ($null -eq $line) {
                $answered = $true
                Write-BackendError -Cmdlet $Backend.Cmdlet -ErrorObject (Get-BackendFailure -Backend $Backend) -TargetObject $TargetObject
                return
            }
            $message = ConvertFrom-BackendJson -Json $line
            switch (Get-Field -InputObject $message -Name 'method') {
                '$/progress' { if ($Activity) { Write-BackendProgress -Notification $message.params -Activity $Activity -Meter $meter } }
                '$/warning' { Write-Warning -Message (ConvertTo-PrintableText -Text (ConvertTo-CmdletText -Text $message.params.message)) }
                default { if ((Get-Field -InputObject $message -Name 'id') -eq $id) { $answered = $true } }
            }
        }
    } finally {
        if (-not $answered) {
            try {
                Send-BackendMessage -Backend $Backend -Message @{ method = '$/cancelRequest'; params = @{ id = $id } }
            } catch {
                Write-Debug -Message "stdin: $_"
            }
        }
        if ($meter.Shown) { Write-Progress -Activity (ConvertTo-PrintableText -Text $Activity) -Completed }
    }
    $failure = Get-Field -InputObject $message -Name 'error'
    if ($null -ne $failure) {
        $errorObject = Get-Field -InputObject $failure -Name 'data'
        if ($null -eq $errorObject) { $errorObject = @{ code = 'INTERNAL'; message = $failure.message } }
        Write-BackendError -Cmdlet $Backend.Cmdlet -ErrorObject $errorObject -TargetObject $TargetObject
        return
    }
    foreach ($warning in @(Get-Field -InputObject $message.result -Name 'warnings')) {
        if ($warning) { Write-Warning -Message (ConvertTo-PrintableText -Text (ConvertTo-CmdletText -Text $warning)) }
    }
    return $message.result
}
