# Opening: what this process is, the CIM session to another host, and the account for it.

# Name of the other machine; '' for this one.
$script:HostServer = ''
# Its account, when it is not this process's own; kept so that a session that dropped can be made again.
$script:HostCredential = $null
# Why the host's shares cannot be read with that account; '' when they can, or nothing needs to be done.
$script:ShareProblem = ''
# Whether the session was made again for the present request.
$script:SessionRestored = $false

# What New-CimSession fails with, by the HRESULT in MessageId (WinRM's and Win32's codes).
$script:ConnectFailures = @{
    '0x80070005' = @('ACCESS_DENIED', 'Use an account that is a member of Administrators of that host (or of Hyper-V Administrators and Remote Management Users). Over the network, local accounts other than the built-in Administrator have no administrator rights unless LocalAccountTokenFilterPolicy is 1 there.')
    '0x8007052e' = @('ACCESS_DENIED', 'The name or the password is wrong. Give the account as DOMAIN\user or user@domain, a local one as SERVER\user.')
    '0x80070533' = @('ACCESS_DENIED', 'The account is disabled.')
    '0x80070775' = @('ACCESS_DENIED', 'The account is locked out.')
    '0x803380e4' = @('HOST_NOT_FOUND', 'Outside a domain, and for addresses instead of names, this machine must trust the host: Set-Item WSMan:\localhost\Client\TrustedHosts -Value SERVER -Concatenate (elevated), and credentials must be given.')
}

function Open-HelperSession {
    <#
    .SYNOPSIS
        Says who answers, and connects to the host: this machine, or another by name (WinRM; Kerberos, or the account that was given).
    #>
    [CmdletBinding()]
    param([Parameter(Mandatory)] [object] $Request)

    $script:HostServer = [string] $Request.server
    if ($script:HostServer) { Connect-HelperHost }
    # Fails where there is no Hyper-V, and says so.
    $service = Get-HvService -ClassName 'Msvm_VirtualSystemManagementService'
    if ($script:HostCredential) { Connect-HelperShare }
    return @{
        protocol     = $script:HelperProtocolVersion
        powerShell   = [string] $PSVersionTable.PSVersion
        edition      = [string] $PSVersionTable.PSEdition
        languageMode = [string] $ExecutionContext.SessionState.LanguageMode
        processId    = $PID
        server       = [string] $service.SystemName
        virtDisk     = Get-VirtDiskState -Remote ([bool] $script:HostServer)
        shareProblem = $script:ShareProblem
    }
}

function Get-HelperGreeting {
    <#
    .SYNOPSIS
        Says that the helper is loaded, before it is given anything that is secret.
    #>
    [CmdletBinding()]
    param([object] $Request)

    $null = $Request
    return @{ protocol = $script:HelperProtocolVersion }
}

function Read-HelperCredential {
    <#
    .SYNOPSIS
        Takes the account from the next line of standard input: base64 of its name, a blank, base64 of its password.
    .NOTES
        A command of its own, so that the password is part of no command: script block logging and transcripts would keep it. Nor
        does a cmdlet or function get it as text: module logging would. It says that it is ready first; what came earlier would
        be taken for a command.
    #>
    [CmdletBinding()]
    param()

    $script:HelperRequestId = 0
    try {
        Write-HelperLine -Kind 'p' -Value @{ ready = $true }
        $fields = [Console]::In.ReadLine().Split(' ')
        $password = New-Object -TypeName 'System.Security.SecureString'
        foreach ($character in [System.Text.Encoding]::UTF8.GetString([Convert]::FromBase64String($fields[1])).ToCharArray()) { $password.AppendChar($character) }
        $password.MakeReadOnly()
        $name = [System.Text.Encoding]::UTF8.GetString([Convert]::FromBase64String($fields[0]))
        $script:HostCredential = New-Object -TypeName 'System.Management.Automation.PSCredential' -ArgumentList $name, $password
        Write-HelperLine -Kind 'r' -Value @{ ok = $true; result = @{} }
    } catch {
        # Its own message could quote the line.
        Write-HelperLine -Kind 'r' -Value @{ ok = $false; error = @{ code = 'HELPER_FAILED'; message = 'The credentials could not be taken.'; advice = ''; data = @{} } }
    }
}

