function Open-Backend {
    <#
    .SYNOPSIS
        Starts the backend and shakes hands with it. Whoever calls this must call Close-Backend in a finally block.
    .NOTES
        Nothing when it cannot be started; the error was reported then.
    #>
    [CmdletBinding()]
    [OutputType([hashtable])]
    param(
        # Command that errors are reported as; nobody hears of them when it is left out.
        [System.Management.Automation.PSCmdlet] $Cmdlet
    )

    $node = Get-NodePath
    $bundle = Get-BackendPath
    if (-not $node) {
        Write-BackendError -Cmdlet $Cmdlet -ErrorObject @{
            code    = 'BACKEND_NOT_FOUND'
            message = 'There is no Node 24 to run the backend with.'
            advice  = 'Install the module again, or set HVBACKUP_NODE to the path of node, version 24 or later.'
        }
        return
    }
    if (-not $bundle) {
        Write-BackendError -Cmdlet $Cmdlet -ErrorObject @{
            code    = 'BACKEND_NOT_FOUND'
            message = 'The backend (hvbackup.cjs) is missing.'
            advice  = 'Install the module again; in a source tree run "npm run build" first.'
        }
        return
    }
    # A bare name or a relative path would be looked for in the current folder and on PATH, by what runs as an administrator.
    if ($env:HVBACKUP_NODE -and -not ($node -match '^([A-Za-z]:[\\/]|[\\/])' -and (Test-Path -LiteralPath $node -PathType Leaf))) {
        Write-BackendError -Cmdlet $Cmdlet -ErrorObject @{
            code    = 'BACKEND_FAILED'
            message = "HVBACKUP_NODE does not name a file by its absolute path: $node"
            advice  = 'Give the whole path of node, version 24 or later, or remove the variable.'
        }
        return
    }
    foreach ($file in $node, $bundle) {
        if (Test-PackageFile -Path $file) { continue }
        Write-BackendError -Cmdlet $Cmdlet -ErrorObject @{
            code    = 'BACKEND_FAILED'
            message = "The module is damaged or mixed from several versions: $file is not the file that its files.json names."
            advice  = 'Remove the module''s folder and install it again.'
        }
        return
    }
    $start = New-Object -TypeName System.Diagnostics.ProcessStartInfo
    $start.FileName = $node
    # A path of this installation; Windows file names hold no quotation marks.
    $start.Arguments = '"{0}" serve' -f $bundle
    $start.UseShellExecute = $false
    $start.CreateNoWindow = $true
    $start.RedirectStandardInput = $true
    $start.RedirectStandardOutput = $true
    $start.RedirectStandardError = $true
    $start.StandardErrorEncoding = [System.Text.Encoding]::UTF8
    try {
        $process = [System.Diagnostics.Process]::Start($start)
    } catch {
        Write-BackendError -Cmdlet $Cmdlet -ErrorObject @{
            code    = 'BACKEND_FAILED'
            message = 'The backend could not be started with {0}: {1}' -f $node, $_.Exception.Message
            advice  = 'Install the module again, or check HVBACKUP_NODE.'
        }
        return
    }
    # Bytes through BaseStream: Windows PowerShell would encode text in the OEM code page.
    $utf8 = New-Object -TypeName System.Text.UTF8Encoding -ArgumentList $false
    $backend = @{
        Cmdlet  = $Cmdlet
        Process = $process
        Input   = $process.StandardInput.BaseStream
        Output  = New-Object -TypeName System.IO.StreamReader -ArgumentList $process.StandardOutput.BaseStream, $utf8, $false, 65536
        Utf8    = $utf8
        # Drained by the runtime's own threads: a full stderr pipe would stop the backend.
        Errors  = $process.StandardError.ReadToEndAsync()
        Pending = $null
        LastId  = 0
        Closed  = $false
    }
    $ready = $null
    try {
        $client = @{ name = 'HyperVBackup PowerShell module'; version = (Get-ModuleVersion) }
        $ready = Invoke-BackendMethod -Backend $backend -Method 'initialize' -Parameters @{ protocolVersion = '1.0'; client = $client }
    } finally {
        if (-not $ready) { Close-Backend -Backend $backend }
    }
    if ($ready) { return $backend }
}
