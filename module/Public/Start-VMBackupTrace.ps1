function Start-VMBackupTrace {
    <#
    .SYNOPSIS
        Records what is asked of Hyper-V, and what it answers, in a file.
    .DESCRIPTION
        From now on the commands of this session write every exchange with Hyper-V to the file, as a line of JSON each: to see what a
        host does differently, and to send it to the authors. The file has names, paths and ids of virtual machines, and no
        passwords or content of disks. Stop-VMBackupTrace ends it.
    .PARAMETER Path
        The file. Exchanges are appended when it exists.
    .EXAMPLE
        Start-VMBackupTrace -Path C:\Temp\trace.jsonl

        Records all that follows in this session.
    .EXAMPLE
        Start-VMBackupTrace trace.jsonl; Backup-VMRct web01 -Repository D:\Backups; Stop-VMBackupTrace

        Records one backup.
    .OUTPUTS
        None.
    .LINK
        about_HyperVBackup
    #>
    [CmdletBinding(SupportsShouldProcess)]
    [OutputType([void])]
    param(
        [Parameter(Mandatory, Position = 0)]
        [ValidateNotNullOrEmpty()]
        [string] $Path
    )

    $file = Resolve-BackupPath -Path $Path
    if ($PSCmdlet.ShouldProcess($file, 'Record exchanges with Hyper-V')) { $env:HVBACKUP_TRACE = $file }
}
