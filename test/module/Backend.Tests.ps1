# How the module talks to its backend: bytes, errors, progress, cancellation, the end. On a fake backend.

BeforeAll {
    Import-Module -Name (Join-Path -Path $PSScriptRoot -ChildPath '../../HyperVBackup.psd1') -Force
    Import-Module -Name (Join-Path -Path $PSScriptRoot -ChildPath 'TestSupport.psm1') -Force
    $manifest = Join-Path -Path (Get-ProjectRoot) -ChildPath 'HyperVBackup.psd1'
    $repository = Join-Path -Path $TestDrive -ChildPath 'repository'
    $fake = (New-Item -Path (Join-Path -Path $TestDrive -ChildPath 'fake') -ItemType Directory -Force).FullName
    $env:HVBACKUP_HOST = 'sim:' + (Join-Path -Path $TestDrive -ChildPath 'host')

    # Waits until the fake backend has ended, and says why it did.
    function Wait-Ended {
        $path = Join-Path -Path $fake -ChildPath 'ended.txt'
        for ($i = 0; $i -lt 100 -and -not (Test-Path -LiteralPath $path); $i++) { Start-Sleep -Milliseconds 50 }
        if (Test-Path -LiteralPath $path) { (Get-Content -LiteralPath $path -Raw).Trim() }
    }
}

AfterAll {
    Clear-FakeBackend
    Remove-Item -Path 'env:HVBACKUP_HOST' -ErrorAction SilentlyContinue
}

Describe 'Messages' {
    It 'are UTF-8 without byte order mark, one a line, handshake first' {
        Use-FakeBackend -Folder $fake -Script @{ 'vm/backup' = @(@{ result = (Get-CannedBackup) }) }
        $name = "B" + [char]0xFC + "ro " + [char]0x5099 + [char]0x4EFD + " 'quoted' ""double"" `$(throw) `n %PATH%"
        $null = Backup-VMRct -Name $name -Repository $repository
        $bytes = [System.IO.File]::ReadAllBytes((Join-Path -Path $fake -ChildPath 'received.txt'))
        $bytes[0] | Should -Be ([byte][char]'{')
        $lines = [System.IO.File]::ReadAllLines((Join-Path -Path $fake -ChildPath 'received.txt'))
        $first = ConvertFrom-Json -InputObject $lines[0]
        $first.method | Should -Be 'initialize'
        $first.params.protocolVersion | Should -Be '1.0'
        $first.params.client.version | Should -Be '0.1.0'
        (Get-Received).params.vm | Should -Be $name
        Assert-Contract
    }

    It 'keep strings strings, also when they look like dates, and times become UTC' {
        foreach ($name in '2026-11-21T01:02:03Z', '2026-11-21', '/Date(1)/', '42', 'true') {
            Use-FakeBackend -Folder $fake -Script @{ 'vm/backup' = @(@{ result = (Get-CannedBackup -Name $name) }) }
            $result = Backup-VMRct -Name 'x' -Repository $repository
            $result.VMName | Should -BeExactly $name
            $result.VMName | Should -BeOfType [string]
            $result.CreatedAt.Kind | Should -Be 'Utc'
            $result.CreatedAt.ToString('o') | Should -Be '2026-11-21T01:02:03.4560000Z'
        }
    }

    It 'are parsed alike by the way for PowerShell 7.0 to 7.4' -Skip:($PSVersionTable.PSVersion.Major -lt 7) {
        InModuleScope -ModuleName 'HyperVBackup' {
            $json = '{"a":[],"b":[1],"c":[[1,2],[]],"d":{"e":null,"f":true},"g":"2026-11-21T01:02:03Z","h":136365211648,"i":1.5,"j":-7}'
            Mock -CommandName Get-Command -MockWith { @{ Parameters = @{} } } -ParameterFilter { $Name -eq 'ConvertFrom-Json' }
            $object = ConvertFrom-BackendJson -Json $json
            ConvertTo-Json -InputObject $object -Depth 5 -Compress | Should -BeExactly $json
            $object.g | Should -BeOfType [string]
            $object.h | Should -BeOfType [long]
        }
    }

    It 'survive a backend that floods stderr' {
        Use-FakeBackend -Folder $fake -Script @{ 'vm/backup' = @(@{ stderr = 4000000 }, @{ result = (Get-CannedBackup) }) }
        (Backup-VMRct -Name 'x' -Repository $repository).VMName | Should -Be 'web01'
    }

    It 'may be large' {
        $points = @(foreach ($number in 1..5000) { Get-CannedPoint -Id "POINT$number" })
        Use-FakeBackend -Folder $fake -Script @{ 'point/list' = @(@{ result = @{ points = $points } }) }
        @(Get-VMBackup -Repository $repository).Count | Should -Be 5000
    }
}

