# Runs scripts that arrive on stdin, one a line: base64 of JSON {script, data}. Answers with @@ and base64 of JSON.
$ErrorActionPreference = 'Stop'
while ($null -ne ($line = [Console]::In.ReadLine())) {
    $answer = @{}
    try {
        $request = [Text.Encoding]::UTF8.GetString([Convert]::FromBase64String($line)) | ConvertFrom-Json
        $data = $request.data
        $answer.value = . ([scriptblock]::Create($request.script))
    }
    catch {
        $fault = $_.Exception
        while ($fault.InnerException) { $fault = $fault.InnerException }
        $answer.error = @{ Message = $fault.Message; Type = $fault.GetType().Name; Text = ($_ | Out-String) }
        if ($answer.error.Type -eq 'VirtDiskException') {
            foreach ($name in 'Code', 'CodeText', 'Symbol', 'ProjectCode', 'Meaning', 'Advice', 'Path', 'Operation', 'ChainBroken') {
                $answer.error[$name] = $fault.$name
            }
        }
    }
    $json = ConvertTo-Json -InputObject $answer -Depth 6 -Compress
    [Console]::Out.WriteLine('@@' + [Convert]::ToBase64String([Text.Encoding]::UTF8.GetBytes($json)))
}
