# What each command asks the backend for, and what it makes of the answer. On a fake backend.

BeforeAll {
    Import-Module -Name (Join-Path -Path $PSScriptRoot -ChildPath '../../HyperVBackup.psd1') -Force
    Import-Module -Name (Join-Path -Path $PSScriptRoot -ChildPath 'TestSupport.psm1') -Force
    $repository = Join-Path -Path $TestDrive -ChildPath 'repository'
    $fake = (New-Item -Path (Join-Path -Path $TestDrive -ChildPath 'fake') -ItemType Directory -Force).FullName
    $lab = 'sim:' + (Join-Path -Path $TestDrive -ChildPath 'lab')
    $vmId = '11111111-2222-3333-4444-555555555555'
    $pointId = '01JD9QK4T4W6E8R3M5N7P9S1T2'
    $env:HVBACKUP_HOST = $lab
}

AfterAll {
    Clear-FakeBackend
    Remove-Item -Path 'env:HVBACKUP_HOST' -ErrorAction SilentlyContinue
}

Describe 'Backup-VMRct' {
    AfterEach { Assert-Contract }

    BeforeEach {
        Use-FakeBackend -Folder $fake -Script @{ 'vm/backup' = @(@{ result = (Get-CannedBackup) }) }
    }

    It 'leaves to the backend what is left out' {
        $result = Backup-VMRct web01 -Repository $repository
        $sent = (Get-Received).params
        @($sent.PSObject.Properties.Name | Sort-Object) | Should -Be @('allowCrashConsistent', 'host', 'repository', 'vm')
        $sent.vm | Should -Be 'web01'
        $sent.host | Should -Be $lab
        $sent.repository | Should -Be $repository
        $result.PSObject.TypeNames[0] | Should -Be 'HyperVBackup.BackupResult'
        $result.RestorePointId | Should -Be $pointId
        $result.VMId | Should -BeOfType [guid]
        $result.Mode | Should -BeExactly 'Full'
        $result.Kind | Should -BeExactly 'VM'
        $result.ReadBytes | Should -Be 10737418240
        $result.NewBytes | Should -Be 5000000000
        $result.Duration | Should -Be ([timespan]'00:01:01.5')
        $result.Disks[0].Reason | Should -Be 'There is no earlier restore point.'
        $result.Repository | Should -Be $repository
        Assert-StorageRetry -Result $result
    }

    It 'passes every option on' {
        $options = @{
            Mode = 'Incremental'; Kind = 'Data'; Consistency = 'Crash'; AllowCrashConsistent = $true; GuestBackup = 'Copy'; ExcludeDisk = 1
            Compression = 'Strong'; VMHost = 'hyperv:server'; ReadMethod = 'Export'; ExportFolder = '\\files\Staging [1]'
        }
        $null = Backup-VMRct -Name 'web01' -Repository $repository @options
        $sent = (Get-Received).params
        $sent.host | Should -Be 'hyperv:server'
        $sent.mode | Should -BeExactly 'incremental'
        $sent.kind | Should -BeExactly 'data'
        $sent.consistency | Should -BeExactly 'crash'
        $sent.allowCrashConsistent | Should -BeTrue
        $sent.guestBackup | Should -BeExactly 'copy'
        , $sent.excludeDisks | Should -BeOfType [array]
        $sent.excludeDisks | Should -Be @(1)
        $sent.compression | Should -BeExactly 'strong'
        $sent.readMethod | Should -BeExactly 'export'
        $sent.exportFolder | Should -BeExactly '\\files\Staging [1]'
    }

    It 'takes names, VM objects and ids; of an object the id and the computer' {
        $vm = [pscustomobject]@{ Name = 'obj'; Id = [guid]$vmId; ComputerName = 'OTHER' }
        $env:HVBACKUP_HOST = ''
        try {
            $null = 'a', 'b' | Backup-VMRct -Repository $repository -VMHost $lab
            $null = $vm | Backup-VMRct -Repository $repository
            $null = Backup-VMRct -VM $vm -Repository $repository -VMHost $lab
            $null = Backup-VMRct -Id $vmId -Repository $repository
            $null = [pscustomobject]@{ VMName = 'named' } | Backup-VMRct -Repository $repository
        } finally {
            $env:HVBACKUP_HOST = $lab
        }
        $sent = @(Get-Received)
        $sent.params.vm | Should -Be @('a', 'b', $vmId, $vmId, $vmId, 'named')
        $sent.params.host | Should -Be @($lab, $lab, 'hyperv:OTHER', $lab, 'hyperv:', 'hyperv:')
    }

    It 'refuses an object that is no VM' {
        $null = [pscustomobject]@{ Colour = 'red' } | Backup-VMRct -Repository $repository -ErrorVariable problems -ErrorAction SilentlyContinue
        $problems[0].FullyQualifiedErrorId | Should -Be 'USAGE,Backup-VMRct'
    }

    It 'takes a repository as a path, a folder or an object' {
        $null = New-Item -Path (Join-Path -Path $TestDrive -ChildPath 'relative') -ItemType Directory -Force
        Push-Location -LiteralPath $TestDrive
        try {
            $null = Backup-VMRct -Name 'a' -Repository 'relative'
            $null = Backup-VMRct -Name 'a' -Repository (Get-Item -LiteralPath 'relative')
            $null = Backup-VMRct -Name 'a' -Repository ([pscustomobject]@{ Location = (Join-Path -Path $TestDrive -ChildPath 'relative') })
            $null = Backup-VMRct -Name 'a' -Repository 'TestDrive:\relative' -VMHost 'sim:relative'
        } finally {
            Pop-Location
        }
        $expected = Join-Path -Path (Get-Item -LiteralPath $TestDrive).FullName -ChildPath 'relative'
        foreach ($request in Get-Received) { $request.params.repository | Should -Be $expected }
        @(Get-Received)[-1].params.host | Should -Be "sim:$expected"
    }

    It 'leaves a location with a scheme as it is' {
        $null = Backup-VMRct -Name 'a' -Repository 's3://Bucket/Folder'
        (Get-Received).params.repository | Should -Be 's3://Bucket/Folder'
    }

    It 'does nothing with -WhatIf' {
        Backup-VMRct -Name 'a' -Repository $repository -WhatIf | Should -BeNullOrEmpty
        Get-Received | Should -BeNullOrEmpty
    }

    It 'gives results one by one' {
        $script = @{ 'vm/backup' = @(@{ result = (Get-CannedBackup) }) }
        Use-FakeBackend -Folder $fake -Script $script
        $counts = 'a', 'b', 'c' | Backup-VMRct -Repository $repository | ForEach-Object -Process { @(Get-Received).Count }
        $counts | Should -Be @(1, 2, 3)
    }

    It 'runs as a job' {
        $job = 'a', 'b' | Backup-VMRct -Repository $repository -Mode Full -AsJob
        $job | Should -BeOfType [System.Management.Automation.Job]
        $null = Wait-Job -Job $job -Timeout 120
        $results = @(Receive-Job -Job $job)
        Remove-Job -Job $job -Force
        $results.Count | Should -Be 2
        $results[0].PSObject.TypeNames | Should -Contain 'Deserialized.HyperVBackup.BackupResult'
        ($results | Format-Table | Out-String) | Should -Match 'web01 +Full +Application'
        (Get-Received).params.vm | Should -Be @('a', 'b')
        @(Get-Received)[0].params.mode | Should -Be 'full'
    }

    It 'passes errors on through a job, and cancels when it is stopped' {
        Use-FakeBackend -Folder $fake -Script @{ 'vm/backup' = @(@(@{ error = @{ code = 'VM_NOT_FOUND'; message = 'No.' } }), @(, @{ hang = $true })) }
        $job = Backup-VMRct -Name 'a' -Repository $repository -AsJob | Wait-Job -Timeout 120
        $null = Receive-Job -Job $job -ErrorVariable problems -ErrorAction SilentlyContinue
        Remove-Job -Job $job -Force
        $problems[0].FullyQualifiedErrorId | Should -Be 'VM_NOT_FOUND,Backup-VMRct'
        Use-FakeBackend -Folder $fake -Script @{ 'vm/backup' = @(@{ hang = $true }) }
        $job = Backup-VMRct -Name 'a' -Repository $repository -AsJob
        for ($i = 0; $i -lt 400 -and -not (Get-Received); $i++) { Start-Sleep -Milliseconds 50 }
        Stop-Job -Job $job
        Remove-Job -Job $job -Force
        $ended = Join-Path -Path $fake -ChildPath 'ended.txt'
        for ($i = 0; $i -lt 200 -and -not (Test-Path -LiteralPath $ended); $i++) { Start-Sleep -Milliseconds 50 }
        $ended | Should -Exist
    }
}