Describe 'Errors' {
    It '<Code> is category <Category>, with advice and data' -ForEach @(
        @{ Code = 'VM_NOT_FOUND'; Category = 'ObjectNotFound'; Type = [System.Management.Automation.ItemNotFoundException] }
        @{ Code = 'PROTOCOL_INVALID'; Category = 'InvalidArgument'; Type = [System.ArgumentException] }
        @{ Code = 'NOT_SUPPORTED'; Category = 'NotImplemented'; Type = [System.NotSupportedException] }
        @{ Code = 'ACCESS_DENIED'; Category = 'PermissionDenied'; Type = [System.UnauthorizedAccessException] }
        @{ Code = 'BACKUP_IN_PROGRESS'; Category = 'ResourceBusy'; Type = [System.InvalidOperationException] }
        @{ Code = 'REPOSITORY_DAMAGED'; Category = 'InvalidData'; Type = [System.IO.InvalidDataException] }
        @{ Code = 'DISK_FULL'; Category = 'LimitsExceeded'; Type = [System.IO.IOException] }
        @{ Code = 'INTERNAL'; Category = 'NotSpecified'; Type = [System.InvalidOperationException] }
    ) {
        $failure = @{ code = $Code; message = 'What happened.'; advice = 'What to do.'; data = @{ known = @('a', 'b') } }
        Use-FakeBackend -Folder $fake -Script @{ 'vm/backup' = @(@{ error = $failure }) }
        $null = Backup-VMRct -Name 'x' -Repository $repository -ErrorVariable problems -ErrorAction SilentlyContinue
        $problems.Count | Should -Be 1
        $problems[0].FullyQualifiedErrorId | Should -Be "$Code,Backup-VMRct"
        $problems[0].CategoryInfo.Category | Should -Be $Category
        $problems[0].Exception | Should -BeOfType $Type
        "$($problems[0])" | Should -Be 'What happened.'
        $problems[0].ErrorDetails.RecommendedAction | Should -Be 'What to do.'
        $problems[0].Exception.Data['Code'] | Should -Be $Code
        (ConvertFrom-Json -InputObject $problems[0].Exception.Data['Data']).known | Should -Be @('a', 'b')
        $problems[0].TargetObject | Should -Be 'x'
    }

    It 'of one virtual machine do not stop the next; -ErrorAction Stop does' {
        $script = @{ 'vm/backup' = @(@{ error = @{ code = 'VM_NOT_FOUND'; message = 'No.' } }) }
        Use-FakeBackend -Folder $fake -Script $script
        $null = 'a', 'b' | Backup-VMRct -Repository $repository -ErrorVariable problems -ErrorAction SilentlyContinue
        $problems.Count | Should -Be 2
        Use-FakeBackend -Folder $fake -Script $script
        { 'a', 'b' | Backup-VMRct -Repository $repository -ErrorAction Stop } | Should -Throw -ErrorId 'VM_NOT_FOUND,Backup-VMRct'
        @(Get-Received).Count | Should -Be 1
        Wait-Ended | Should -Be 'end of stdin'
    }

    It 'tell when the backend ended, with what it said' {
        Use-FakeBackend -Folder $fake -Script @{ 'vm/backup' = @(@{ exit = 7 }) }
        $null = Backup-VMRct -Name 'x' -Repository $repository -ErrorVariable problems -ErrorAction SilentlyContinue
        $problems[0].FullyQualifiedErrorId | Should -Be 'BACKEND_FAILED,Backup-VMRct'
        "$($problems[0])" | Should -Match 'the reason it ended'
    }

    It 'tell when there is no backend, or no Node' {
        $env:HVBACKUP_NODE = Join-Path -Path $TestDrive -ChildPath 'none'
        try {
            { Get-VMBackup -Repository $repository -ErrorAction Stop } | Should -Throw -ErrorId 'BACKEND_FAILED*'
            # There is one on PATH.
            $env:HVBACKUP_NODE = 'node'
            { Get-VMBackup -Repository $repository -ErrorAction Stop } | Should -Throw -ErrorId 'BACKEND_FAILED*' -ExpectedMessage '*absolute path*'
        } finally {
            Remove-Item -Path 'env:HVBACKUP_NODE'
        }
        $env:HVBACKUP_BACKEND = Join-Path -Path $TestDrive -ChildPath 'none.cjs'
        { Get-VMBackup -Repository $repository -ErrorAction Stop } | Should -Throw -ErrorId 'BACKEND_FAILED*'
    }

    It 'tell when the versions do not fit' {
        $failure = @{ code = 'PROTOCOL_VERSION'; message = 'Versions.'; advice = 'Install both.' }
        Use-FakeBackend -Folder $fake -Script @{ initialize = @(@{ error = $failure }) }
        { Get-VMBackup -Repository $repository -ErrorAction Stop } | Should -Throw -ErrorId 'PROTOCOL_VERSION*'
        Wait-Ended | Should -Be 'end of stdin'
    }
}

