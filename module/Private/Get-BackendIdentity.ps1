function Get-BackendIdentity {
    <#
    .SYNOPSIS
        Everything of this session that a backend took over when it was started: one of another identity does not fit any more.
    #>
    [CmdletBinding()]
    [OutputType([string])]
    param()

    $taken = '^(HVBACKUP_.*|NODE_.*|PATH|TZ|TE?MP|TMPDIR|HOME|USERPROFILE|LOCALAPPDATA|APPDATA|PROGRAMDATA)$'
    $environment = [System.Environment]::GetEnvironmentVariables()
    $lines = foreach ($name in $environment.Keys) { if ($name -match $taken) { '{0}={1}' -f $name, $environment[$name] } }
    return (@(Get-NodePath; Get-BackendPath) + @($lines | Sort-Object)) -join "`n"
}