Describe 'New-VMBackupRepository' {
    AfterEach { Assert-Contract }

    BeforeEach {
        $info = @{ id = 'r1'; location = $repository; blockSize = 262144; formatVersion = 2; encrypted = $true; createdAt = '2026-11-21T01:02:03Z' }
        Use-FakeBackend -Folder $fake -Script @{ 'repository/create' = @(@{ result = @{ repository = $info } }) }
    }

    It 'creates one, and what it gives is a repository to the other commands' {
        $made = New-VMBackupRepository -Path $repository -BlockSize 256KB
        (Get-Received).params.blockSize | Should -Be 262144
        $made.PSObject.TypeNames[0] | Should -Be 'HyperVBackup.Repository'
        $made.CreatedAt | Should -BeOfType [datetime]
        Use-FakeBackend -Folder $fake -Script @{ 'point/list' = @(@{ result = @{ points = @() } }) }
        Get-VMBackup -Repository $made | Should -BeNullOrEmpty
        (Get-Received).params.repository | Should -Be $repository
    }

    It 'does nothing with -WhatIf' {
        New-VMBackupRepository -Path $repository -WhatIf | Should -BeNullOrEmpty
        Get-Received | Should -BeNullOrEmpty
    }

    It 'hands a passphrase to the backend, and on to other commands, and to nothing else' {
        $secret = ConvertTo-Secret -Text 'sesame'
        $made = New-VMBackupRepository -Path $repository -Passphrase $secret
        (Get-Received).params.passphrase | Should -BeExactly 'sesame'
        $made.Passphrase | Should -BeOfType [securestring]
        ($made | Format-List | Out-String) + (ConvertTo-Json -InputObject $made) | Should -Not -Match 'sesame'
        $points = @((Get-CannedPoint -Id 'P1'))
        $verified = @{ ok = $true; points = @('P1'); verifiedBytes = 1; readBytes = 1; damages = @(); losses = @(); durationMs = 1; moreDamages = 0; moreLosses = 0 }
        Use-FakeBackend -Folder $fake -Script @{
            'point/list'        = @(@{ result = @{ points = $points; warnings = @('1 restore point is gone.') } })
            'repository/verify' = @(@{ result = $verified })
            'vm/backup'         = @(@{ result = (Get-CannedBackup) })
        }
        $null = Get-VMBackup -Repository $made -WarningVariable warnings -WarningAction SilentlyContinue | Test-VMBackup
        $null = Backup-VMRct -Name 'a' -Repository $repository -Passphrase $secret | Test-VMBackup
        @(Get-Received).params.passphrase | Should -Be @('sesame', 'sesame', 'sesame', 'sesame')
        $warnings | Should -Be @('1 restore point is gone.')
        $null = Get-VMBackup -Repository $repository -WarningAction SilentlyContinue
        @(Get-Received)[-1].params.PSObject.Properties.Name | Should -Not -Contain 'passphrase'
    }

    It 'hands a passphrase to a job' {
        Use-FakeBackend -Folder $fake -Script @{ 'vm/backup' = @(@{ result = (Get-CannedBackup) }) }
        $job = Backup-VMRct -Name 'a' -Repository $repository -Passphrase (ConvertTo-Secret -Text 'sesame') -AsJob
        $null = Wait-Job -Job $job -Timeout 120
        $null = Receive-Job -Job $job
        Remove-Job -Job $job -Force
        (Get-Received).params.passphrase | Should -BeExactly 'sesame'
    }

    It 'reads the file that HVBACKUP_PASSPHRASE_FILE names, and refuses one that is empty or no text' {
        $file = Join-Path -Path $TestDrive -ChildPath 'passphrase.txt'
        $env:HVBACKUP_PASSPHRASE_FILE = $file
        try {
            foreach ($text in "open`r`n", 'open', "$([char]0xFEFF)open`n") {
                [System.IO.File]::WriteAllText($file, $text)
                $null = New-VMBackupRepository -Path $repository
                @(Get-Received)[-1].params.passphrase | Should -BeExactly 'open'
            }
            foreach ($bytes in @(, [byte[]]@()), @(, [byte[]]@(10)), @(, [byte[]]@(0xFF, 0xFE, 0x61, 0))) {
                [System.IO.File]::WriteAllBytes($file, [byte[]]$bytes[0])
                { New-VMBackupRepository -Path $repository } | Should -Throw -ErrorId 'USAGE,New-VMBackupRepository'
            }
        } finally {
            Remove-Item -Path 'env:HVBACKUP_PASSPHRASE_FILE'
        }
    }
}