Describe 'Progress and warnings' {
    It 'are shown, five times a second at most, with remaining time, and completed' {
        $steps = @(foreach ($number in 0..40) {
                @{ progress = @{ phase = 'read'; disk = 1; doneBytes = $number * 1048576; totalBytes = 41943040; bytesPerSecond = 1048576; remainingMs = 2500 }; waitMs = 20 }
            }) + @{ warning = 'The guest was slow.' } + @{ result = (Get-CannedBackup -Warning 'Crash-consistent.') }
        Use-FakeBackend -Folder $fake -Script @{ 'vm/backup' = $steps }
        $shell = [powershell]::Create()
        try {
            $null = $shell.AddCommand('Import-Module').AddArgument($manifest).AddStatement()
            $null = $shell.AddCommand('Backup-VMRct').AddParameter('Name', 'x').AddParameter('Repository', $repository)
            $watch = [System.Diagnostics.Stopwatch]::StartNew()
            $result = $shell.Invoke()
            $records = @($shell.Streams.Progress | Where-Object -FilterScript { $_.Activity -eq 'Backing up x' })
            $result.VMName | Should -Be 'web01'
            $records.Count | Should -BeGreaterThan 3
            $records.Count | Should -BeLessOrEqual ($watch.ElapsedMilliseconds / 200 + 2)
            $records[-1].RecordType | Should -Be 'Completed'
            $records[-2].StatusDescription | Should -Match '^read disk 1, .* of 40 MiB, 1 MiB/s$'
            $records[-2].SecondsRemaining | Should -Be 3
            $records[-2].PercentComplete | Should -BeGreaterThan 50
            @($shell.Streams.Warning | ForEach-Object -Process { "$_" }) | Should -Be @('The guest was slow.', 'Crash-consistent.')
        } finally {
            $shell.Dispose()
        }
    }
}

Describe 'The end' {
    It 'comes to the backend with each call' {
        Use-FakeBackend -Folder $fake -Script @{ 'vm/backup' = @(@{ result = (Get-CannedBackup) }) }
        $null = Backup-VMRct -Name 'x' -Repository $repository
        Wait-Ended | Should -Be 'end of stdin'
        foreach ($id in Get-Content -LiteralPath (Join-Path -Path $fake -ChildPath 'processes.txt')) {
            Get-Process -Id $id -ErrorAction SilentlyContinue | Should -BeNullOrEmpty
        }
    }

    It 'comes by Ctrl-C: the request is cancelled, stdin is closed' {
        Use-FakeBackend -Folder $fake -Script @{ 'vm/backup' = @(@{ progress = @{ phase = 'read' } }, @{ hang = $true }) }
        $shell = [powershell]::Create()
        try {
            $null = $shell.AddCommand('Import-Module').AddArgument($manifest).AddStatement()
            $null = $shell.AddCommand('Backup-VMRct').AddParameter('Name', 'x').AddParameter('Repository', $repository)
            $running = $shell.BeginInvoke()
            for ($i = 0; $i -lt 200 -and -not $shell.Streams.Progress.Count; $i++) { Start-Sleep -Milliseconds 50 }
            $watch = [System.Diagnostics.Stopwatch]::StartNew()
            $shell.Stop()
            $watch.ElapsedMilliseconds | Should -BeLessThan 5000
            $running.IsCompleted | Should -BeTrue
        } finally {
            $shell.Dispose()
        }
        Wait-Ended | Should -Be 'end of stdin'
        $received = @(Get-Received)
        $received[-1].method | Should -Be '$/cancelRequest'
        $received[-1].params.id | Should -Be $received[-2].id
    }

    It 'comes when the pipeline is cut short' {
        $points = @(foreach ($number in 1..50) { Get-CannedPoint -Id "POINT$number" })
        Use-FakeBackend -Folder $fake -Script @{ 'point/list' = @(@{ result = @{ points = $points; nextCursor = 'more' } }) }
        (Get-VMBackup -Repository $repository | Select-Object -First 1).Id | Should -Be 'POINT1'
        Wait-Ended | Should -Be 'end of stdin'
        @(Get-Received).Count | Should -Be 1
    }
}