function Connect-HelperHost {
    # The CIM session to the other host; also again, after it dropped.
    [CmdletBinding()]
    param()

    $arguments = @{ ComputerName = $script:HostServer; OperationTimeoutSec = $script:CimTimeout }
    if ($script:HostCredential) { $arguments['Credential'] = $script:HostCredential }
    try {
        $script:CimTarget = @{ CimSession = (New-CimSession @arguments) }
    } catch {
        $server = $script:HostServer
        $as = if ($script:HostCredential) { " as '$($script:HostCredential.UserName)'" } else { ' with the account of this process' }
        $known = Get-ConnectFailure -Exception $_.Exception
        Deny-Request -Code $known[0] -Message "The host '$server' cannot be reached${as}: $($_.Exception.Message)" -Advice $known[1] -Data @{ server = $server }
    }
}

function Get-ConnectFailure {
    # Code and advice for what New-CimSession threw.
    [CmdletBinding()]
    param([Parameter(Mandatory)] [Exception] $Exception)

    $advice = 'Check the name, that WinRM is enabled there (Enable-PSRemoting), and the rights of the account.'
    for ($inner = $Exception; $inner; $inner = $inner.InnerException) {
        $message = $inner.PSObject.Properties['MessageId']
        if (-not $message) { continue }
        $hresult = ([string] $message.Value -replace '^HRESULT\s+', '').ToLowerInvariant()
        if ($script:ConnectFailures.ContainsKey($hresult)) { return $script:ConnectFailures[$hresult] }
        if ([string] $inner.PSObject.Properties['NativeErrorCode'].Value -eq 'AccessDenied') { return $script:ConnectFailures['0x80070005'] }
    }
    return @('HOST_NOT_FOUND', $advice)
}

function Restore-HelperSession {
    # Makes a session that dropped again, once in a request. @returns whether there is one now
    [CmdletBinding()]
    [OutputType([bool])]
    param()

    if (-not $script:HostServer -or $script:SessionRestored) { return $false }
    $script:SessionRestored = $true
    Write-HelperProgress -Value @{ method = 'New-CimSession' }
    try {
        Connect-HelperHost
        return $true
    } catch {
        # What broke first says more.
        return $false
    }
}

function Connect-HelperShare {
    # The host's shares with the same account, for the files that the backend reads. Without them VMs can still be listed.
    [CmdletBinding()]
    param()

    $script:ShareProblem = ''
    try {
        $code = Connect-ShareNative -Server $script:HostServer -Credential $script:HostCredential
    } catch {
        $script:ShareProblem = "the shares of '$($script:HostServer)' cannot be connected with other credentials here: $($_.Exception.Message)"
        return
    }
    if ($code -ne 0) {
        $meaning = switch ($code) {
            5 { 'access is denied' }
            53 { 'the host was not found, or does not let SMB through its firewall' }
            67 { 'it has no administrative shares' }
            { $_ -in 86, 1326 } { 'the name or the password is wrong' }
            1219 { 'this session is connected to it with another account already (net use shows it; end that, or name the host by its full name)' }
            1331 { 'the account is disabled' }
            1909 { 'the account is locked out' }
            default { 'Windows gives no more than the number' }
        }
        $script:ShareProblem = "the shares of '$($script:HostServer)' cannot be read as '$($script:HostCredential.UserName)': $meaning (error $code)"
    }
}

function Close-HelperSession {
    <#
    .SYNOPSIS
        Releases what opening took: the session, and the connection to the shares where no other client of the backend uses it.
    #>
    [CmdletBinding()]
    param([object] $Request)

    if ($Request.share -and $script:HostCredential -and -not $script:ShareProblem) { $null = Disconnect-ShareNative -Server $script:HostServer }
    if ($script:CimTarget.Count -gt 0) { Remove-CimSession -CimSession $script:CimTarget['CimSession'] -ErrorAction SilentlyContinue }
    $script:CimTarget = @{}
    $script:HostCredential = $null
    return @{}
}