Describe 'Keys of a repository' {
    AfterEach { Assert-Contract }

    It 'are listed, added and removed' {
        $key = @{ id = 'ab' * 16; createdAt = '2026-11-21T01:02:03Z'; label = 'in the safe'; current = $false }
        $damaged = @{ id = 'cd' * 16; createdAt = $null; label = ''; current = $true; problem = 'It is damaged.' }
        Use-FakeBackend -Folder $fake -Script @{
            'key/list'   = @(@{ result = @{ keys = @($key, $damaged) } })
            'key/add'    = @(@{ result = @{ key = $key } })
            'key/remove' = @(@{ result = @{ id = $key.id } })
        }
        $old = ConvertTo-Secret -Text 'old'
        $keys = @(Get-VMBackupRepositoryKey -Repository $repository -Passphrase $old)
        $keys.Id | Should -Be @($key.id, $damaged.id)
        ($keys | Format-Table | Out-String) | Should -Match 'in the safe[\s\S]*It is damaged'
        $added = Add-VMBackupRepositoryKey -Repository $repository -Passphrase $old -NewPassphrase (ConvertTo-Secret -Text 'new') -Label 'in the safe'
        $added.Id | Should -Be $key.id
        @(Get-Received)[-1].params.newPassphrase | Should -BeExactly 'new'
        @(Get-Received)[-1].params.label | Should -BeExactly 'in the safe'
        $keys | Where-Object -Property 'Label' | Remove-VMBackupRepositoryKey -Force
        @(Get-Received)[-1].params.key | Should -Be $key.id
        @(Get-Received)[-1].params.passphrase | Should -BeExactly 'old'
    }

    It 'a passphrase that opens the repository already is refused' {
        $failure = @{ code = 'KEY_EXISTS'; message = 'The new passphrase opens it already.'; advice = 'Give another one. Nothing was added.' }
        Use-FakeBackend -Folder $fake -Script @{ 'key/add' = @(@{ error = $failure }) }
        $secret = ConvertTo-Secret -Text 'one'
        $null = Add-VMBackupRepositoryKey -Repository $repository -Passphrase $secret -NewPassphrase $secret -ErrorVariable problems -ErrorAction SilentlyContinue
        $problems[0].FullyQualifiedErrorId | Should -Be 'KEY_EXISTS,Add-VMBackupRepositoryKey'
        $problems[0].CategoryInfo.Category | Should -Be 'ResourceExists'
        $problems[0].ErrorDetails.RecommendedAction | Should -Be $failure.advice
    }

    It 'a wrong passphrase is an authentication error' {
        Use-FakeBackend -Folder $fake -Script @{ 'key/list' = @(@{ error = @{ code = 'WRONG_PASSPHRASE'; message = 'No.' } }) }
        $null = Get-VMBackupRepositoryKey -Repository $repository -ErrorVariable problems -ErrorAction SilentlyContinue
        $problems[0].FullyQualifiedErrorId | Should -Be 'WRONG_PASSPHRASE,Get-VMBackupRepositoryKey'
        $problems[0].CategoryInfo.Category | Should -Be 'AuthenticationError'
    }
}

Describe 'Sessions of a repository' {
    AfterEach { Assert-Contract }

    It 'are listed and ended' {
        $session = @{
            id = 'ab' * 16; kind = 'read'; owner = 'export of files'; machine = 'old'; process = 7; local = $false; state = 'active'
            createdAt = '2026-11-21T01:02:03Z'; expiresAt = $null; points = @('P1')
        }
        Use-FakeBackend -Folder $fake -Script @{
            'session/list' = @(@{ result = @{ sessions = @($session) } })
            'session/end'  = @(@{ result = @{ session = $session } })
        }
        $found = @(Get-VMBackupSession -Repository $repository)
        $found.MachineName | Should -Be 'old'
        $found.PointId | Should -Be 'P1'
        $found.ExpiresAt | Should -BeNullOrEmpty
        ($found | Format-Table | Out-String) | Should -Match 'read[\s\S]*export of files'
        $found | Stop-VMBackupSession -Force
        @(Get-Received)[-1].params.session | Should -Be $session.id
    }

    It 'of a process on this machine are refused' {
        Use-FakeBackend -Folder $fake -Script @{ 'session/end' = @(@{ error = @{ code = 'SESSION_IN_USE'; message = 'It runs.' } }) }
        Stop-VMBackupSession -Repository $repository -Id 'abab' -Force -ErrorVariable problems -ErrorAction SilentlyContinue
        $problems[0].FullyQualifiedErrorId | Should -Be 'SESSION_IN_USE,Stop-VMBackupSession'
    }
}

