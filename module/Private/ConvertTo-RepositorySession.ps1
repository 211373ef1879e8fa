function ConvertTo-RepositorySession {
    <#
    .SYNOPSIS
        A RepositorySession of the protocol as a HyperVBackup.RepositorySession.
    #>
    [CmdletBinding()]
    [OutputType('HyperVBackup.RepositorySession')]
    param(
        [Parameter(Mandatory)]
        [psobject] $Session,

        # Location of its repository.
        [Parameter(Mandatory)]
        [string] $Repository
    )

    return [pscustomobject]@{
        PSTypeName  = 'HyperVBackup.RepositorySession'
        Id          = [string]$Session.id
        Kind        = [string]$Session.kind
        State       = [string]$Session.state
        Owner       = [string]$Session.owner
        MachineName = [string]$Session.machine
        ProcessId   = [int]$Session.process
        Local       = [bool]$Session.local
        CreatedAt   = if ($Session.createdAt) { ConvertTo-UtcTime -Text $Session.createdAt } else { $null }
        ExpiresAt   = if ($Session.expiresAt) { ConvertTo-UtcTime -Text $Session.expiresAt } else { $null }
        PointId     = [string[]]@($Session.points)
        Repository  = $Repository
    }
}
