# The module as others see it: manifest, commands, parameters, help, style.

BeforeDiscovery {
    Import-Module -Name (Join-Path -Path $PSScriptRoot -ChildPath '../../HyperVBackup.psd1') -Force
    $commands = foreach ($command in Get-Command -Module 'HyperVBackup') { @{ Name = $command.Name } }
    $common = [System.Management.Automation.PSCmdlet]::CommonParameters + [System.Management.Automation.PSCmdlet]::OptionalCommonParameters
    $parameters = foreach ($command in Get-Command -Module 'HyperVBackup') {
        foreach ($name in $command.Parameters.Keys | Where-Object -FilterScript { $_ -notin $common }) { @{ Command = $command.Name; Name = $name } }
    }
    $analyzer = [bool](Get-Module -Name 'PSScriptAnalyzer' -ListAvailable)
    $root = Split-Path -Path (Split-Path -Path $PSScriptRoot -Parent) -Parent
    $sources = foreach ($folder in 'module', 'test/module', 'en-US') {
        Get-ChildItem -LiteralPath (Join-Path -Path $root -ChildPath $folder) -Recurse -File -Include '*.ps1', '*.psm1', '*.psd1', '*.ps1xml', '*.txt'
    }
    $files = foreach ($file in @($sources) + @(Get-ChildItem -Path (Join-Path -Path $root -ChildPath 'HyperVBackup.ps*1'))) {
        @{ Name = $file.Name; Path = $file.FullName }
    }
}

BeforeAll {
    $root = Split-Path -Path (Split-Path -Path $PSScriptRoot -Parent) -Parent
    $manifest = Join-Path -Path $root -ChildPath 'HyperVBackup.psd1'
    Import-Module -Name $manifest -Force
}

Describe 'Manifest' {
    It 'is valid, for Windows PowerShell 5.1 and PowerShell 7' {
        $data = Test-ModuleManifest -Path $manifest
        $data.PowerShellVersion | Should -Be '5.1'
        $data.CompatiblePSEditions | Should -Be @('Desktop', 'Core')
    }

    It 'exports what module/Public holds, named one by one' {
        $public = Get-ChildItem -Path (Join-Path -Path $root -ChildPath 'module/Public/*.ps1') | ForEach-Object -Process { $_.BaseName }
        $data = Import-PowerShellDataFile -Path $manifest
        $data.FunctionsToExport | Sort-Object | Should -Be ($public | Sort-Object)
        (Get-Module -Name 'HyperVBackup').ExportedFunctions.Keys | Sort-Object | Should -Be ($public | Sort-Object)
    }

    It 'has one function a file, named as the file' {
        foreach ($file in Get-ChildItem -Path (Join-Path -Path $root -ChildPath 'module/P*/*.ps1')) {
            $tree = [System.Management.Automation.Language.Parser]::ParseFile($file.FullName, [ref]$null, [ref]$null)
            $names = @($tree.EndBlock.Statements | ForEach-Object -Process { $_.Name })
            $names | Should -Be @($file.BaseName)
        }
    }
}