Describe 'Get-VMBackup' {
    AfterEach { Assert-Contract }

    It 'follows the pages, and gives restore points as they come' {
        $pages = @(
            , @(@{ result = @{ points = @(Get-CannedPoint -Id 'P1'); nextCursor = 'c1' } })
            , @(@{ result = @{ points = @(Get-CannedPoint -Id 'P2'); nextCursor = 'c2' } })
            , @(@{ result = @{ points = @(Get-CannedPoint -Id 'P3') } })
        )
        Use-FakeBackend -Folder $fake -Script @{ 'point/list' = $pages }
        $points = @(Get-VMBackup -Repository $repository)
        $points.Id | Should -Be @('P1', 'P2', 'P3')
        @(Get-Received).Count | Should -Be 3
        @(Get-Received)[2].params.cursor | Should -Be 'c2'
        $points[0].PSObject.TypeNames[0] | Should -Be 'HyperVBackup.RestorePoint'
        $points[0].CreatedAt.Kind | Should -Be 'Utc'
        $points[0].Size | Should -Be 136365211648
        $points[0].Held | Should -BeFalse
    }

    It 'finds a name with wildcard characters, as it is and escaped' {
        foreach ($name in '[a-z]*?', '`n`$env:PATH`', 'web[01]') {
            $points = @((Get-CannedPoint -Name $name), (Get-CannedPoint -Name 'else'))
            foreach ($given in [WildcardPattern]::Escape($name), $name) {
                Use-FakeBackend -Folder $fake -Script @{ 'point/list' = @(@{ result = @{ points = $points } }) }
                (Get-VMBackup -Name $given -Repository $repository).VMName | Should -Contain $name
            }
            Use-FakeBackend -Folder $fake -Script @{ 'point/list' = @(@{ result = @{ points = $points } }) }
            (Get-VMBackup -Name ([WildcardPattern]::Escape($name)) -Repository $repository).VMName | Should -BeExactly $name
        }
    }

    It 'finds by name, by wildcard, and from the pipeline' {
        $points = @((Get-CannedPoint -Name 'web01'), (Get-CannedPoint -Name 'web02'), (Get-CannedPoint -Name 'db'))
        Use-FakeBackend -Folder $fake -Script @{ 'point/list' = @(@{ result = @{ points = $points } }) }
        (Get-VMBackup -Name 'web*' -Repository $repository).VMName | Should -Be @('web01', 'web02')
        (Get-Received).params.PSObject.Properties.Name | Should -Not -Contain 'vm'
        $null = 'db' | Get-VMBackup -Repository $repository
        @(Get-Received)[-1].params.vm | Should -Be 'db'
    }

    It 'shows all there is about one' {
        $vm = @{ id = $vmId; name = 'web01' }
        $disk = Get-CannedDisk
        $disk.path = '/lab/web01.vhdx'
        $disk.stored = $true
        $point = Get-CannedPoint
        $point += @{ host = $lab; metadataBytes = 4096; disks = @($disk); configuration = @(@{ name = 'x.vmcx'; kind = 'vmcx'; size = 1 }); vm = $vm; warnings = @() }
        Use-FakeBackend -Folder $fake -Script @{ 'point/show' = @(@{ result = @{ point = $point } }) }
        $shown = Get-VMBackup -Id '01JD' -Repository $repository
        (Get-Received).params.point | Should -Be '01JD'
        $shown.Disks[0].Size | Should -Be 136365211648
        $shown.Configuration | Should -Be @('x.vmcx')
        $shown.VMHost | Should -Be $lab
    }

    It 'reports an id that is not there, and goes on with the next' {
        Use-FakeBackend -Folder $fake -Script @{ 'point/show' = @(@{ error = @{ code = 'POINT_NOT_FOUND'; message = 'No.' } }) }
        $null = Get-VMBackup -Id 'aaaa', 'bbbb' -Repository $repository -ErrorVariable problems -ErrorAction SilentlyContinue
        $problems.TargetObject | Should -Be @('aaaa', 'bbbb')
    }
}

Describe 'Test-VMBackup' {
    AfterEach { Assert-Contract }

    It 'verifies a repository, or what comes through the pipeline' {
        $result = @{ ok = $true; points = @($pointId); verifiedBytes = 10; readBytes = 5; damages = @(); moreDamages = 0; losses = @(); moreLosses = 0; durationMs = 100; storageRetries = Get-CannedRetry }
        Assert-Canned -Method 'repository/verify' -Result $result
        Use-FakeBackend -Folder $fake -Script @{
            'repository/verify' = @(@{ result = $result })
            'point/list'        = @(@{ result = @{ points = @((Get-CannedPoint -Id 'P1'), (Get-CannedPoint -Id 'P2')) } })
            'vm/backup'         = @(@{ result = (Get-CannedBackup) })
        }
        $tested = Test-VMBackup -Repository $repository -Sample 12.5
        $tested.Healthy | Should -BeTrue
        Assert-StorageRetry -Result $tested
        (Get-Received).params.sample | Should -Be 12.5
        $null = Get-VMBackup -Repository $repository | Test-VMBackup
        @(Get-Received)[-2, -1].params.point | Should -Be @('P1', 'P2')
        $null = Backup-VMRct -Name 'a' -Repository $repository | Test-VMBackup
        @(Get-Received)[-1].params.point | Should -Be $pointId
        { Test-VMBackup -Repository $repository -Sample 0 } | Should -Throw
    }

    It 'names damage' {
        $damage = @{
            object = 'block'; path = 'packs/ab/cd'; offset = 8192; message = 'wrong hash'
            affects = @(@{ pointId = $pointId; vmName = 'web01'; disk = 0; offset = 65536; length = 262144 })
        }
        $loss = @{
            pointId = $pointId; vmId = $vmId; vmName = 'web01'; createdAt = '2026-11-21T04:05:06.000Z'; disk = 0; lostBytes = 262144
            ranges = @(@{ offset = 65536; length = 262144 }); moreRanges = 0
        }
        $result = @{
            ok = $false; points = @($pointId); verifiedBytes = 10; readBytes = 5; damages = @($damage); moreDamages = 2; losses = @($loss); moreLosses = 0
            durationMs = 100
        }
        Assert-Canned -Method 'repository/verify' -Result $result -Optional 'storageRetries'
        Use-FakeBackend -Folder $fake -Script @{ 'repository/verify' = @(@{ result = $result }) }
        $tested = Test-VMBackup -Repository $repository -WarningVariable warnings -WarningAction SilentlyContinue
        $tested.Healthy | Should -BeFalse
        $tested.StorageRetries | Should -BeNullOrEmpty
        $tested.Damage[0].Path | Should -Be 'packs/ab/cd'
        $tested.Damage[0].Affects[0].Offset | Should -Be 65536
        $tested.Losses[0].DiskNumber | Should -Be 0
        $tested.Losses[0].Ranges[0].Offset | Should -Be 65536
        $warnings.Count | Should -Be 1
        "$warnings" | Should -Match '3 damaged'
    }
}

