function Resolve-Repository {
    <#
    .SYNOPSIS
        Location of a repository given as a location, as a repository object, or as a folder object.
    #>
    [CmdletBinding()]
    [OutputType([string])]
    param(
        [Parameter(Mandatory)]
        [object] $Repository
    )

    $location = $null
    if ($Repository -isnot [string]) {
        foreach ($name in 'Location', 'FullName', 'ProviderPath') {
            $location = Get-Field -InputObject $Repository -Name $name
            if ($location) { break }
        }
    }
    if (-not $location) { $location = "$Repository" }
    $path = Resolve-BackupLocation -Location $location
    if (-not $script:KnownRepository.Contains($path)) { $script:KnownRepository.Add($path) }
    return $path
}
