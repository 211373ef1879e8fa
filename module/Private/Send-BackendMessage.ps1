function Send-BackendMessage {
    <#
    .SYNOPSIS
        Sends one JSON-RPC message: one line of UTF-8 without byte order mark.
    #>
    [CmdletBinding()]
    param(
        [Parameter(Mandatory)]
        [hashtable] $Backend,

        [Parameter(Mandatory)]
        [hashtable] $Message
    )

    $Message['jsonrpc'] = '2.0'
    $json = ConvertTo-Json -InputObject $Message -Depth 10 -Compress
    $bytes = $Backend.Utf8.GetBytes($json + "`n")
    $Backend.Input.Write($bytes, 0, $bytes.Length)
    $Backend.Input.Flush()
}