Describe 'Parameters' {
    It '<Name> has the parameters it is documented to have' -ForEach @(
        @{ Name = 'New-VMBackupRepository'; Expected = 'Path BlockSize Passphrase' }
        @{ Name = 'Backup-VMRct'; Expected = 'Name VM Id Repository VMHost Credential Mode Kind Consistency AllowCrashConsistent GuestBackup ExcludeDisk Compression ReadMethod ExportFolder Hold LimitRate ThrottleLimit AsJob Passphrase' }
        @{ Name = 'Get-VMBackup'; Expected = 'Name Id Repository Passphrase' }
        @{ Name = 'Test-VMBackup'; Expected = 'Id Repository Sample Passphrase' }
        @{ Name = 'Restore-VMBackup'; Expected = 'Id Repository VMHost Credential Name GenerateNewId Replace Kind SwitchName SwitchMap DiskNumber Path SkipUnreadable Force Passphrase' }
        @{ Name = 'Export-VMBackupData'; Expected = 'Id Repository Path Format Subformat Azure DiskNumber Base SkipUnreadable Passphrase' }
        @{ Name = 'Test-VMBackupPrerequisite'; Expected = 'Name VM VMHost Credential ReadMethod ExportFolder' }
        @{ Name = 'Start-VMBackupTrace'; Expected = 'Path Anonymize' }
        @{ Name = 'Stop-VMBackupTrace'; Expected = '' }
        @{ Name = 'Repair-VMBackupRepository'; Expected = 'Repository From FromPassphrase Passphrase' }
        @{ Name = 'Approve-VMBackupRemoval'; Expected = 'Repository Passphrase Force' }
        @{ Name = 'Get-VMBackupRepositoryKey'; Expected = 'Repository Passphrase' }
        @{ Name = 'Add-VMBackupRepositoryKey'; Expected = 'Repository NewPassphrase Label Passphrase' }
        @{ Name = 'Remove-VMBackupRepositoryKey'; Expected = 'Id Repository Passphrase Force' }
        @{ Name = 'Get-VMBackupSession'; Expected = 'Repository Passphrase' }
        @{ Name = 'Stop-VMBackupSession'; Expected = 'Id Repository Passphrase Force' }
        @{ Name = 'Remove-VMBackup'; Expected = 'Id Repository OverrideDoubt Force Passphrase' }
        @{ Name = 'Invoke-VMBackupRetention'; Expected = 'Repository Name KeepLast KeepHourly KeepDaily KeepWeekly KeepMonthly KeepYearly OverrideDoubt Force Passphrase' }
        @{ Name = 'Set-VMBackupHold'; Expected = 'Id Repository Release Passphrase' }
        @{ Name = 'Copy-VMBackup'; Expected = 'Repository Destination Id Name Compression LimitRate Passphrase DestinationPassphrase' }
        @{ Name = 'Get-VMBackupRepository'; Expected = 'Repository Passphrase' }
    ) {
        $common = [System.Management.Automation.PSCmdlet]::CommonParameters + [System.Management.Automation.PSCmdlet]::OptionalCommonParameters
        $actual = (Get-Command -Name $Name).Parameters.Keys | Where-Object -FilterScript { $_ -notin $common } | Sort-Object
        @($actual) | Should -Be @($Expected -split ' ' -ne '' | Sort-Object)
    }

    It '<_> supports -WhatIf and -Confirm' -ForEach 'New-VMBackupRepository', 'Backup-VMRct', 'Restore-VMBackup', 'Export-VMBackupData', 'Remove-VMBackup', 'Invoke-VMBackupRetention', 'Set-VMBackupHold', 'Copy-VMBackup', 'Repair-VMBackupRepository', 'Add-VMBackupRepositoryKey', 'Remove-VMBackupRepositoryKey', 'Approve-VMBackupRemoval', 'Stop-VMBackupSession' {
        (Get-Command -Name $_).Parameters.Keys | Should -Contain 'WhatIf'
    }

    It '<Command> -<Name> takes a value from the pipeline by <How>' -ForEach @(
        @{ Command = 'Backup-VMRct'; Name = 'Name'; How = 'ValueFromPipeline' }
        @{ Command = 'Backup-VMRct'; Name = 'VM'; How = 'ValueFromPipeline' }
        @{ Command = 'Get-VMBackup'; Name = 'Name'; How = 'ValueFromPipeline' }
        @{ Command = 'Test-VMBackup'; Name = 'Id'; How = 'ValueFromPipelineByPropertyName' }
        @{ Command = 'Test-VMBackupPrerequisite'; Name = 'VM'; How = 'ValueFromPipeline' }
        @{ Command = 'Restore-VMBackup'; Name = 'Repository'; How = 'ValueFromPipelineByPropertyName' }
        @{ Command = 'Export-VMBackupData'; Name = 'Id'; How = 'ValueFromPipelineByPropertyName' }
        @{ Command = 'Remove-VMBackup'; Name = 'Repository'; How = 'ValueFromPipelineByPropertyName' }
        @{ Command = 'Invoke-VMBackupRetention'; Name = 'Repository'; How = 'ValueFromPipeline' }
        @{ Command = 'Set-VMBackupHold'; Name = 'Id'; How = 'ValueFromPipelineByPropertyName' }
        @{ Command = 'Copy-VMBackup'; Name = 'Id'; How = 'ValueFromPipelineByPropertyName' }
        @{ Command = 'Get-VMBackupRepository'; Name = 'Repository'; How = 'ValueFromPipeline' }
        @{ Command = 'Approve-VMBackupRemoval'; Name = 'Repository'; How = 'ValueFromPipeline' }
    ) {
        $attributes = (Get-Command -Name $Command).Parameters[$Name].Attributes | Where-Object -FilterScript { $_ -is [System.Management.Automation.ParameterAttribute] }
        $attributes.$How | Should -Contain $true
    }
}

