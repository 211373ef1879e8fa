function Get-BackendFailure {
    <#
    .SYNOPSIS
        The error object for a backend that ended before it answered, with the end of what it wrote to stderr.
    #>
    [CmdletBinding()]
    [OutputType([hashtable])]
    param(
        [Parameter(Mandatory)]
        [hashtable] $Backend
    )

    $text = ''
    if ($Backend.Errors.Wait(2000)) { $text = "$($Backend.Errors.Result)".Trim() }
    if ($text.Length -gt 2000) { $text = $text.Substring($text.Length - 2000) }
    return @{
        code    = 'BACKEND_FAILED'
        message = ("The backend ended before it answered. $text").Trim()
        advice  = 'Run the command again. If it happens again, report it with the text above.'
    }
}
