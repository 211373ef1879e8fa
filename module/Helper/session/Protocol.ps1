# Requests, answers and errors (docs/helper-protocol.md).

# Version of the protocol; the backend refuses another.
$script:HelperProtocolVersion = 1
# Before every line of ours: whatever else the shell writes is not an answer.
$script:HelperLinePrefix = '@hvh'
$script:HelperRequestId = 0
# Whether the cancellation of the present request was acted on: what is done about it is not cancelled in turn.
$script:CancelSeen = $false

foreach ($shared in 'ConvertFrom-JsonElement', 'ConvertFrom-BackendJson') {
    . (Join-Path -Path (Split-Path -Path (Split-Path -Path $PSScriptRoot -Parent) -Parent) -ChildPath "Private/$shared.ps1")
}

function Write-HelperLine {
    <#
    .SYNOPSIS
        One line: prefix, request, kind (r result, p progress), base64 of JSON.
    #>
    [CmdletBinding()]
    param(
        [Parameter(Mandatory)] [ValidateSet('r', 'p')] [string] $Kind,
        [Parameter(Mandatory)] [object] $Value
    )

    $json = ConvertTo-Json -InputObject $Value -Depth 16 -Compress
    $encoded = [Convert]::ToBase64String([System.Text.Encoding]::UTF8.GetBytes($json))
    [Console]::Out.WriteLine("$($script:HelperLinePrefix) $($script:HelperRequestId) $Kind $encoded")
}

function Write-HelperProgress {
    <#
    .SYNOPSIS
        Reports that the request is in progress, and how far it is. Also the sign of life.
    #>
    [CmdletBinding()]
    param([hashtable] $Value = @{})

    Write-HelperLine -Kind 'p' -Value $Value
}

function Test-HelperCancelled {
    <#
    .SYNOPSIS
        Whether the backend wants the present request to end: a file named by its id appears in the folder HVBACKUP_CANCEL. True once.
    .NOTES
        Standard input cannot say it: while a request runs, the commands that follow wait there.
    #>
    [CmdletBinding()]
    [OutputType([bool])]
    param()

    if ($script:CancelSeen -or -not $env:HVBACKUP_CANCEL) { return $false }
    $script:CancelSeen = Test-Path -LiteralPath (Join-Path -Path $env:HVBACKUP_CANCEL -ChildPath $script:HelperRequestId)
    return $script:CancelSeen
}

function Deny-Request {
    <#
    .SYNOPSIS
        Ends the request with an error that has a code, advice and data.
    #>
    [CmdletBinding()]
    param(
        [Parameter(Mandatory)] [string] $Code,
        [Parameter(Mandatory)] [string] $Message,
        [string] $Advice,
        [hashtable] $Data = @{},
        [Exception] $Cause
    )

    $exception = New-Object -TypeName 'System.InvalidOperationException' -ArgumentList $Message, $Cause
    $exception.Data['HelperCode'] = $Code
    $exception.Data['HelperAdvice'] = $Advice
    $exception.Data['HelperData'] = $Data
    throw $exception
}

function ConvertTo-HelperError {
    <#
    .SYNOPSIS
        What was thrown, as the protocol's error object.
    #>
    [CmdletBinding()]
    param([Parameter(Mandatory)] [System.Management.Automation.ErrorRecord] $ErrorRecord)

    for ($exception = $ErrorRecord.Exception; $exception; $exception = $exception.InnerException) {
        if ($exception.Data -and $exception.Data.Contains('HelperCode')) {
            return @{
                code    = [string] $exception.Data['HelperCode']
                message = [string] $exception.Message
                advice  = [string] $exception.Data['HelperAdvice']
                data    = $exception.Data['HelperData']
            }
        }
        $fromCim = ConvertTo-CimFailure -Exception $exception
        if ($fromCim) { return $fromCim }
    }
    return @{
        code    = 'HELPER_FAILED'
        message = [string] $ErrorRecord.Exception.Message
        advice  = ''
        data    = @{ at = [string] $ErrorRecord.InvocationInfo.PositionMessage; type = $ErrorRecord.Exception.GetType().FullName }
    }
}

function Invoke-HelperRequest {
    <#
    .SYNOPSIS
        Answers one request: base64 of UTF-8 JSON { v, id, method, params }.
    #>
    [CmdletBinding()]
    param([Parameter(Mandatory, Position = 0)] [string] $Encoded)

    $script:HelperRequestId = 0
    $script:SessionRestored = $false
    $script:CancelSeen = $false
    try {
        $request = ConvertFrom-BackendJson -Json ([System.Text.Encoding]::UTF8.GetString([Convert]::FromBase64String($Encoded)))
        $script:HelperRequestId = [long] $request.id
        if ($request.v -ne $script:HelperProtocolVersion) {
            Deny-Request -Code 'PROTOCOL_VERSION' -Message "The helper speaks protocol $($script:HelperProtocolVersion), the backend $($request.v)." -Advice 'Install backend and module of one version.'
        }
        $name = [string] $request.method
        if (-not $script:HelperMethods.ContainsKey($name)) {
            Deny-Request -Code 'PROTOCOL_INVALID' -Message "The helper has no method '$name'."
        }
        $result = & $script:HelperMethods[$name] -Request $request.params
        Write-HelperLine -Kind 'r' -Value @{ ok = $true; result = $result }
    } catch {
        Write-HelperLine -Kind 'r' -Value @{ ok = $false; error = (ConvertTo-HelperError -ErrorRecord $_) }
    }
}

function Resolve-HelperGuid {
    <#
    .SYNOPSIS
        A GUID as WMI has it (upper case, no braces), or an error: only what passes here gets into a WQL filter.
    #>
    [CmdletBinding()]
    [OutputType([string])]
    param([AllowNull()] [AllowEmptyString()] [string] $Text)

    $guid = [Guid]::Empty
    if (-not [Guid]::TryParseExact($Text, 'D', [ref] $guid)) {
        Deny-Request -Code 'PROTOCOL_INVALID' -Message "This is not an id: '$Text'."
    }
    return $guid.ToString('D').ToUpperInvariant()
}
