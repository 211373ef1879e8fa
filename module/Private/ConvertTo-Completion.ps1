function ConvertTo-Completion {
    <#
    .SYNOPSIS
        A completion for a text that begins with the word (in quotes or not), quoted where PowerShell needs it.
    #>
    [CmdletBinding()]
    [OutputType([System.Management.Automation.CompletionResult])]
    param(
        [Parameter(Mandatory)]
        [string] $Text,

        [AllowEmptyString()]
        [string] $Word,

        [Parameter(Mandatory)]
        [string] $ToolTip
    )

    $begin = "$Word".Trim('"', "'")
    if (-not $Text.StartsWith($begin, [System.StringComparison]::OrdinalIgnoreCase)) { return }
    $quoted = $Text
    # A name may hold anything, $(...) too: in single quotes it stays a name.
    if ($Text -notmatch '^[\w./:\\-]+$' -or $Text -match '^-') {
        $quoted = "'" + [System.Management.Automation.Language.CodeGeneration]::EscapeSingleQuotedStringContent($Text) + "'"
    }
    New-Object -TypeName System.Management.Automation.CompletionResult -ArgumentList $quoted, $Text, 'ParameterValue', $ToolTip
}
