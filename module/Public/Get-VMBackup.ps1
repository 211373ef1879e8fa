function Get-VMBackup {
    <#
    .SYNOPSIS
        Gets the restore points of a repository.
    .DESCRIPTION
        Lists restore points, oldest first: all of a repository, those of some virtual machines, or one by its id. Where a clock
        was wrong, Sequence shows which is newer; beyond a thousand restore points, sort by it. One that is requested by its id also
        contains its disks, its configuration files and the virtual machine as it was.
    .PARAMETER Name
        Names of virtual machines, with wildcards if you like, or their ids. An exact name without any restore point is an error,
        a pattern that matches none is not.
    .PARAMETER Id
        Ids of restore points, or beginnings of them that no other restore point has.
    .PARAMETER Repository
        Location of the repository, or a repository object as New-VMBackupRepository gives it.
    .PARAMETER Passphrase
        Passphrase of the repository, when it is encrypted. When left out: that of the repository object, or of the file that
        the environment variable HVBACKUP_PASSPHRASE_FILE names.
    .EXAMPLE
        Get-VMBackup -Repository D:\Backups

        Lists every restore point.
    .EXAMPLE
        Get-VMBackup web* -Repository D:\Backups | Where-Object CreatedAt -lt (Get-Date).AddDays(-30)

        Lists restore points of some virtual machines that are older than 30 days.
    .EXAMPLE
        Get-VMBackup -Id 01JD9QK4T4W6 -Repository D:\Backups | Format-List

        Shows all there is to know about one restore point.
    .OUTPUTS
        HyperVBackup.RestorePoint: Id, VMName, VMId, CreatedAt (UTC), Kind, Mode, Consistency, Size, NewBytes, Held, Sequence,
        Repository.
    .LINK
        about_HyperVBackup
    #>
    [CmdletBinding(DefaultParameterSetName = 'Name')]
    [OutputType('HyperVBackup.RestorePoint')]
    param(
        [Parameter(Position = 0, ParameterSetName = 'Name', ValueFromPipeline, ValueFromPipelineByPropertyName)]
        [Alias('VMName')]
        [SupportsWildcards()]
        [ValidateNotNullOrEmpty()]
        [string[]] $Name,

        [Parameter(Mandatory, ParameterSetName = 'Id')]
        [Alias('RestorePointId')]
        [ValidateNotNullOrEmpty()]
        [string[]] $Id,

        [Parameter(Mandatory, ValueFromPipelineByPropertyName)]
        [ValidateNotNullOrEmpty()]
        [object] $Repository,

        [Parameter(ValueFromPipelineByPropertyName)]
        [securestring] $Passphrase
    )

    process {
        try {
            $location = Resolve-Repository -Repository $Repository
            $secret = Resolve-Passphrase -Passphrase $Passphrase -Repository $Repository
            $carried = @{ Passphrase = $Passphrase; Repository = $Repository }
            $ids = if ($Id) { $Id } else { @() }
            $patterns = if ($Id) { @() } elseif ($Name) { $Name } else { , '*' }
            foreach ($point in $ids) {
                $call = @{ Method = 'point/show'; Parameters = @{ repository = $location; passphrase = $secret; point = $point }; TargetObject = $point }
                $found = Invoke-Backend @call -Cmdlet $PSCmdlet
                if ($found) { ConvertTo-RestorePoint -Point $found.point -Repository $location | Add-Passphrase @carried }
            }
            foreach ($pattern in $patterns) {
                # A name with brackets may be given escaped, and each name as it is.
                $wildcard = [System.Management.Automation.WildcardPattern]::ContainsWildcardCharacters($pattern) -or $pattern.Contains('`')
                $parameters = @{ repository = $location; passphrase = $secret; vm = if ($wildcard) { $null } else { $pattern }; cursor = $null }
                do {
                    $page = Invoke-Backend -Method 'point/list' -Parameters $parameters -TargetObject $location -Cmdlet $PSCmdlet
                    if (-not $page) { break }
                    foreach ($point in $page.points) {
                        if ($wildcard -and $point.vmName -notlike $pattern -and $point.vmName -ne $pattern) { continue }
                        ConvertTo-RestorePoint -Point $point -Repository $location | Add-Passphrase @carried
                    }
                    $parameters.cursor = Get-Field -InputObject $page -Name 'nextCursor'
                } while ($parameters.cursor)
            }
        } catch {
            $PSCmdlet.ThrowTerminatingError($_)
        }
    }
}
