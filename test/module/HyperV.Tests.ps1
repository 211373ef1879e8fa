# The whole way on a Hyper-V host made of doubles: cmdlet, backend, node-powershell, the real helper script, WMI and virtdisk.dll.
# What restore points hold is compared with a raw copy that gets the guest's writes beside its disks.

BeforeDiscovery {
    $root = Split-Path -Path (Split-Path -Path $PSScriptRoot -Parent) -Parent
    $built = Test-Path -LiteralPath (Join-Path -Path $root -ChildPath 'build/out/hvbackup.cjs')
    $linux = [System.IO.Path]::DirectorySeparatorChar -eq '/' -and (Test-Path -LiteralPath '/proc/self')
    $ready = $built -and $linux -and (Get-Command -Name 'gcc' -CommandType Application -ErrorAction SilentlyContinue)
}

BeforeAll {
    Import-Module -Name (Join-Path -Path $PSScriptRoot -ChildPath '../../HyperVBackup.psd1') -Force
    Import-Module -Name (Join-Path -Path $PSScriptRoot -ChildPath 'TestSupport.psm1') -Force
}

Describe 'Hyper-V, made of doubles (skipped without Linux, gcc and a built backend)' -Skip:(-not $ready) {
    BeforeAll {
        Clear-FakeBackend
        $node = InModuleScope -ModuleName 'HyperVBackup' { Get-NodePath }
        $bundle = Join-Path -Path (Get-ProjectRoot) -ChildPath 'build/out/hvbackup.cjs'
        # Above what Windows takes without the prefix for long paths, with one name as long as a name can be.
        $folder = Join-Path -Path $TestDrive -ChildPath ("it's [1] `$(throw) " + [char]0xFC + '/' + ('n' * 255))
        $null = New-Item -Path ([WildcardPattern]::Escape($folder)) -ItemType Directory -Force
        $lab = Join-Path -Path $folder -ChildPath 'lab'
        $secret = 'correct horse ' + [char]0x00E9
        # What would do something if it were ever script, a query, a pattern, a path or a date.
        $name = "O'Brien; throw ""x"" `$(throw) ``n ``" + "`n" + 'New-Item PWNED [a-z]*? %TEMP% ' + [char]0x6771 + [char]0x4EAC
        $kept = @{}
        foreach ($variable in 'HVBACKUP_POWERSHELL', 'HVBACKUP_STATE_DIR', 'HVBACKUP_HOST', 'HVBACKUP_TRACE') {
            $kept[$variable] = [System.Environment]::GetEnvironmentVariable($variable)
        }
        $env:HVBACKUP_HOST = 'hyperv:'
        $env:HVBACKUP_STATE_DIR = Join-Path -Path $folder -ChildPath 'state'
        $env:HVBACKUP_POWERSHELL = & $node (Join-Path -Path (Get-ProjectRoot) -ChildPath 'test/helper/make-double.ts') (Join-Path -Path $folder -ChildPath 'double') $lab
        if ($LASTEXITCODE -ne 0) { throw 'the doubles could not be made' }

        function Invoke-Hvbackup {
            # Not as a command line: PowerShell would expand patterns in it.
            $start = New-Object -TypeName System.Diagnostics.ProcessStartInfo -ArgumentList $node
            foreach ($argument in @($bundle) + $args + '--json') { $start.ArgumentList.Add([string]$argument) }
            $start.RedirectStandardOutput = $true
            $process = [System.Diagnostics.Process]::Start($start)
            $answer = $process.StandardOutput.ReadToEnd()
            $process.WaitForExit()
            if ($process.ExitCode -ne 0) { throw "hvbackup $args ended with $($process.ExitCode)" }
            ConvertFrom-Json -InputObject $answer
        }

        # What the next calls on the host shall do: test/helper/double/state.ts, Behaviour.
        function Use-HostBehaviour {
            param([hashtable] $Behaviour)

            [System.IO.File]::WriteAllText("$lab.behaviour.json", (ConvertTo-Json -InputObject $Behaviour -Depth 5))
        }

        function Get-RandomByte {
            param([int] $Count, [int] $Seed)

            $bytes = New-Object -TypeName byte[] -ArgumentList $Count
            (New-Object -TypeName System.Random -ArgumentList $Seed).NextBytes($bytes)
            return , $bytes
        }

        # The guest writes; the raw copy of its disk gets the same.
        function Write-Guest {
            param([int] $Disk, [long] $Offset, [byte[]] $Data)

            $patch = Join-Path -Path $folder -ChildPath 'patch.bin'
            [System.IO.File]::WriteAllBytes($patch, $Data)
            $null = Invoke-Hvbackup vm write --host "sim:$lab" --vm $vm.id --disk $Disk --offset $Offset --file $patch
            $copy = [System.IO.File]::OpenWrite($copies[$Disk])
            try {
                $copy.Position = $Offset
                $copy.Write($Data, 0, $Data.Length)
            } finally {
                $copy.Dispose()
            }
        }

        function Get-CopyHash {
            foreach ($copy in $copies) { (Get-FileHash -LiteralPath $copy).Hash }
        }

        function Get-ExportedHash {
            param($Point)

            $to = Join-Path -Path $folder -ChildPath ([guid]::NewGuid())
            foreach ($file in $Point | Export-VMBackupData -Path $to -Format Raw | Sort-Object -Property DiskNumber) { (Get-FileHash -LiteralPath $file.Path).Hash }
            Remove-Item -LiteralPath $to -Recurse -Force
        }

        # 3 MiB that do not compress, then zeros; and a second disk that holds nothing yet.
        $images = foreach ($size in 8MB, 4MB) {
            $path = Join-Path -Path $folder -ChildPath "source-$size.raw"
            $stream = [System.IO.File]::Create($path)
            if ($size -eq 8MB) { $stream.Write((Get-RandomByte -Count 3MB -Seed 7), 0, 3MB) }
            $stream.SetLength($size)
            $stream.Dispose()
            $path
        }
        $vm = (Invoke-Hvbackup vm create --host "sim:$lab" --name $name --disk $images[0] --disk $images[1]).vm
        $copies = foreach ($image in $images) { Copy-Item -LiteralPath $image -Destination "$image.copy" -PassThru | ForEach-Object -Process { $_.FullName } }
        $repository = New-VMBackupRepository -Path (Join-Path -Path $folder -ChildPath 'backups') -Passphrase (ConvertTo-Secret -Text $secret)
        $trace = Join-Path -Path $folder -ChildPath 'trace.jsonl'
        # Restore points in order, each with the hashes of what the guest had then.
        $made = New-Object -TypeName 'System.Collections.Generic.List[object]'
    }

    AfterAll {
        foreach ($variable in $kept.Keys) { [System.Environment]::SetEnvironmentVariable($variable, $kept[$variable]) }
    }

    It 'lies deeper than 260 characters' {
        $lab.Length | Should -BeGreaterThan 260
        Test-Path -LiteralPath $lab | Should -BeTrue
    }

    It 'is looked at: how its VM will be read' {
        $found = Test-VMBackupPrerequisite -Name $name
        $found.VMName | Should -BeExactly $name
        $found.VMId | Should -Be ([guid]$vm.id)
        $found.Ready | Should -BeTrue
        $found.Method | Should -Be 'Native'
        $found.Changes | Should -Be 'Virtdisk'
        $found.Findings | Where-Object -FilterScript { $_.Severity -eq 'Error' } | Should -BeNullOrEmpty
    }

    It 'is backed up in full, then three times incrementally' {
        Start-VMBackupTrace -Path $trace
        try {
            foreach ($run in 0..3) {
                if ($run -gt 0) {
                    Write-Guest -Disk 0 -Offset (1MB * $run + 512) -Data (Get-RandomByte -Count 5000 -Seed $run)
                    Write-Guest -Disk 1 -Offset (700000 * $run) -Data (Get-RandomByte -Count 70000 -Seed (100 + $run))
                }
                $result = Backup-VMRct -Name $name -Repository $repository -WarningVariable warnings
                $warnings | Should -BeNullOrEmpty
                $result.VMName | Should -BeExactly $name
                $result.Kind | Should -Be 'VM'
                $result.Consistency | Should -Be 'Application'
                $result.Mode | Should -Be $(if ($run) { 'Incremental' } else { 'Full' })
                if ($run) { ($result.Disks | Measure-Object -Property ChangedBytes -Sum).Sum | Should -BeLessThan 256KB }
                $made.Add(@{ Point = $result; Hashes = @(Get-CopyHash) })
            }
        } finally {
            Stop-VMBackupTrace
        }
        $points = @(Get-VMBackup -Repository $repository)
        $points.Id | Should -Be @($made | ForEach-Object -Process { $_.Point.RestorePointId })
        $points[0].VMName | Should -BeExactly $name
    }

    It 'left one reference point of ours, and no checkpoint' {
        $exchanges = foreach ($line in [System.IO.File]::ReadAllLines($trace)) { ConvertFrom-Json -InputObject $line }
        $last = @($exchanges | Where-Object -FilterScript { $_.method -eq 'listReferencePoints' })[-1]
        @($last.answer.result.referencePoints).Count | Should -BeLessOrEqual 2
        Get-ChildItem -LiteralPath $lab -Recurse -Filter '*.avhdx' | Should -BeNullOrEmpty
    }

    It 'was recorded: every exchange, and no passphrase; and is not any more' {
        $text = [System.IO.File]::ReadAllText($trace)
        foreach ($method in 'open', 'createSnapshot', 'queryChanges', 'configurationFiles', 'convertSnapshot', 'destroyReferencePoint') {
            $text | Should -Match """method"":""$method"""
        }
        $text.Contains($secret) | Should -BeFalse
        $null = Test-VMBackupPrerequisite -Name $name
        [System.IO.File]::ReadAllText($trace).Length | Should -Be $text.Length
    }

    It 'gives back what the guest had written, at each restore point' {
        foreach ($entry in $made) { @(Get-ExportedHash -Point $entry.Point) | Should -Be $entry.Hashes }
        (Test-VMBackup -Repository $repository).Healthy | Should -BeTrue
    }

    It 'is exported as VHDX, which qemu-img reads the same' -Skip:(-not (Get-Command -Name 'qemu-img' -CommandType Application -ErrorAction SilentlyContinue)) {
        $to = Join-Path -Path $folder -ChildPath 'vhdx'
        foreach ($file in $made[-1].Point | Export-VMBackupData -Path $to -Format Vhdx) {
            # qemu-img takes some characters of a path for options.
            $link = New-Item -Path (Join-Path -Path $TestDrive -ChildPath "exported-$($file.DiskNumber).vhdx") -ItemType SymbolicLink -Target $file.Path
            $raw = Join-Path -Path $TestDrive -ChildPath 'again.raw'
            & qemu-img convert -f vhdx -O raw $link.FullName $raw
            $LASTEXITCODE | Should -Be 0
            (Get-FileHash -LiteralPath $raw).Hash | Should -Be $made[-1].Hashes[$file.DiskNumber]
        }
    }

    It 'is restored beside itself, as VM backup and as data, with the content of that restore point' {
        $entry = $made[1]
        $restored = foreach ($kind in 'VM', 'Data') {
            $result = $entry.Point | Restore-VMBackup -GenerateNewId -Name "$name $kind" -Kind $kind -SwitchName 'default switch' -WarningAction SilentlyContinue
            @($result.NetworkAdapters.SwitchName) | Should -Be @('Default Switch')
            $result.VMName | Should -BeExactly "$name $kind"
            $result.VMId | Should -Not -Be ([guid]$vm.id)
            $result.Disks.Count | Should -Be 2
            $result
        }
        $again = @(Backup-VMRct -Id $restored.VMId -Repository $repository)
        $again.VMName | Should -BeExactly $restored.VMName
        foreach ($point in $again) {
            $point.Mode | Should -Be 'Full'
            @(Get-ExportedHash -Point $point) | Should -Be $entry.Hashes
        }
    }

    It 'is not restored over itself unless told to; then it is what it was' {
        $entry = $made[2]
        $null = $entry.Point | Restore-VMBackup -ErrorVariable problems -ErrorAction SilentlyContinue
        $problems[0].FullyQualifiedErrorId | Should -Be 'VM_EXISTS,Restore-VMBackup'
        $null = $entry.Point | Restore-VMBackup -GenerateNewId -SwitchName 'No Such' -ErrorVariable problems -ErrorAction SilentlyContinue
        $problems[0].FullyQualifiedErrorId | Should -Be 'SWITCH_NOT_FOUND,Restore-VMBackup'
        $problems[0].ErrorDetails.RecommendedAction | Should -Match 'Default Switch'
        $restored = $entry.Point | Restore-VMBackup -Replace -Force -WarningAction SilentlyContinue
        $restored.Replaced | Should -BeTrue
        $restored.VMId | Should -Be ([guid]$vm.id)
        $again = Backup-VMRct -Id $vm.id -Repository $repository
        # Change tracking began anew.
        $again.Mode | Should -Be 'Full'
        @(Get-ExportedHash -Point $again) | Should -Be $entry.Hashes
    }

    It 'says what the host said: <What>' -ForEach @(
        @{ What = 'no such VM'; Code = 'VM_NOT_FOUND'; Match = 'O''Brien'; Behaviour = @{} }
        @{ What = 'a checkpoint that fails'; Code = 'CHECKPOINT_FAILED'; Match = 'Not enough storage'; Behaviour = @{ jobFails = @{ CreateSnapshot = @{ errorCode = 32778; error = 'Not enough storage (0x80070008).' } } } }
        @{ What = 'no rights'; Code = 'ACCESS_DENIED'; Match = 'denied'; Behaviour = @{ accessDenied = $true } }
    ) {
        Use-HostBehaviour -Behaviour $Behaviour
        try {
            $target = if ($Behaviour.Count) { $vm.id } else { "$name." }
            $null = Backup-VMRct -Name $target -Repository $repository -ErrorVariable problems -ErrorAction SilentlyContinue
            $problems.Count | Should -Be 1
            $problems[0].FullyQualifiedErrorId | Should -Be "$Code,Backup-VMRct"
            "$($problems[0])" | Should -Match $Match
            $problems[0].ErrorDetails.RecommendedAction | Should -Not -BeNullOrEmpty
        } finally {
            Use-HostBehaviour -Behaviour @{}
        }
    }

    It 'is backed up crash-consistently where that is allowed, and it is said' {
        $null = Invoke-Hvbackup host fault --host "sim:$lab" --set application-consistency-refused --vm $vm.id --count 2
        $null = Backup-VMRct -Name $vm.id -Repository $repository -ErrorVariable problems -ErrorAction SilentlyContinue
        $problems[0].FullyQualifiedErrorId | Should -Be 'CONSISTENCY_NOT_POSSIBLE,Backup-VMRct'
        $result = Backup-VMRct -Name $vm.id -Repository $repository -AllowCrashConsistent -WarningAction SilentlyContinue -WarningVariable warnings
        $result.Consistency | Should -Be 'Crash'
        "$warnings" | Should -Match 'crash-consistent'
    }

    It 'takes names for names, whatever they are' {
        $names = @(
            '$(New-Item PWNED)', "a';New-Item PWNED;'b", '"; New-Item PWNED; "', "a`nNew-Item PWNED`nb", '`n`$env:PATH`', '[a-z]*?', "' OR Name LIKE '%", '@{a=1}'
            '&amp;<VALUE>]]>', '2026-01-01T00:00:00Z', '/Date(0)/', '%TEMP%\..\x', ('x' * 100), ([char]0x2713 + ' ' + [char]0xDC + 'n' + [char]0x202E + 'rtl')
        )
        $image = Join-Path -Path $folder -ChildPath 'small.raw'
        [System.IO.File]::WriteAllBytes($image, (Get-RandomByte -Count 1MB -Seed 3))
        foreach ($each in $names) { $null = Invoke-Hvbackup vm create --host "sim:$lab" --name $each --disk $image }
        $results = @($names | Backup-VMRct -Repository $repository)
        $results.VMName | Should -BeExactly $names
        foreach ($each in $names) { @(Get-VMBackup -Name ([WildcardPattern]::Escape($each)) -Repository $repository).VMName | Should -BeExactly $each }
        $restored = $results[0] | Restore-VMBackup -GenerateNewId -Name ('$(New-Item PWNED2)' + $names[3]) -WarningAction SilentlyContinue
        $restored.VMName | Should -BeExactly ('$(New-Item PWNED2)' + $names[3])
        Get-ChildItem -LiteralPath $TestDrive, (Get-Location).Path -Filter 'PWNED*' -Force | Should -BeNullOrEmpty
    }
}
