function Open-Backend {
    <#
    .SYNOPSIS
        Starts a backend and shakes hands with it. It ends by itself when it has not been used for a minute.
    .NOTES
        Nothing when it cannot be started; the error was reported then.
    #>
    [CmdletBinding()]
    [OutputType([hashtable])]
    param(
        # Command that errors are reported as; when omitted they are not reported.
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
    # It outlives the command: the user's current folder must not be in use by it. Paths it gets are absolute.
    $start.WorkingDirectory = [System.IO.Path]::GetDirectoryName($bundle)
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
        Process  = $process
        Input    = $process.StandardInput.BaseStream
        Output   = New-Object -TypeName System.IO.StreamReader -ArgumentList $process.StandardOutput.BaseStream, $utf8, $false, 65536
        Utf8     = $utf8
        # Drained by the runtime's own threads: a full stderr pipe would stop the backend.
        Errors   = $process.StandardError.ReadToEndAsync()
        Pending  = $null
        # Messages that have come and are not read yet, by the request that waits for its answer.
        Inbox    = @{}
        LastId   = 0
        # It has said that it ends: what is not answered was not begun.
        Ending   = $false
        Closed   = $false
        # What it took over from this session.
        Identity = ''
    }
    $ready = $false
    $failure = $null
    $outcome = @{ Answer = $null }
    try {
        $client = @{ name = 'HyperVBackup PowerShell module'; version = (Get-ModuleVersion) }
        Wait-BackendAnswer -Backend $backend -Method 'initialize' -Given @{ protocolVersion = '1.0'; client = $client; idleTimeoutMs = 60000 } -Outcome $outcome
        $failure = Get-Field -InputObject $outcome.Answer -Name 'error'
        $ready = $null -ne $outcome.Answer -and $null -eq $failure
    } finally {
        if (-not $ready) {
            $problem = if ($null -ne $failure) { $failure.data } else { Get-BackendFailure -Backend $backend }
            Close-Backend -Backend $backend
        }
    }
    if ($ready) { return $backend }
    Write-BackendError -Cmdlet $Cmdlet -ErrorObject $problem
}