Describe 'Help' {
    It '<Name> has a synopsis, a description, two examples and outputs' -ForEach $commands {
        $help = Get-Help -Name $Name -Full
        $help.Synopsis | Should -Not -Match ([regex]::Escape($Name))
        $help.Synopsis | Should -Match '\.$'
        "$($help.description.Text)".Length | Should -BeGreaterThan 80
        @($help.examples.example).Count | Should -BeGreaterOrEqual 2
        foreach ($example in $help.examples.example) {
            "$($example.remarks.Text)".Trim() | Should -Not -BeNullOrEmpty
            # What the example calls exists, with these parameters.
            $errors = $null
            $null = [System.Management.Automation.Language.Parser]::ParseInput($example.code, [ref]$null, [ref]$errors)
            $errors | Should -BeNullOrEmpty
        }
        "$($help.returnValues.returnValue.type.name)" | Should -Not -BeNullOrEmpty
    }

    It '<Command> -<Name> has a text' -ForEach $parameters {
        $help = Get-Help -Name $Command -Parameter $Name
        "$($help.description.Text)".Trim().Length | Should -BeGreaterThan 10
    }

    It 'about_HyperVBackup names every command' {
        $text = Get-Content -LiteralPath (Join-Path -Path $root -ChildPath 'en-US/about_HyperVBackup.help.txt') -Raw
        foreach ($command in Get-Command -Module 'HyperVBackup') { $text | Should -Match $command.Name }
        "$(Get-Help -Name 'about_HyperVBackup')" | Should -Match 'restore point'
    }
}

Describe 'Style' {
    It '<Name> is ASCII: Windows PowerShell reads files without a byte order mark in the ANSI code page' -ForEach $files {
        [System.IO.File]::ReadAllText($Path) | Should -Not -Match '[^\x00-\x7F]'
    }

    It '<_> passes PSScriptAnalyzer, with syntax and commands of 5.1 and 7' -ForEach 'module', 'test/module', 'HyperVBackup.psm1', 'HyperVBackup.psd1' -Skip:(-not $analyzer) {
        $settings = Import-PowerShellDataFile -Path (Join-Path -Path $PSScriptRoot -ChildPath 'PSScriptAnalyzerSettings.psd1')
        $folder = (Get-Module -Name 'PSScriptAnalyzer' -ListAvailable | Sort-Object -Property 'Version' -Descending | Select-Object -First 1).ModuleBase
        $core = Get-ChildItem -Path (Join-Path -Path $folder -ChildPath 'compatibility_profiles/win-8_*_core.json') | ForEach-Object -Process { $_.BaseName }
        $core | Should -Not -BeNullOrEmpty
        $settings.Rules.PSUseCompatibleCommands.TargetProfiles += @($core)
        $found = Invoke-ScriptAnalyzer -Path (Join-Path -Path $root -ChildPath $_) -Recurse -Settings $settings
        # Pester's blocks share variables, which that rule cannot follow.
        $found | Where-Object -FilterScript { $_.ScriptName -notlike '*.Tests.ps1' -or $_.RuleName -ne 'PSUseDeclaredVarsMoreThanAssignments' } |
            ForEach-Object -Process { "$($_.ScriptName), line $($_.Line): $($_.RuleName): $($_.Message)" } | Should -BeNullOrEmpty
    }
}

Describe 'Constrained Language Mode' {
    It 'is said before anything fails' {
        $script = "`$ExecutionContext.SessionState.LanguageMode = 'ConstrainedLanguage'; try { Import-Module -Name '$manifest' } catch { 'said: ' + `$_ }"
        $said = & (Get-Process -Id $PID).Path -NoProfile -NonInteractive -Command $script
        "$said" | Should -Match 'said: HyperVBackup cannot work in ConstrainedLanguage mode.*signed scripts'
    }
}
