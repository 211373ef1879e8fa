function ConvertTo-BackendErrorRecord {
    <#
    .SYNOPSIS
        An error object of the backend as an ErrorRecord: id = code, category and exception by code, advice as recommended action.
    #>
    [CmdletBinding()]
    [OutputType([System.Management.Automation.ErrorRecord])]
    param(
        # code, message, advice, data.
        [Parameter(Mandatory)]
        [object] $ErrorObject,

        [object] $TargetObject
    )

    $code = "$(Get-Field -InputObject $ErrorObject -Name 'code')"
    $lines = $code -eq 'BACKEND_FAILED'
    $message = ConvertTo-PrintableText -Text (ConvertTo-CmdletText -Text "$(Get-Field -InputObject $ErrorObject -Name 'message')") -AllowLines:$lines
    $advice = ConvertTo-PrintableText -Text (ConvertTo-CmdletText -Text "$(Get-Field -InputObject $ErrorObject -Name 'advice')")
    # What is refused are parameters, by their names in the protocol.
    if ($code -eq 'PROTOCOL_INVALID') {
        $message = [regex]::Replace($message, '(?<=^|; )([a-z])(\w*)(?=[ .])', { param($found) '-' + $found.Groups[1].Value.ToUpperInvariant() + $found.Groups[2].Value })
        if ($advice -match 'docs/protocol') { $advice = 'See the help of the command for what its parameters take.' }
    }
    $kind = switch -Regex ($code) {
        '^(USAGE|PROTOCOL_INVALID)$' { 'InvalidArgument', 'System.ArgumentException'; break }
        '^CANCELLED$' { 'OperationStopped', 'System.OperationCanceledException'; break }
        '^(PASSPHRASE_REQUIRED|WRONG_PASSPHRASE)$' { 'AuthenticationError', 'System.UnauthorizedAccessException'; break }
        '^NOT_SUPPORTED$' { 'NotImplemented', 'System.NotSupportedException'; break }
        '^ACCESS_DENIED$' { 'PermissionDenied', 'System.UnauthorizedAccessException'; break }
        '^FILE_NOT_FOUND$' { 'ObjectNotFound', 'System.IO.FileNotFoundException'; break }
        '_(NOT_FOUND|MISSING)$' { 'ObjectNotFound', 'System.Management.Automation.ItemNotFoundException'; break }
        '_EXISTS$' { 'ResourceExists', 'System.InvalidOperationException'; break }
        '_(BUSY|IN_PROGRESS|IN_USE|RUNNING|HELD)$' { 'ResourceBusy', 'System.InvalidOperationException'; break }
        '^(DISK_FULL|FILE_TOO_LARGE)$' { 'LimitsExceeded', 'System.IO.IOException'; break }
        '^IO_ERROR$' { 'ReadError', 'System.IO.IOException'; break }
        '(CORRUPT|DAMAGED)$' { 'InvalidData', 'System.IO.InvalidDataException'; break }
        '_AMBIGUOUS$' { 'InvalidArgument', 'System.ArgumentException'; break }
        default { 'NotSpecified', 'System.InvalidOperationException' }
    }
    $exception = New-Object -TypeName $kind[1] -ArgumentList $message
    $exception.Data['Code'] = $code
    $data = Get-Field -InputObject $ErrorObject -Name 'data'
    # Text, because an exception's data must be serialisable in Windows PowerShell.
    if ($null -ne $data) { $exception.Data['Data'] = ConvertTo-Json -InputObject $data -Depth 10 -Compress }
    $record = New-Object -TypeName System.Management.Automation.ErrorRecord -ArgumentList $exception, $code, $kind[0], $TargetObject
    $record.ErrorDetails = New-Object -TypeName System.Management.Automation.ErrorDetails -ArgumentList $message
    if ($advice) { $record.ErrorDetails.RecommendedAction = $advice }
    return $record
}
