function ConvertTo-StorageRetry {
    <#
    .SYNOPSIS
        What storages made repeat during a call, as a HyperVBackup.StorageRetries; $null when nothing was repeated.
    #>
    [CmdletBinding()]
    [OutputType('HyperVBackup.StorageRetries')]
    param(
        # Result of a method of the protocol.
        [Parameter(Mandatory)]
        [psobject] $Result
    )

    $counts = Get-Field -InputObject $Result -Name 'storageRetries'
    if ($null -eq $counts) { return $null }
    $errors = [ordered]@{}
    foreach ($entry in $counts.errors.PSObject.Properties) { $errors[$entry.Name] = [int]$entry.Value }
    return [pscustomobject]@{
        PSTypeName = 'HyperVBackup.StorageRetries'
        Calls      = [int]$counts.calls
        Waited     = [timespan]::FromMilliseconds($counts.waitedMs)
        Errors     = $errors
    }
}
