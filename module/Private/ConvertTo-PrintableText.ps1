function ConvertTo-PrintableText {
    <#
    .SYNOPSIS
        Text from elsewhere as a console shows it: what would move the cursor, turn the direction or hide text is U+FFFD.
    .NOTES
        The same characters as in backend/src/support/printable.ts. Objects keep their names as they are.
    #>
    [CmdletBinding()]
    [OutputType([string])]
    param(
        [Parameter(Mandatory)]
        [AllowEmptyString()]
        [string] $Text,

        # Ends of lines stay.
        [switch] $AllowLines
    )

    $unsafe = '[\p{Cc}\u00AD\u061C\u180E\u200B\u200E\u200F\u2028-\u202E\u2060-\u206F\uFEFF\uFFF9-\uFFFB]|\uDB40[\uDC00-\uDC7F]'
    if ($AllowLines) { $unsafe = '(?![\r\n])' + $unsafe.Replace('|', '|(?![\r\n])') }
    return [regex]::Replace($Text, $unsafe, [string][char]0xFFFD)
}