Describe 'Repair-VMBackupRepository' {
    AfterEach { Assert-Contract }

    It 'repairs, and says what stays lost' {
        $loss = @{
            pointId = $pointId; vmId = $vmId; vmName = 'web01'; createdAt = '2026-11-21T04:05:06.000Z'; configuration = 'a.vmcx'; lostBytes = 1
            ranges = @(); moreRanges = 1
        }
        $result = @{
            ok = $false; objects = 9; restored = @(); restoredPoints = @(); packsRewritten = 0; rewritten = @(); indexesWritten = 1; packsIndexed = 3; quarantined = @('indexes/ab'); healed = 2; damages = @(); moreDamages = 0
            losses = @($loss); moreLosses = 0; dryRun = $false; durationMs = 100; storageRetries = Get-CannedRetry
        }
        Assert-Canned -Method 'repository/repair' -Result $result -Optional 'from'
        Use-FakeBackend -Folder $fake -Script @{ 'repository/repair' = @(@{ result = $result }) }
        $repaired = Repair-VMBackupRepository -Repository $repository -WarningVariable warnings -WarningAction SilentlyContinue
        (Get-Received).params.repository | Should -Be $repository
        $repaired.Healthy | Should -BeFalse
        $repaired.PacksIndexed | Should -Be 3
        Assert-StorageRetry -Result $repaired
        $repaired.Quarantined | Should -Be @('indexes/ab')
        $repaired.Losses[0].ConfigurationFile | Should -Be 'a.vmcx'
        $warnings.Count | Should -Be 1
        Repair-VMBackupRepository -Repository $repository -WhatIf | Should -BeNullOrEmpty
        @(Get-Received).Count | Should -Be 1
    }
}

Describe 'Approve-VMBackupRemoval' {
    AfterEach { Assert-Contract }

    BeforeEach {
        $points = @(
            @{ id = $pointId; vmName = 'web01'; createdAt = '2026-11-21T04:05:06.000Z'; state = 'gone' }
            @{ id = '01JD9QK4T4W6E8R3M5N7P9S1T3'; vmName = ''; createdAt = '2026-11-21T05:05:06.000Z'; state = 'back' }
        )
        Assert-Canned -Method 'repository/acceptRemoved' -Result @{ points = $points }
        Use-FakeBackend -Folder $fake -Script @{ 'repository/acceptRemoved' = @(@{ result = @{ points = $points } }) }
    }

    It 'gives what it accepted, of a repository from the pipeline' {
        $accepted = @($repository | Approve-VMBackupRemoval -Force)
        (Get-Received).params.repository | Should -Be $repository
        $accepted.Id | Should -Be @($pointId, '01JD9QK4T4W6E8R3M5N7P9S1T3')
        $accepted.State | Should -BeExactly @('Gone', 'Back')
        $accepted[0].VMName | Should -Be 'web01'
        $accepted[0].CreatedAt | Should -BeOfType ([datetime])
        $accepted[0].CreatedAt.ToUniversalTime().ToString('s') | Should -Be '2026-11-21T04:05:06'
        $accepted[1].Repository | Should -Be $repository
        $accepted | Out-String | Should -Match 'web01'
    }

    It 'accepts nothing with -WhatIf, and asks as what cannot be taken back does' {
        Approve-VMBackupRemoval -Repository $repository -WhatIf | Should -BeNullOrEmpty
        @(Get-Received).Count | Should -Be 0
        $binding = (Get-Command -Name 'Approve-VMBackupRemoval').ScriptBlock.Attributes | Where-Object -FilterScript { $_ -is [System.Management.Automation.CmdletBindingAttribute] }
        $binding.ConfirmImpact | Should -Be 'High'
    }

    It 'passes an error on' {
        Use-FakeBackend -Folder $fake -Script @{ 'repository/acceptRemoved' = @(@{ error = @{ code = 'REPOSITORY_NOT_FOUND'; message = 'No.' } }) }
        { Approve-VMBackupRemoval -Repository $repository -Force -ErrorAction Stop } | Should -Throw -ErrorId 'REPOSITORY_NOT_FOUND*'
    }
}

