function Resolve-BackupHost {
    <#
    .SYNOPSIS
        Address of a host: what was given, else HVBACKUP_HOST, else the VM object's own computer, else this machine.
    #>
    [CmdletBinding()]
    [OutputType([string])]
    param(
        [string] $VMHost,

        # A VM object of the Hyper-V module: it knows its computer.
        [object] $VM
    )

    $uri = $VMHost
    if (-not $uri) { $uri = $env:HVBACKUP_HOST }
    if (-not $uri) {
        $computer = Get-Field -InputObject $VM -Name 'ComputerName'
        $uri = 'hyperv:'
        if ($computer -and $computer -ne [System.Environment]::MachineName) { $uri += $computer }
    }
    # The backend's current folder is not PowerShell's.
    if ($uri -match '^sim:(.+)$') { return 'sim:' + (Resolve-BackupPath -Path $Matches[1]) }
    return $uri
}
