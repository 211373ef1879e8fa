function Wait-BackendAnswer {
    <#
    .SYNOPSIS
        Sends one request and waits for its answer: progress and warnings are shown, partial results written as they come.
    .NOTES
        When the pipeline is stopped meanwhile, the request is cancelled and its answer waited for, so that nothing of it is
        at work any more when the prompt comes back.
    #>
    [CmdletBinding()]
    [OutputType([psobject])]
    param(
        [Parameter(Mandatory)]
        [hashtable] $Backend,

        [Parameter(Mandatory)]
        [string] $Method,

        [Parameter(Mandatory)]
        [hashtable] $Given,

        [string] $Activity,

        [switch] $Partial,

        # Gets the answer as Answer; nothing when the backend ended before.
        [Parameter(Mandatory)]
        [hashtable] $Outcome
    )

    $Backend.LastId++
    $id = $Backend.LastId
    $Backend.Inbox["$id"] = New-Object -TypeName 'System.Collections.Generic.Queue[object]'
    $meter = @{ Watch = $null; Shown = $false }
    $done = $false
    try {
        $parameters = $Given
        if ($Partial) { $parameters = $Given + @{ partialResultToken = $id } }
        try {
            Send-BackendMessage -Backend $Backend -Message @{ id = $id; method = $Method; params = $parameters }
        } catch [System.IO.IOException] {
            Write-Debug -Message "stdin: $_"
        }
        while (-not $done) {
            $message = Receive-BackendMessage -Backend $Backend -Id $id
            switch (Get-Field -InputObject $message -Name 'method') {
                '$/progress' { if ($Activity) { Write-BackendProgress -Notification $message.params -Activity $Activity -Meter $meter } }
                '$/warning' { Write-Warning -Message (ConvertTo-PrintableText -Text (ConvertTo-CmdletText -Text $message.params.message)) }
                '$/partialResult' { if ($Partial) { [pscustomobject]@{ PartialResult = $message.params.value } } }
                default { $done = $true }
            }
        }
        $Outcome.Answer = $message
    } finally {
        if (-not $done) { Close-BackendRequest -Backend $Backend -Id $id }
        $null = $Backend.Inbox.Remove("$id")
        if ($meter.Shown) { Write-Progress -Activity (ConvertTo-PrintableText -Text $Activity) -Completed }
    }
}