Describe 'Restore-VMBackup' {
    AfterEach { Assert-Contract }

    BeforeEach {
        $result = @{
            restorePointId = $pointId; vmId = $vmId; vmName = 'copy'; host = $lab; kind = 'vm'; replaced = $false; durationMs = 100; warnings = @('No switch: --switch (-SwitchMap in PowerShell).')
            disks = @(@{ index = 0; path = '/lab/copy.vhdx'; size = 136365211648; writtenBytes = 4096 })
            networkAdapters = @(
                @{ name = 'Front'; macAddress = '00155D000001'; dynamicMacAddress = $true; switchName = 'Lab' }
                @{ name = 'Back'; macAddress = ''; dynamicMacAddress = $true }
            )
            damaged = $false; holes = @(); moreHoles = 0; holeBytes = 0; storageRetries = Get-CannedRetry
        }
        Assert-Canned -Method 'point/restore' -Result $result
        Use-FakeBackend -Folder $fake -Script @{ 'point/restore' = @(@{ result = $result }) }
    }

    It 'restores with every option' {
        $options = @{ Name = 'copy'; GenerateNewId = $true; Kind = 'Data'; DiskNumber = 0, 1; VMHost = $lab; Path = (Join-Path -Path $TestDrive -ChildPath 'VMs') }
        $restored = Restore-VMBackup -Id '01JD' -Repository $repository @options -WarningVariable warnings -WarningAction SilentlyContinue
        $sent = (Get-Received).params
        $sent.newId | Should -BeTrue
        $sent.replace | Should -BeFalse
        $sent.kind | Should -BeExactly 'data'
        $sent.disks | Should -Be @(0, 1)
        $sent.path | Should -Match 'VMs$'
        $restored.VMName | Should -Be 'copy'
        $restored.Disks[0].Path | Should -Be '/lab/copy.vhdx'
        $warnings | Should -Be @('No switch: -SwitchMap.')
        Assert-StorageRetry -Result $restored
    }

    It 'connects network adapters to what they are mapped to, and says what they are connected to' {
        $restored = Restore-VMBackup -Id '01JD' -Repository $repository -SwitchName 'Lab' -WarningAction SilentlyContinue
        $sent = @((Get-Received).params.switches)
        $sent.Count | Should -Be 1
        $sent[0].PSObject.Properties.Name | Should -Be @('to')
        $sent[0].to | Should -BeExactly 'Lab'
        $restored.NetworkAdapters.Name | Should -Be @('Front', 'Back')
        $restored.NetworkAdapters.Connected | Should -Be @($true, $false)
        $restored.NetworkAdapters.SwitchName | Should -Be @('Lab', $null)
    }

    It 'maps the switches of then to those of now' {
        $map = @{ 'LAN' = 'Office'; 'DM=Z' = 'DMZ' }
        $null = Restore-VMBackup -Id '01JD' -Repository $repository -SwitchMap $map -SwitchName 'Lab' -WarningAction SilentlyContinue
        $sent = (Get-Received).params.switches
        $sent[0, 1].from | Should -Be @('DM=Z', 'LAN')
        $sent[2].PSObject.Properties.Name | Should -Be @('to')
        $sent.to | Should -Be @('DMZ', 'Office', 'Lab')
    }

    It 'sends no mapping when none is given, and refuses one that names no switch' {
        $null = Restore-VMBackup -Id '01JD' -Repository $repository -WarningAction SilentlyContinue
        (Get-Received).params.PSObject.Properties.Name | Should -Not -Contain 'switches'
        { Restore-VMBackup -Id '01JD' -Repository $repository -SwitchMap @{ 'LAN' = $null } } | Should -Throw '*LAN*' -ErrorId 'USAGE,Restore-VMBackup'
        { Restore-VMBackup -Id '01JD' -Repository $repository -SwitchMap @{ 'LAN' = 'A', 'B' } } | Should -Throw '*LAN*'
        { Restore-VMBackup -Id '01JD' -Repository $repository -SwitchMap @{} } | Should -Throw
        @(Get-Received).Count | Should -Be 1
    }

    It 'restores with holes, and names them' {
        $result = @{
            restorePointId = $pointId; vmId = $vmId; vmName = 'copy'; host = $lab; kind = 'vm'; replaced = $false; durationMs = 100; warnings = @(); disks = @(); networkAdapters = @()
            damaged = $true; holes = @(@{ disk = 1; offset = 65536; length = 262144 }); moreHoles = 0; holeBytes = 262144
        }
        Assert-Canned -Method 'point/restore' -Result $result -Optional 'storageRetries'
        Use-FakeBackend -Folder $fake -Script @{ 'point/restore' = @(@{ result = $result }) }
        $restored = Restore-VMBackup -Id '01JD' -Repository $repository -SkipUnreadable -WarningVariable warnings -WarningAction SilentlyContinue
        (Get-Received).params.allowHoles | Should -BeTrue
        $restored.Damaged | Should -BeTrue
        $restored.Holes[0].DiskNumber | Should -Be 1
        $restored.Holes[0].Offset | Should -Be 65536
        "$warnings" | Should -Match '256 KiB could not be read'
    }

    It 'takes restore points from the pipeline, not their names' {
        $null = [pscustomobject]@{ Id = $pointId; VMName = 'web01'; Repository = $repository } | Restore-VMBackup -WarningAction SilentlyContinue
        (Get-Received).params.point | Should -Be $pointId
        (Get-Received).params.PSObject.Properties.Name | Should -Not -Contain 'name'
    }

    It 'replaces without asking only with -Force' {
        $null = Restore-VMBackup -Id '01JD' -Repository $repository -Replace -Force -WarningAction SilentlyContinue
        (Get-Received).params.replace | Should -BeTrue
        # Nobody can be asked here, so it throws before the backend hears of it.
        $code = "Import-Module -Name '$((Get-ProjectRoot))/HyperVBackup.psd1'; Restore-VMBackup -Id aaaa -Repository '$repository' -Replace"
        $pwsh = (Get-Process -Id $PID).Path
        "$(& $pwsh -NoProfile -NonInteractive -Command $code 2>&1)" | Should -Match 'NonInteractive'
        @(Get-Received).Count | Should -Be 1
        Restore-VMBackup -Id '01JD' -Repository $repository -Replace -WhatIf | Should -BeNullOrEmpty
        @(Get-Received).Count | Should -Be 1
    }
}

