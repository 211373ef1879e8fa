# Retention, holds, copies, statistics, and backups side by side: what is asked of the backend, and what is made of the answer.

BeforeAll {
    Import-Module -Name (Join-Path -Path $PSScriptRoot -ChildPath '../../HyperVBackup.psd1') -Force
    Import-Module -Name (Join-Path -Path $PSScriptRoot -ChildPath 'TestSupport.psm1') -Force
    $repository = Join-Path -Path $TestDrive -ChildPath 'repository'
    $vault = Join-Path -Path $TestDrive -ChildPath 'vault'
    $fake = (New-Item -Path (Join-Path -Path $TestDrive -ChildPath 'fake') -ItemType Directory -Force).FullName
    $lab = 'sim:' + (Join-Path -Path $TestDrive -ChildPath 'lab')
    $vmId = '11111111-2222-3333-4444-555555555555'
    $pointId = '01JD9QK4T4W6E8R3M5N7P9S1T2'
    $created = '2026-11-21T01:02:03.456Z'
    $env:HVBACKUP_HOST = $lab
}

AfterAll {
    Clear-FakeBackend
    Remove-Item -Path 'env:HVBACKUP_HOST' -ErrorAction SilentlyContinue
}

Describe 'Invoke-VMBackupRetention' {
    AfterEach { Assert-Contract }

    BeforeEach {
        $points = @(
            @{ id = 'P1'; vmId = $vmId; vmName = 'web01'; createdAt = $created; action = 'remove'; reasons = @() }
            @{ id = 'P2'; vmId = $vmId; vmName = 'web01'; createdAt = $created; action = 'keep'; reasons = @('newest', 'daily 2026-11-21') }
        )
        $result = @{ points = $points; removed = 1; freedBytes = 10; pendingBytes = 0; packsDeleted = 1; packsRewritten = 0; blocked = @(); warnings = @(); dryRun = $false; storageRetries = Get-CannedRetry }
        Assert-Canned -Method 'repository/prune' -Result $result
        Use-FakeBackend -Folder $fake -Script @{ 'repository/prune' = @(@{ result = $result }) }
    }

    It 'passes the rules on that are given, and tells what was done with each restore point' {
        $decisions = @(Invoke-VMBackupRetention -Repository $repository -KeepDaily 7 -KeepYearly 0 -Name 'web01' -Force)
        $sent = (Get-Received).params
        @($sent.PSObject.Properties.Name | Sort-Object) | Should -Be @('dryRun', 'keepDaily', 'keepYearly', 'overrideDoubt', 'repository', 'vm')
        $sent.keepDaily | Should -Be 7
        $sent.dryRun | Should -BeFalse
        $decisions.Action | Should -Be @('Remove', 'Keep')
        Assert-StorageRetry -Result $decisions[0]
        $decisions[1].Reasons | Should -Be @('newest', 'daily 2026-11-21')
        $decisions[0].PSObject.TypeNames[0] | Should -Be 'HyperVBackup.RetentionDecision'
        $decisions | Out-String -Width 200 | Should -Match 'Remove +P1'
    }

    It 'is a dry run with -WhatIf' {
        @(Invoke-VMBackupRetention -Repository $repository -KeepLast 1 -WhatIf).Count | Should -Be 2
        (Get-Received).params.dryRun | Should -BeTrue
    }

    It 'takes a repository from the pipeline, and one virtual machine after the other' {
        $null = [pscustomobject]@{ Location = $repository } | Invoke-VMBackupRetention -KeepLast 3 -Name 'a', 'b' -Confirm:$false
        @(Get-Received).params.vm | Should -Be @('a', 'b')
        @(Get-Received)[0].params.repository | Should -Be $repository
    }

    It 'asks otherwise' {
        $code = "Import-Module -Name '$((Get-ProjectRoot))/HyperVBackup.psd1'; Invoke-VMBackupRetention -Repository '$repository' -KeepLast 1"
        $pwsh = (Get-Process -Id $PID).Path
        "$(& $pwsh -NoProfile -NonInteractive -Command $code 2>&1)" | Should -Match 'NonInteractive'
        Get-Received | Should -BeNullOrEmpty
    }
}

