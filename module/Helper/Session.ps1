# Opening: what this process is, and the CIM session to another host.

function Open-HelperSession {
    <#
    .SYNOPSIS
        Says who answers, and connects to the host: this machine, or another by name (Kerberos, WinRM).
    #>
    [CmdletBinding()]
    param([Parameter(Mandatory)] [object] $Request)

    $server = [string] $Request.server
    if ($server) {
        try {
            $script:CimTarget = @{ CimSession = New-CimSession -ComputerName $server -OperationTimeoutSec $script:CimTimeout }
        } catch {
            Deny-Request -Code 'HOST_NOT_FOUND' -Message "The host '$server' cannot be reached: $($_.Exception.Message)" -Advice 'Check the name, that WinRM is enabled there (Enable-PSRemoting), and the rights of this account.' -Data @{ server = $server }
        }
    }
    # Fails where there is no Hyper-V, and says so.
    $service = Get-HvService -ClassName 'Msvm_VirtualSystemManagementService'
    return @{
        protocol     = $script:HelperProtocolVersion
        powerShell   = [string] $PSVersionTable.PSVersion
        edition      = [string] $PSVersionTable.PSEdition
        languageMode = [string] $ExecutionContext.SessionState.LanguageMode
        processId    = $PID
        server       = [string] $service.SystemName
        virtDisk     = Get-VirtDiskState -Remote ([bool] $server)
    }
}
