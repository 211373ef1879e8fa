function Stop-VMBackupTrace {
    <#
    .SYNOPSIS
        Ends the recording that Start-VMBackupTrace began.
    .DESCRIPTION
        The commands that follow in this session are not recorded. The file stays; it is not an error when nothing was being recorded.
    .EXAMPLE
        Stop-VMBackupTrace

        Ends the recording.
    .EXAMPLE
        Stop-VMBackupTrace -WhatIf

        Says what would be done.
    .OUTPUTS
        None.
    .LINK
        about_HyperVBackup
    #>
    [CmdletBinding(SupportsShouldProcess)]
    [OutputType([void])]
    param()

    if ($PSCmdlet.ShouldProcess("$env:HVBACKUP_TRACE", 'End the recording')) { Remove-Item -Path 'env:HVBACKUP_TRACE', 'env:HVBACKUP_TRACE_ANONYMIZE' -ErrorAction SilentlyContinue }
}
