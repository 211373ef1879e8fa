# The whole way through the module, on the real backend and a simulated host.

BeforeDiscovery {
    $root = Split-Path -Path (Split-Path -Path $PSScriptRoot -Parent) -Parent
    $built = Test-Path -LiteralPath (Join-Path -Path $root -ChildPath 'build/out/hvbackup.cjs')
}

BeforeAll {
    Import-Module -Name (Join-Path -Path $PSScriptRoot -ChildPath '../../HyperVBackup.psd1') -Force
    Import-Module -Name (Join-Path -Path $PSScriptRoot -ChildPath 'TestSupport.psm1') -Force
}

Describe 'The way through' -Skip:(-not $built) {
    BeforeAll {
        Clear-FakeBackend
        $folder = (New-Item -Path (Join-Path -Path $TestDrive -ChildPath "through $([char]0xFC)") -ItemType Directory).FullName
        $node = InModuleScope -ModuleName 'HyperVBackup' { Get-NodePath }
        $bundle = Join-Path -Path (Get-ProjectRoot) -ChildPath 'build/out/hvbackup.cjs'
        $uri = 'sim:' + (Join-Path -Path $folder -ChildPath 'lab')
        $env:HVBACKUP_HOST = $uri
        $env:HVBACKUP_STATE_DIR = Join-Path -Path $folder -ChildPath 'state'

        function Invoke-Hvbackup {
            $answer = & $node $bundle @args --json
            if ($LASTEXITCODE -ne 0) { throw "hvbackup $args ended with $LASTEXITCODE" }
            ConvertFrom-Json -InputObject "$answer"
        }

        # Has every backend note itself, and each key that it derives, in a file; no more without a file.
        function Watch-Backend {
            param([string] $Path)

            $env:HVBACKUP_COUNTS = $Path
            $hook = (Join-Path -Path $PSScriptRoot -ChildPath 'count-scrypt.cjs').Replace([string][char]92, '/')
            $env:NODE_OPTIONS = if ($Path) { '--require "{0}"' -f $hook }
            Clear-SessionBackend
        }

        # 8 MiB that do not compress, then zeros.
        $bytes = New-Object -TypeName byte[] -ArgumentList (8MB)
        (New-Object -TypeName System.Random -ArgumentList 7).NextBytes($bytes)
        $image = Join-Path -Path $folder -ChildPath 'source.raw'
        $stream = [System.IO.File]::Create($image)
        $stream.Write($bytes, 0, $bytes.Length)
        $stream.SetLength(16MB)
        $stream.Dispose()
        $null = Invoke-Hvbackup host create (Join-Path -Path $folder -ChildPath 'lab')
        $null = Invoke-Hvbackup vm create --host $uri --name 'web 01' --disk $image
        $null = Invoke-Hvbackup vm create --host $uri --name 'db01' --disk $image
        $before = (Get-FileHash -LiteralPath $image).Hash
        $repository = New-VMBackupRepository -Path (Join-Path -Path $folder -ChildPath 'backups')

        function Get-ExportedHash {
            param($Point, [string] $Format = 'Raw')

            $to = Join-Path -Path $folder -ChildPath ([guid]::NewGuid())
            $file = $Point | Export-VMBackupData -Path $to -Format $Format
            (Get-FileHash -LiteralPath $file.Path).Hash
        }
    }

    AfterAll {
        Remove-Item -Path 'env:HVBACKUP_HOST', 'env:HVBACKUP_STATE_DIR' -ErrorAction SilentlyContinue
    }

    It 'backs up every VM of the pipeline in full' {
        $results = @('web 01', 'db01' | Backup-VMRct -Repository $repository)
        $results.VMName | Should -Be @('web 01', 'db01')
        $results.Mode | Should -Be @('Full', 'Full')
        $results[0].ReadBytes | Should -BeGreaterOrEqual 8MB
        # The second VM's disk is a copy of the first's.
        $results[1].NewBytes | Should -BeLessThan 1MB
        Get-ExportedHash -Point $results[0] | Should -Be $before
    }

    It 'backs up incrementally what the guest wrote' {
        $null = Invoke-Hvbackup vm write --host $uri --vm 'web 01' --offset 1M --fill 90 --length 64K
        $result = Backup-VMRct 'web 01' -Repository $repository
        $result.Mode | Should -Be 'Incremental'
        $result.Disks[0].ReadBytes | Should -BeLessThan 1MB
        Get-ExportedHash -Point $result | Should -Not -Be $before
    }

    It 'lists, shows and verifies' {
        $points = @(Get-VMBackup -Repository $repository)
        $points.VMName | Should -Be @('web 01', 'db01', 'web 01')
        $points[0].CreatedAt | Should -BeLessOrEqual $points[2].CreatedAt
        ([datetime]::UtcNow - $points[0].CreatedAt).TotalMinutes | Should -BeLessThan 60
        (Get-VMBackup -Id $points[0].Id -Repository $repository).Disks.Count | Should -Be 1
        $tested = @($points | Test-VMBackup)
        $tested.Healthy | Should -Be @($true, $true, $true)
        (Test-VMBackup -Repository $repository).RestorePointId.Count | Should -Be 3
    }

    It 'restores beside the original, and the content is that of the restore point' {
        $point = Get-VMBackup -Name 'web 01' -Repository $repository | Select-Object -First 1
        $restored = $point | Restore-VMBackup -GenerateNewId -Name 'yesterday'
        $restored.VMName | Should -Be 'yesterday'
        $restored.VMId | Should -Not -Be $point.VMId
        $again = Backup-VMRct -Id $restored.VMId -Repository $repository
        Get-ExportedHash -Point $again | Should -Be $before
    }

    It 'refuses to restore over the original, replaces it when told to' {
        $point = Get-VMBackup -Name 'web 01' -Repository $repository | Select-Object -First 1
        $null = $point | Restore-VMBackup -ErrorVariable problems -ErrorAction SilentlyContinue
        $problems[0].FullyQualifiedErrorId | Should -Be 'VM_EXISTS,Restore-VMBackup'
        $problems[0].CategoryInfo.Category | Should -Be 'ResourceExists'
        $problems[0].ErrorDetails.RecommendedAction | Should -Not -BeNullOrEmpty
        ($point | Restore-VMBackup -Replace -Force).Replaced | Should -BeTrue
        Get-ExportedHash -Point (Backup-VMRct -Name 'web 01' -Repository $repository) | Should -Be $before
    }

    It 'removes, and the others stay right' {
        $first = Get-VMBackup -Repository $repository | Select-Object -First 1
        ($first | Remove-VMBackup -Force).RestorePointId | Should -Be $first.Id
        (Get-VMBackup -Repository $repository).Id | Should -Not -Contain $first.Id
        (Test-VMBackup -Repository $repository).Healthy | Should -BeTrue
    }

    It 'warns of a restore point that somebody took away, until that is accepted' {
        $taken = Backup-VMRct -Name 'db01' -Repository $repository
        $manifest = Get-ChildItem -Path (Join-Path -Path $repository.Location -ChildPath 'manifests') -Recurse -Filter $taken.RestorePointId
        Remove-Item -LiteralPath $manifest.FullName
        $null = Get-VMBackup -Repository $repository -WarningVariable warnings -WarningAction SilentlyContinue
        "$warnings" | Should -Match $taken.RestorePointId
        $accepted = @($repository | Approve-VMBackupRemoval -Force)
        $accepted.Id | Should -Be @($taken.RestorePointId)
        $accepted.State | Should -Be @('Gone')
        $null = Get-VMBackup -Repository $repository -WarningVariable warnings -WarningAction SilentlyContinue
        "$warnings" | Should -BeNullOrEmpty
        @($repository | Approve-VMBackupRemoval -Force).Count | Should -Be 0
    }

    It 'backs up in a job' {
        $job = Backup-VMRct -Name 'db01' -Repository $repository -Mode Full -AsJob
        $result = $job | Wait-Job -Timeout 300 | Receive-Job
        Remove-Job -Job $job -Force
        $result.Mode | Should -Be 'Full'
    }

    It 'backs up ten virtual machines of the pipeline with one backend that derives the key once, and gives each as it is done' {
        $vms = foreach ($number in 1..10) {
            $made = Invoke-Hvbackup vm create --host $uri --name "many$number" --disk $image
            [pscustomobject]@{ Name = $made.vm.name; Id = [guid]$made.vm.id; State = 'Off' }
        }
        $secret = ConvertTo-Secret -Text 'ten at once'
        $counts = Join-Path -Path $folder -ChildPath 'counts.txt'
        try {
            Watch-Backend -Path $counts
            $locked = New-VMBackupRepository -Path (Join-Path -Path $folder -ChildPath 'locked') -Passphrase $secret
            Clear-SessionBackend
            Remove-Item -LiteralPath $counts
            $seen = New-Object -TypeName 'System.Collections.Generic.List[int]'
            $first = @($vms | Backup-VMRct -Repository $locked -Passphrase $secret | ForEach-Object -Process {
                    # When it comes, the next ones are not there yet.
                    $seen.Add(@(Get-VMBackup -Repository $locked -Passphrase $secret).Count)
                    $_
                })
            $first.VMName | Should -Be @($vms.Name)
            $seen.ToArray() | Should -Be @(1..10)
            $again = @($vms | Backup-VMRct -Repository $locked -Passphrase $secret -ThrottleLimit 4)
            $again.Mode | Should -Be (@('Incremental') * 10)
            $lines = @(Get-Content -LiteralPath $counts)
            @($lines -like 'process*').Count | Should -Be 1
            @($lines -like 'scrypt*').Count | Should -Be 1
        } finally {
            Watch-Backend
        }
    }

    It 'leaves no process behind when the shell is killed in the middle of a backup, and goes on from there' {
        $marker = Join-Path -Path $folder -ChildPath 'killed.txt'
        $ours = Join-Path -Path (Get-ProjectRoot) -ChildPath 'HyperVBackup.psd1'
        $command = "Import-Module -Name '$ours'; while (`$true) { `$null = Backup-VMRct -Name db01 -Mode Full -Repository '$($repository.Location)' }"
        $start = New-Object -TypeName System.Diagnostics.ProcessStartInfo -ArgumentList ([System.Diagnostics.Process]::GetCurrentProcess().MainModule.FileName)
        $start.Arguments = '-NoProfile -NonInteractive -EncodedCommand ' + [Convert]::ToBase64String([System.Text.Encoding]::Unicode.GetBytes($command))
        $start.UseShellExecute = $false
        Watch-Backend -Path $marker
        try {
            $shell = [System.Diagnostics.Process]::Start($start)
            for ($i = 0; $i -lt 600 -and -not (Test-Path -LiteralPath $marker); $i++) { Start-Sleep -Milliseconds 50 }
            Start-Sleep -Milliseconds 700
            $shell.Kill()
        } finally {
            Watch-Backend
        }
        $ids = @(Get-Content -LiteralPath $marker | ForEach-Object -Process { ($_ -split ' ')[1] } | Select-Object -Unique)
        $ids.Count | Should -Be 1
        for ($i = 0; $i -lt 1200 -and (Get-Process -Id $ids[0] -ErrorAction SilentlyContinue); $i++) { Start-Sleep -Milliseconds 50 }
        Get-Process -Id $ids[0] -ErrorAction SilentlyContinue | Should -BeNullOrEmpty
        (Backup-VMRct -Name 'db01' -Repository $repository).VMName | Should -Be 'db01'
    }

    It 'says what is wrong: <What>' -ForEach @(
        @{ What = 'an unknown VM'; Code = 'VM_NOT_FOUND'; Category = 'ObjectNotFound'; Do = { Backup-VMRct -Name 'none' -Repository $repository } }
        @{ What = 'no repository'; Code = 'REPOSITORY_NOT_FOUND'; Category = 'ObjectNotFound'; Do = { Get-VMBackup -Repository $folder } }
        @{ What = 'no host'; Code = 'HOST_NOT_FOUND'; Category = 'ObjectNotFound'; Do = { Backup-VMRct -Name 'a' -Repository $repository -VMHost "sim:$folder/none" } }
        @{ What = 'no restore point'; Code = 'POINT_NOT_FOUND'; Category = 'ObjectNotFound'; Do = { Get-VMBackup -Id 'ZZZZZZ' -Repository $repository } }
        @{ What = 'a repository twice'; Code = 'REPOSITORY_EXISTS'; Category = 'ResourceExists'; Do = { New-VMBackupRepository -Path $repository.Location } }
        @{ What = 'what is not supported yet'; Code = 'NOT_SUPPORTED'; Category = 'NotImplemented'; Do = { Get-VMBackup -Repository $repository | Select-Object -First 1 | Restore-VMBackup -Path $folder } }
    ) {
        $null = & $Do -ErrorAction SilentlyContinue 2>&1 | Tee-Object -Variable problems
        $problems[0].FullyQualifiedErrorId | Should -BeLike "$Code,*"
        $problems[0].CategoryInfo.Category | Should -Be $Category
    }
}
