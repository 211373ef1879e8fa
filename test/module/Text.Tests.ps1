# What a person reads of the module: in the words of PowerShell, harmless to a console, the same in every culture.

BeforeDiscovery {
    $script:cultures = 'th-TH', 'ar-SA', 'fa-IR', 'de-DE', 'tr-TR'
}

BeforeAll {
    Import-Module -Name (Join-Path -Path $PSScriptRoot -ChildPath 'TestSupport.psm1') -Force
    $root = Get-ProjectRoot
    Import-Module -Name (Join-Path -Path $root -ChildPath 'HyperVBackup.psd1') -Force
    $fake = Join-Path -Path $TestDrive -ChildPath 'fake'
    $null = New-Item -ItemType Directory -Path $fake
    $repository = Join-Path -Path $TestDrive -ChildPath 'repo'

    function Show-Error {
        param([string] $Code, [string] $Message, [string] $Advice)

        $problem = @{ code = $Code; message = $Message; advice = $Advice }
        Use-FakeBackend -Folder $fake -Script @{ 'point/show' = @(@{ error = $problem }) }
        $null = Get-VMBackup -Id '01JD' -Repository $repository -ErrorAction SilentlyContinue -ErrorVariable failed
        return $failed[0]
    }
}

AfterAll { Clear-FakeBackend }

Describe 'Tables' {
    AfterEach { [System.Threading.Thread]::CurrentThread.CurrentCulture = $before }
    BeforeEach { $before = [System.Threading.Thread]::CurrentThread.CurrentCulture }

    It 'have dates of the Gregorian calendar and plain digits in <_>' -ForEach $cultures {
        $objects = @(
            [pscustomobject]@{ PSTypeName = 'HyperVBackup.RestorePoint'; VMName = 'web01'; CreatedAt = [datetime]::new(2026, 11, 21, 12, 2, 3, [System.DateTimeKind]::Local); Kind = 'VM'; Mode = 'Full'; Consistency = 'Crash'; Size = 1536MB; NewBytes = 10; Held = $false; Id = '01JD9QK4T4W6E8R3M5N7P9S1T2' }
            [pscustomobject]@{ PSTypeName = 'HyperVBackup.RetentionDecision'; VMName = 'web01'; CreatedAt = [datetime]::new(2026, 11, 21, 12, 2, 3, [System.DateTimeKind]::Local); Action = 'Keep'; Reasons = @('last'); Id = '01JD'; RestorePointId = '01JD' }
            [pscustomobject]@{ PSTypeName = 'HyperVBackup.RepositoryKey'; Id = 'abcd'; CreatedAt = [datetime]::new(2026, 11, 21, 12, 2, 3, [System.DateTimeKind]::Local); Current = $true; Label = 'safe'; Problem = $null }
        )
        [System.Threading.Thread]::CurrentThread.CurrentCulture = [System.Globalization.CultureInfo]::new($_)
        foreach ($object in $objects) { ($object | Format-Table | Out-String -Width 300) | Should -Match '2026-11-21 12:02:03' }
        ($objects[0] | Format-Table | Out-String -Width 300) | Should -Match '1\.5 GiB'
    }

    It 'have no date, and no size, but in the invariant culture' {
        foreach ($line in Get-Content -LiteralPath (Join-Path -Path $root -ChildPath 'module/Formats/HyperVBackup.Format.ps1xml')) {
            if ($line -match "ToString\('(yyyy|0)") { $line | Should -Match 'InvariantCulture\)' }
        }
    }

    It 'keep the days of a duration' {
        foreach ($case in @{ Time = '2.03:04:05'; Shown = '2.03:04:05' }, @{ Time = '0.03:04:05'; Shown = '03:04:05' }, @{ Time = '0.00:04:05'; Shown = '04:05' }, @{ Time = '0.00:00:04.5'; Shown = '4.5 s' }) {
            $result = [pscustomobject]@{ PSTypeName = 'HyperVBackup.BackupResult'; VMName = 'a'; Mode = 'Full'; Consistency = 'Crash'; ReadBytes = 1; NewBytes = 1; Duration = [timespan]$case.Time; RestorePointId = '01JD' }
            ($result | Format-Table | Out-String -Width 300) | Should -Match "\s$([regex]::Escape($case.Shown))\s"
        }
    }

    It 'show hostile names as text, and the object keeps the name' {
        $name = "web$([char]27)[2J$([char]0x202E)x$([char]0x9B)31m"
        $point = [pscustomobject]@{ PSTypeName = 'HyperVBackup.RestorePoint'; VMName = $name; CreatedAt = [datetime]::UtcNow; Kind = 'VM'; Mode = 'Full'; Consistency = 'Crash'; Size = 1; NewBytes = 1; Held = $false; Id = '01JD' }
        $shown = $point | Format-Table | Out-String -Width 300
        # PowerShell's own colours are escapes too: these are those of the name.
        $shown | Should -Not -Match "\[2J(?<=$([char]27)\[2J)|$([char]0x202E)|$([char]0x9B)"
        $shown | Should -Match "web$([char]0xFFFD)\[2J"
        $point.VMName | Should -BeExactly $name
    }
}

