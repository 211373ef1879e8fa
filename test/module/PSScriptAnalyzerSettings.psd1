@{
    Severity     = @('Error', 'Warning')
    ExcludeRules = @(
        # Output types are names of our own (PSTypeName), which the rule cannot follow.
        'PSUseOutputTypeCorrectly'
    )
    Rules        = @{
        PSUseCompatibleSyntax      = @{
            Enable         = $true
            TargetVersions = @('5.1', '7.0')
        }
        PSUseCompatibleCommands    = @{
            Enable         = $true
            # Windows PowerShell 5.1 of Windows Server 2016 and 2019. Which profile of PowerShell 7 there is goes by the release of
            # PSScriptAnalyzer, and one that is missing is an error: the test adds what is installed.
            TargetProfiles = @(
                'win-8_x64_10.0.14393.0_5.1.14393.2791_x64_4.0.30319.42000_framework'
                'win-8_x64_10.0.17763.0_5.1.17763.316_x64_4.0.30319.42000_framework'
            )
        }
        PSUseConsistentIndentation = @{ Enable = $true; IndentationSize = 4; Kind = 'space' }
        PSPlaceOpenBrace           = @{ Enable = $true; OnSameLine = $true }
        PSUseConsistentWhitespace  = @{ Enable = $true; IgnoreAssignmentOperatorInsideHashTable = $true }
    }
}