Describe 'Set-VMBackupHold' {
    AfterEach { Assert-Contract }

    It 'holds and releases what comes through the pipeline' {
        $result = @{ pointId = $pointId; vmId = $vmId; vmName = 'web01'; held = $true; changed = $true }
        Assert-Canned -Method 'point/hold' -Result $result
        Use-FakeBackend -Folder $fake -Script @{
            'point/hold' = @(@{ result = $result })
            'point/list' = @(@{ result = @{ points = @((Get-CannedPoint -Id 'P1'), (Get-CannedPoint -Id 'P2')) } })
        }
        $held = @(Get-VMBackup -Repository $repository | Set-VMBackupHold)
        $held[0].Held | Should -BeTrue
        $null = Set-VMBackupHold -Id '01JD' -Repository $repository -Release
        $requests = @(Get-Received | Where-Object -Property 'method' -EQ -Value 'point/hold')
        $requests.params.point | Should -Be @('P1', 'P2', '01JD')
        $requests.params.release | Should -Be @($false, $false, $true)
        Set-VMBackupHold -Id '01JD' -Repository $repository -WhatIf | Should -BeNullOrEmpty
        @(Get-Received).Count | Should -Be 4
    }

    It 'makes removing fail with a code of its own' {
        Use-FakeBackend -Folder $fake -Script @{ 'point/remove' = @(@{ error = @{ code = 'POINT_HELD'; message = 'It is held.'; advice = 'Release it.' } }) }
        $null = Remove-VMBackup -Id '01JD' -Repository $repository -Force -ErrorVariable problems -ErrorAction SilentlyContinue
        $problems[0].FullyQualifiedErrorId | Should -Be 'POINT_HELD,Remove-VMBackup'
        $problems[0].ErrorDetails.RecommendedAction | Should -Be 'Release it.'
    }
}

Describe 'Copy-VMBackup' {
    AfterEach { Assert-Contract }

    BeforeEach {
        $about = @{ vmId = $vmId; vmName = 'web01'; createdAt = $created; readBytes = 10; newBytes = 5 }
        $points = @(
            $about + @{ id = 'P1'; action = 'skipped'; reason = 'it is there already' }
            $about + @{ id = 'P2'; action = 'copied'; basePointId = 'P1' }
            $about + @{ id = 'P3'; action = 'failed'; error = @{ code = 'REPOSITORY_DAMAGED'; message = 'A block is damaged.' } }
        )
        $result = @{ points = $points; copied = 1; healed = 0; skipped = 1; failed = 1; readBytes = 30; newBytes = 15; durationMs = 100; storageRetries = Get-CannedRetry }
        Assert-Canned -Method 'point/copy' -Result $result
        Use-FakeBackend -Folder $fake -Script @{ 'point/copy' = @(@{ result = $result }) }
    }

    It 'copies a repository, tells what was done, and reports what failed' {
        $copied = @(Copy-VMBackup -Repository $repository -Destination $vault -Compression Strong -LimitRate 50MB -ErrorVariable problems -ErrorAction SilentlyContinue)
        $sent = (Get-Received).params
        $sent.repository | Should -Be $repository
        $sent.to | Should -Be $vault
        $sent.compression | Should -BeExactly 'strong'
        $sent.limitRate | Should -Be 52428800
        $copied.Action | Should -Be @('Skipped', 'Copied')
        Assert-StorageRetry -Result $copied[1]
        $copied[1].Repository | Should -Be $vault
        $copied[0].Reason | Should -Be 'it is there already'
        $problems.Count | Should -Be 1
        $problems[0].FullyQualifiedErrorId | Should -Be 'REPOSITORY_DAMAGED,Copy-VMBackup'
        $problems[0].TargetObject | Should -Be 'P3'
    }

    It 'copies restore points of the pipeline, or virtual machines' {
        $null = [pscustomobject]@{ Id = $pointId; VMName = 'web01'; Repository = $repository } | Copy-VMBackup -Destination $vault -ErrorAction SilentlyContinue
        (Get-Received).params.point | Should -Be $pointId
        $null = Copy-VMBackup -Repository $repository -Destination $vault -Name 'a', 'b' -ErrorAction SilentlyContinue
        @(Get-Received)[1, 2].params.vm | Should -Be @('a', 'b')
        Copy-VMBackup -Repository $repository -Destination $vault -WhatIf | Should -BeNullOrEmpty
        @(Get-Received).Count | Should -Be 3
    }
}