Describe 'Sentences of the backend' {
    It 'speak of cmdlets: <Text>' -ForEach @(
        @{ Text = 'Run "hvbackup check" and "hvbackup verify" to see.'; Expected = 'Run Test-VMBackup to see.' }
        @{ Text = 'Release it first: hvbackup hold --repository "/srv/my backups" --point 01JD9Q --release'; Expected = 'Release it first: Set-VMBackupHold -Id 01JD9Q -Release' }
        @{ Text = 'See all of its damage with "hvbackup verify --point 01JD"; use another restore point, or restore what can be read with --skip-unreadable.'; Expected = 'See all of its damage with Test-VMBackup -Id 01JD; use another restore point, or restore what can be read with -SkipUnreadable.' }
        @{ Text = 'Give its passphrase with --passphrase-file (-Passphrase in PowerShell).'; Expected = 'Give its passphrase with -Passphrase.' }
        @{ Text = 'Name a folder (--export-folder, -ExportFolder).'; Expected = 'Name a folder (-ExportFolder).' }
        @{ Text = 'Restore the data only (--kind data): it is defined anew.'; Expected = 'Restore the data only (-Kind Data): it is defined anew.' }
        @{ Text = 'Run "hvbackup repository key list" to see the keys.'; Expected = 'Run Get-VMBackupRepositoryKey to see the keys.' }
        @{ Text = 'If you know why, run "hvbackup repository accept-removed".'; Expected = 'If you know why, run Approve-VMBackupRemoval.' }
        @{ Text = 'Create one with "hvbackup repository create".'; Expected = 'Create one with New-VMBackupRepository.' }
        @{ Text = 'point/restore: this version does not support "path".'; Expected = 'this version does not support -Path.' }
        @{ Text = 'Restore it elsewhere.'; Expected = 'Restore it elsewhere.' }
    ) {
        $record = Show-Error -Code 'POINT_HELD' -Message $Text -Advice $Text
        $record.Exception.Message | Should -BeExactly $Expected
        $record.ErrorDetails.RecommendedAction | Should -BeExactly $Expected
    }

    It 'never name a command or an option of the command line, wherever the backend writes one' {
        $sources = Get-ChildItem -Path (Join-Path -Path $root -ChildPath 'backend/src') -Recurse -Filter '*.ts' | Where-Object -FilterScript { $_.FullName -notmatch '[\\/](cli|protocol)[\\/]' }
        $found = 0
        foreach ($source in $sources) {
            foreach ($line in [System.IO.File]::ReadAllLines($source.FullName)) {
                if ($line -match '^\s*(//|/?\*)' -or $line -notmatch '[''`]([^''`]*(hvbackup [a-z]|--[a-z])[^''`]*)[''`]') { continue }
                $found++
                $text = InModuleScope -ModuleName 'HyperVBackup' -Parameters @{ Sentence = $Matches[1] } -ScriptBlock { param($Sentence) ConvertTo-CmdletText -Text $Sentence }
                $text | Should -Not -MatchExactly 'hvbackup [a-z]|--[a-z]' -Because "$($source.Name): $line"
            }
        }
        $found | Should -BeGreaterThan 20
    }

    It 'name refused parameters as they are called here' {
        $record = Show-Error -Code 'PROTOCOL_INVALID' -Message 'repository/verify: sample must be at most 100; keepLast must be a number' -Advice 'docs/protocol.md'
        $record.Exception.Message | Should -BeExactly '-Sample must be at most 100; -KeepLast must be a number'
        $record.ErrorDetails.RecommendedAction | Should -Not -Match 'protocol'
    }

    It 'cannot move the cursor, in errors and warnings' {
        $hostile = "VM $([char]27)[2J$([char]0x202E)x`r`nforged"
        $record = Show-Error -Code 'VM_NOT_FOUND' -Message $hostile -Advice $hostile
        $record.Exception.Message | Should -BeExactly "VM $([char]0xFFFD)[2J$([char]0xFFFD)x$([char]0xFFFD)$([char]0xFFFD)forged"
        $record.ErrorDetails.RecommendedAction | Should -BeExactly $record.Exception.Message
        $page = @{ points = @(); warnings = @($hostile) }
        Use-FakeBackend -Folder $fake -Script @{ 'point/list' = @(@{ warning = $hostile }, @{ result = $page }) }
        $null = Get-VMBackup -Repository $repository -WarningAction SilentlyContinue -WarningVariable warned
        $warned.Count | Should -Be 2
        foreach ($warning in $warned) { $warning.Message | Should -BeExactly $record.Exception.Message }
    }
}

Describe 'Names without restore points' {
    It 'are an error for an exact name, and the other names are looked for; silence for a pattern' {
        $missing = @{ code = 'VM_NOT_FOUND'; message = 'There is none.'; advice = 'Did you mean "web01"?' }
        $page = @{ points = @(Get-CannedPoint); warnings = @() }
        Use-FakeBackend -Folder $fake -Script @{ 'point/list' = @(@(@{ error = $missing }), @(@{ result = $page })) }
        $points = @(Get-VMBackup -Name 'wbe01', 'web01' -Repository $repository -ErrorAction SilentlyContinue -ErrorVariable failed)
        $points.VMName | Should -Be 'web01'
        $failed[0].FullyQualifiedErrorId | Should -Match '^VM_NOT_FOUND'
        $failed[0].ErrorDetails.RecommendedAction | Should -Be 'Did you mean "web01"?'
        Use-FakeBackend -Folder $fake -Script @{ 'point/list' = @(@{ result = $page }) }
        Get-VMBackup -Name 'nosuch*' -Repository $repository -ErrorVariable none | Should -BeNullOrEmpty
        $none | Should -BeNullOrEmpty
    }
}

Describe 'Help' {
    It 'of <_> denies nothing that exists' -ForEach (Get-ChildItem -Path (Join-Path -Path $PSScriptRoot -ChildPath '../../module/Public/*.ps1')).BaseName {
        $text = [System.IO.File]::ReadAllText((Join-Path -Path $root -ChildPath "module/Public/$_.ps1"))
        # Restore-VMBackup -Path is the one parameter that the backend refuses (PLANNED in planned.ts).
        if ($_ -ne 'Restore-VMBackup') { $text | Should -Not -Match '[Tt]his version' }
    }
}