Describe 'Export-VMBackupData' {
    AfterEach { Assert-Contract }

    It 'exports with every option, and gives one object a file' {
        $files = @(foreach ($number in 0, 2) { @{ disk = $number; path = "/out/$number.vhdx"; format = 'vhdx'; size = 136365211648; fileSize = 4096; writtenBytes = 2048 } })
        $result = @{ restorePointId = $pointId; vmName = 'web01'; files = $files; damaged = $true; holes = @(@{ disk = 2; offset = 0; length = 512 }); moreHoles = 0; holeBytes = 512; durationMs = 100; warnings = @(); storageRetries = Get-CannedRetry }
        Assert-Canned -Method 'point/export' -Result $result
        Use-FakeBackend -Folder $fake -Script @{ 'point/export' = @(@{ result = $result }) }
        $options = @{ Path = (Join-Path -Path $TestDrive -ChildPath 'out'); Format = 'Vhdx'; DiskNumber = 0, 2; Base = '01JC' }
        $exported = @(Export-VMBackupData -Id '01JD' -Repository $repository @options -AllowHoles -WarningAction SilentlyContinue)
        $sent = (Get-Received).params
        $sent.directory | Should -Be $options.Path
        $sent.format | Should -BeExactly 'vhdx'
        $sent.disks | Should -Be @(0, 2)
        $sent.base | Should -Be '01JC'
        $sent.allowHoles | Should -BeTrue
        $exported[0].Holes.Count | Should -Be 0
        $exported[1].Holes[0].Length | Should -Be 512
        $exported.DiskNumber | Should -Be @(0, 2)
        $exported[1].Path | Should -Be '/out/2.vhdx'
        $exported[1].VMName | Should -Be 'web01'
        Assert-StorageRetry -Result $exported[0]
        Export-VMBackupData -Id '01JD' -Repository $repository @options -WhatIf | Should -BeNullOrEmpty
        @(Get-Received).Count | Should -Be 1
    }

    It 'exports a fixed VHD, and one for Azure' {
        $result = @{ restorePointId = $pointId; vmName = 'web01'; files = @(); damaged = $false; holes = @(); moreHoles = 0; holeBytes = 0; durationMs = 100; warnings = @() }
        Use-FakeBackend -Folder $fake -Script @{ 'point/export' = @(@{ result = $result }) }
        Export-VMBackupData -Id '01JD' -Repository $repository -Path 'out' -Format Vhd -Subformat Fixed
        Export-VMBackupData -Id '01JD' -Repository $repository -Path 'out' -Format Vhd -Azure
        $sent = @(Get-Received).params
        $sent[0].subformat | Should -BeExactly 'fixed'
        $sent.azure | Should -Be @($false, $true)
        $sent[1].PSObject.Properties.Name | Should -Not -Contain 'subformat'
    }
}

Describe 'Remove-VMBackup' {
    AfterEach { Assert-Contract }

    BeforeEach {
        $result = @{ pointId = $pointId; blocked = @(); freedBytes = 1048576; pendingBytes = 2048; storageRetries = Get-CannedRetry }
        Assert-Canned -Method 'point/remove' -Result $result
        Use-FakeBackend -Folder $fake -Script @{ 'point/remove' = @(@{ result = $result }) }
    }

    It 'removes what comes through the pipeline with -Force or -Confirm:$false' {
        $points = foreach ($id in 'P1', 'P2') { [pscustomobject]@{ Id = $id; Repository = $repository } }
        $removed = @($points | Remove-VMBackup -Force)
        (Get-Received).params.point | Should -Be @('P1', 'P2')
        $removed[0].FreedBytes | Should -Be 1048576
        Assert-StorageRetry -Result $removed[0]
        $null = Remove-VMBackup -Id 'P3' -Repository $repository -Confirm:$false
        @(Get-Received).Count | Should -Be 3
    }

    It 'asks otherwise' {
        $code = "Import-Module -Name '$((Get-ProjectRoot))/HyperVBackup.psd1'; Remove-VMBackup -Id aaaa -Repository '$repository'"
        $pwsh = (Get-Process -Id $PID).Path
        "$(& $pwsh -NoProfile -NonInteractive -Command $code 2>&1)" | Should -Match 'NonInteractive'
        Get-Received | Should -BeNullOrEmpty
        Remove-VMBackup -Id 'aaaa' -Repository $repository -WhatIf -Force | Should -BeNullOrEmpty
        Get-Received | Should -BeNullOrEmpty
    }
}

Describe 'Completion' {
    AfterEach { Assert-Contract }

    It 'offers VMs, quoted so that they stay names' {
        $vms = @(foreach ($name in 'web01', 'web 02', 'w$(throw)', "w'x", 'db') { @{ name = $name; state = 'Off' } })
        Use-FakeBackend -Folder $fake -Script @{ 'vm/list' = @(@{ result = @{ vms = $vms } }) }
        $line = 'Backup-VMRct -Name w'
        $found = (TabExpansion2 -inputScript $line -cursorColumn $line.Length).CompletionMatches.CompletionText
        $found | Should -Be @('web01', "'web 02'", "'w`$(throw)'", "'w''x'")
        (Get-Received).params.host | Should -Be $lab
    }

    It 'offers restore points, newest first, and the VMs they are of' {
        $points = @((Get-CannedPoint -Id 'P1' -Name 'web01'), (Get-CannedPoint -Id 'P2' -Name 'web01'))
        $points[1].createdAt = '2026-11-22T01:02:03Z'
        Use-FakeBackend -Folder $fake -Script @{ 'point/list' = @(@{ result = @{ points = $points } }) }
        $line = "Restore-VMBackup -Repository '$repository' -Id "
        (TabExpansion2 -inputScript $line -cursorColumn $line.Length).CompletionMatches.CompletionText | Should -Be @('P2', 'P1')
        $line = "Get-VMBackup -Repository '$repository' -Name "
        (TabExpansion2 -inputScript $line -cursorColumn $line.Length).CompletionMatches.CompletionText | Should -Be @('web01')
    }

    It 'offers repositories that were used, and says nothing when the host cannot be asked' {
        $line = 'Get-VMBackup -Repository '
        (TabExpansion2 -inputScript $line -cursorColumn $line.Length).CompletionMatches.CompletionText | Should -Contain $repository
        Use-FakeBackend -Folder $fake -Script @{ 'vm/list' = @(@{ error = @{ code = 'HOST_NOT_FOUND'; message = 'No.' } }) }
        $line = 'Backup-VMRct -Name zzz'
        $Error.Clear()
        (TabExpansion2 -inputScript $line -cursorColumn $line.Length).CompletionMatches | Should -BeNullOrEmpty
        $Error.Count | Should -Be 0
    }
}

Describe 'Views' {
    AfterEach { Assert-Contract }

    It 'show sizes and times for people' {
        Use-FakeBackend -Folder $fake -Script @{
            'point/list' = @(@{ result = @{ points = @(Get-CannedPoint) } })
            'vm/backup'  = @(@{ result = (Get-CannedBackup) })
        }
        $text = Get-VMBackup -Repository $repository | Out-String -Width 200
        $text | Should -Match 'web01 .*VM +Full +Application +127 GiB +4.66 GiB +01JD9QK4'
        $result = Backup-VMRct -Name 'a' -Repository $repository
        $result | Out-String -Width 200 | Should -Match 'web01 +Full +Application +10 GiB +4.66 GiB +01:01 +01JD9QK4'
        $result.Disks | Out-String -Width 200 | Should -Match '0 +Full +127 GiB +10 GiB +10 GiB +4.66 GiB +There is no earlier'
    }
}

