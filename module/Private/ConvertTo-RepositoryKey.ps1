function ConvertTo-RepositoryKey {
    <#
    .SYNOPSIS
        A RepositoryKey of the protocol as a HyperVBackup.RepositoryKey.
    #>
    [CmdletBinding()]
    [OutputType('HyperVBackup.RepositoryKey')]
    param(
        [Parameter(Mandatory)]
        [psobject] $Key,

        # Location of its repository.
        [Parameter(Mandatory)]
        [string] $Repository
    )

    return [pscustomobject]@{
        PSTypeName = 'HyperVBackup.RepositoryKey'
        Id         = [string]$Key.id
        Label      = [string]$Key.label
        CreatedAt  = if ($Key.createdAt) { ConvertTo-UtcTime -Text $Key.createdAt } else { $null }
        Current    = [bool]$Key.current
        Problem    = Get-Field -InputObject $Key -Name 'problem'
        Repository = $Repository
    }
}
