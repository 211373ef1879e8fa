function Add-Passphrase {
    <#
    .SYNOPSIS
        Lets an object carry the passphrase that was given for its repository, so that the next command of a pipeline has it.
    #>
    [CmdletBinding()]
    [OutputType([psobject])]
    param(
        [Parameter(Mandatory, ValueFromPipeline)]
        [psobject] $InputObject,

        # As given to the command; nothing is added when there is none.
        [AllowNull()]
        [securestring] $Passphrase,

        # As given to the command; an object may carry its passphrase.
        [AllowNull()]
        [object] $Repository
    )

    process {
        $secret = $Passphrase
        if (-not $secret -and $Repository -isnot [string]) { $secret = Get-Field -InputObject $Repository -Name 'Passphrase' }
        if ($secret -is [securestring]) { $InputObject | Add-Member -NotePropertyName 'Passphrase' -NotePropertyValue $secret -Force }
        return $InputObject
    }
}