Describe 'Test-VMBackupPrerequisite' {
    BeforeEach {
        $vm = @{
            id = $vmId; name = 'web01'; generation = 2; version = '9.0'; state = 'Running'; processorCount = 2; memoryStartup = 1073741824
            dynamicMemory = $false; disks = @(); networkAdapters = @()
        }
        $readiness = @{
            ready = $false; method = 'share'; changes = 'wmi'; why = 'The host is another machine.'
            findings = @(@{ code = 'CONFIGURATION_VERSION'; severity = 'error'; message = 'Too old.'; advice = 'Update it.' }, @{ code = 'NO_DISKS'; severity = 'info'; message = 'No disks.' })
        }
        Use-FakeBackend -Folder $fake -Script @{ 'vm/show' = @(@{ result = @{ vm = $vm; readiness = $readiness } }) }
    }

    AfterEach { Assert-Contract }

    It 'says how a virtual machine is read, and what stands in the way' {
        $result = Test-VMBackupPrerequisite web01 -VMHost 'hyperv:NODE7'
        $sent = (Get-Received).params
        $sent.host | Should -Be 'hyperv:NODE7'
        $sent.vm | Should -Be 'web01'
        $result.Ready | Should -BeFalse
        $result.Method | Should -BeExactly 'Share'
        $result.Changes | Should -BeExactly 'Wmi'
        $result.VMId | Should -Be ([guid]$vmId)
        $result.Findings[0].Severity | Should -BeExactly 'Error'
        $result.Findings[0].Advice | Should -Be 'Update it.'
        $result.Findings[1].Advice | Should -Be ''
        $result | Out-String -Width 200 | Should -Match 'web01 +False +Share +Wmi +CONFIGURATION_VERSION, NO_DISKS'
    }

    It 'takes virtual machines from the pipeline, by their id' {
        $null = [pscustomobject]@{ Id = [guid]$vmId; Name = 'web01' } | Test-VMBackupPrerequisite
        (Get-Received).params.vm | Should -Be $vmId
    }
}

Describe 'Start-VMBackupTrace' {
    It 'has the backends that follow record, until it is stopped' {
        Start-VMBackupTrace -Path (Join-Path -Path $TestDrive -ChildPath 'trace [1].jsonl')
        $env:HVBACKUP_TRACE | Should -Be (Join-Path -Path $TestDrive -ChildPath 'trace [1].jsonl')
        Stop-VMBackupTrace
        $env:HVBACKUP_TRACE | Should -BeNullOrEmpty
        Start-VMBackupTrace -Path 'x' -WhatIf
        $env:HVBACKUP_TRACE | Should -BeNullOrEmpty
    }
}

Describe 'Credentials for another host' {
    BeforeAll {
        $account = New-Object -TypeName pscredential -ArgumentList 'LAB\backup', (ConvertTo-Secret -Text "s3cret 'p' $([char]0xFC)")
    }

    BeforeEach {
        Use-FakeBackend -Folder $fake -Script @{
            'vm/backup'     = @(@{ result = (Get-CannedBackup) })
            'host/backup'   = @(@{ result = @{ asked = 1; results = @((Get-CannedBackup)) } })
            'point/restore' = @(@{ error = @{ code = 'VM_EXISTS'; message = 'No.' } })
            'vm/show'       = @(@{ error = @{ code = 'VM_NOT_FOUND'; message = 'No.' } })
        }
    }

    AfterEach {
        Assert-Contract
        Remove-Item -Path 'env:HVBACKUP_CREDENTIAL_FILE' -ErrorAction SilentlyContinue
    }

    It 'go to the backend with every command that takes a host' {
        $null = Backup-VMRct web01 -VMHost hyperv:hv02 -Credential $account -Repository $repository
        $null = Backup-VMRct web01 -VMHost hyperv:hv02 -Credential $account -Repository $repository -ThrottleLimit 2
        $null = Test-VMBackupPrerequisite web01 -VMHost hyperv:hv02 -Credential $account -ErrorAction SilentlyContinue
        $null = Restore-VMBackup -Id $pointId -Repository $repository -VMHost hyperv:hv02 -Credential $account -ErrorAction SilentlyContinue
        $received = @(Get-Received)
        @($received.method) | Should -Be @('vm/backup', 'host/backup', 'vm/show', 'point/restore')
        foreach ($message in $received) {
            $message.params.credential.userName | Should -BeExactly 'LAB\backup'
            $message.params.credential.password | Should -BeExactly "s3cret 'p' $([char]0xFC)"
        }
    }

    It 'go to a job' {
        $job = Backup-VMRct web01 -VMHost hyperv:hv02 -Credential $account -Repository $repository -AsJob
        $null = $job | Wait-Job | Receive-Job
        $job | Remove-Job
        (Get-Received).params.credential.password | Should -BeExactly "s3cret 'p' $([char]0xFC)"
    }

    It 'come from the file that HVBACKUP_CREDENTIAL_FILE names, for another host only' {
        $file = Join-Path -Path $TestDrive -ChildPath 'account.txt'
        [System.IO.File]::WriteAllText($file, "LAB\ops`r`nsesame`r`n")
        $env:HVBACKUP_CREDENTIAL_FILE = $file
        $null = Backup-VMRct web01 -VMHost hyperv:hv02 -Repository $repository
        $null = Backup-VMRct web01 -VMHost hyperv: -Repository $repository
        $received = @(Get-Received)
        $received[0].params.credential.userName | Should -BeExactly 'LAB\ops'
        $received[0].params.credential.password | Should -BeExactly 'sesame'
        $received[1].params.PSObject.Properties.Name | Should -Not -Contain 'credential'
        [System.IO.File]::WriteAllText($file, 'only one line')
        { Backup-VMRct web01 -VMHost hyperv:hv02 -Repository $repository } | Should -Throw -ErrorId 'USAGE,Backup-VMRct'
    }
}
