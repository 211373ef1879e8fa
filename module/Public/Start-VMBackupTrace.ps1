function Start-VMBackupTrace {
    <#
    .SYNOPSIS
        Records what is asked of Hyper-V, and what it answers, in a file.
    .DESCRIPTION
        From now on the commands of this session write every exchange with Hyper-V to the file, as a line of JSON each: to see what a
        host does differently, and to send it to the authors. The file has names, paths and ids of virtual machines, and no
        passwords or content of disks. With -Anonymize it has no names either. Stop-VMBackupTrace ends it.
    .PARAMETER Path
        The file. Exchanges are appended when it exists.
    .PARAMETER Anonymize
        Write placeholders instead of names of virtual machines, hosts, accounts, switches, folders and files, and instead of MAC addresses;
        the same one for the same name throughout this recording. Ids, numbers, codes and times stay. Look through the file all the
        same before you send it: what a message contains in plain lower-case words stays too.
    .EXAMPLE
        Start-VMBackupTrace -Path C:\Temp\trace.jsonl -Anonymize

        Records what follows without names, for a file that can be sent to the authors.
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
        [string] $Path,

        [switch] $Anonymize
    )

    $file = Resolve-BackupPath -Path $Path
    if (-not $PSCmdlet.ShouldProcess($file, 'Record exchanges with Hyper-V')) { return }
    $env:HVBACKUP_TRACE = $file
    # The key of the placeholders: of this recording alone, so that names cannot be tried on the file.
    if ($Anonymize) { $env:HVBACKUP_TRACE_ANONYMIZE = [guid]::NewGuid().ToString('N') + [guid]::NewGuid().ToString('N') }
    else { Remove-Item -Path 'env:HVBACKUP_TRACE_ANONYMIZE' -ErrorAction SilentlyContinue }
}
