<#
.SYNOPSIS
    Runs the module's tests with Pester 5, and says how many passed, failed and were skipped.
.PARAMETER ReportPath
    File for the same as JSON: passed, failed, skipped (names with the reason).
.PARAMETER Path
    Test files; all of this folder when left out.
#>
[CmdletBinding()]
param(
    [string] $ReportPath,

    [string[]] $Path = $PSScriptRoot
)

function Write-Report {
    param([int] $Passed, [int] $Failed, [string[]] $Skipped, [string] $ReportPath)

    "$Passed passed, $Failed failed, $($Skipped.Count) skipped"
    if ($ReportPath) {
        $json = ConvertTo-Json -InputObject @{ passed = $Passed; failed = $Failed; skipped = @($Skipped) }
        [System.IO.File]::WriteAllText($ReportPath, $json)
    }
}

$pester = Get-Module -Name 'Pester' -ListAvailable | Where-Object -FilterScript { $_.Version.Major -ge 5 } | Select-Object -First 1
if (-not $pester) {
    Write-Report -Passed 0 -Failed 0 -Skipped 'module tests: no Pester 5 installed' -ReportPath $ReportPath
    exit 0
}
Import-Module -ModuleInfo $pester

$configuration = New-PesterConfiguration
$configuration.Run.Path = $Path
$configuration.Run.PassThru = $true
$configuration.Output.Verbosity = 'Normal'
$configuration.Output.CIFormat = 'None'
$result = Invoke-Pester -Configuration $configuration

if (-not $result) {
    Write-Report -Passed 0 -Failed 1 -Skipped @() -ReportPath $ReportPath
    exit 1
}
$skipped = foreach ($test in $result.Skipped) {
    $reason = "$($test.ErrorRecord)"
    if ($reason) { "$($test.ExpandedPath): $reason" } else { $test.ExpandedPath }
}
# A file or block that does not load fails without failing a test.
$failed = $result.FailedCount + $result.FailedBlocksCount + $result.FailedContainersCount
Write-Report -Passed $result.PassedCount -Failed $failed -Skipped @($skipped) -ReportPath $ReportPath
exit [int]($failed -gt 0)