Describe 'Get-VMBackupRepository' {
    AfterEach { Assert-Contract }

    It 'tells what a repository holds, and is one to other commands' {
        $result = @{
            id = 'r1'; location = $repository; blockSize = 262144; formatVersion = 2; encrypted = $true; createdAt = $created; points = 4; vms = 2
            logicalBytes = 1099511627776; packs = 3; packBytes = 1000; blockPackBytes = 900; nodePackBytes = 100; unindexedPackBytes = 0; indexBytes = 20
            manifestBytes = 3; blocks = 5; blockBytes = 1800; nodes = 6; compressionRatio = 2
        }
        Assert-Canned -Method 'repository/stats' -Result $result
        Use-FakeBackend -Folder $fake -Script @{
            'repository/stats' = @(@{ result = $result })
            'point/list'       = @(@{ result = @{ points = @() } })
        }
        $found = $repository | Get-VMBackupRepository
        $found.StoredBytes | Should -Be 1023
        $found.RestorePoints | Should -Be 4
        $found.Encrypted | Should -BeTrue
        $null = Get-VMBackup -Repository $found
        @(Get-Received)[1].params.repository | Should -Be $repository
    }
}

Describe 'Backup-VMRct, several at once' {
    AfterEach { Assert-Contract }

    It 'passes hold and rate on' {
        Use-FakeBackend -Folder $fake -Script @{ 'vm/backup' = @(@{ result = (Get-CannedBackup) }) }
        $null = Backup-VMRct -Name 'a' -Repository $repository -Hold -LimitRate 1MB
        $sent = (Get-Received).params
        $sent.hold | Should -BeTrue
        $sent.limitRate | Should -Be 1048576
    }

    It 'is one call, that gives a result or an error for each' {
        $failed = @{ vmName = 'b'; error = @{ code = 'VM_NOT_FOUND'; message = 'No.' } }
        $result = @{ results = @((Get-CannedBackup -Name 'a' -Warning 'A warning.'), $failed, (Get-CannedBackup -Name 'c')); asked = 3; storageRetries = Get-CannedRetry }
        Assert-Canned -Method 'host/backup' -Result $result
        Use-FakeBackend -Folder $fake -Script @{ 'host/backup' = @(@{ result = $result }) }
        $made = @('a', 'b', 'c' | Backup-VMRct -Repository $repository -ThrottleLimit 3 -Mode Full -ErrorVariable problems -ErrorAction SilentlyContinue -WarningVariable warnings -WarningAction SilentlyContinue)
        @(Get-Received).Count | Should -Be 1
        $sent = (Get-Received).params
        $sent.vms | Should -Be @('a', 'b', 'c')
        $sent.parallel | Should -Be 3
        $sent.mode | Should -BeExactly 'full'
        $made.VMName | Should -Be @('a', 'c')
        Assert-StorageRetry -Result $made[1]
        $problems[0].FullyQualifiedErrorId | Should -Be 'VM_NOT_FOUND,Backup-VMRct'
        $problems[0].TargetObject | Should -Be 'b'
        $warnings | Should -Be @('a: A warning.')
    }
}
