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
            # Windows Server 2016 and 2019 with Windows PowerShell 5.1, and PowerShell Core on it.
            TargetProfiles = @(
                'win-8_x64_10.0.14393.0_5.1.14393.2791_x64_4.0.30319.42000_framework'
                'win-8_x64_10.0.17763.0_5.1.17763.316_x64_4.0.30319.42000_framework'
                'win-8_x64_10.0.17763.0_6.1.2_x64_4.0.30319.42000_core'
            )
        }
        PSUseConsistentIndentation = @{ Enable = $true; IndentationSize = 4; Kind = 'space' }
        PSPlaceOpenBrace           = @{ Enable = $true; OnSameLine = $true }
        PSUseConsistentWhitespace  = @{ Enable = $true; IgnoreAssignmentOperatorInsideHashTable = $true }
    }
}
