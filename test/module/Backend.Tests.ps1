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

Describe 'The backend of a session' {
    BeforeAll {
        # Process ids of the fake backends that were started.
        function Get-Started { @(Get-Content -LiteralPath (Join-Path -Path $fake -ChildPath 'processes.txt')) }
        function Wait-Gone {
            param([int] $Id)
            for ($i = 0; $i -lt 200 -and (Get-Process -Id $Id -ErrorAction SilentlyContinue); $i++) { Start-Sleep -Milliseconds 50 }
            -not (Get-Process -Id $Id -ErrorAction SilentlyContinue)
        }
    }

    It 'serves every command, and asks to end by itself when it is idle' {
        Use-FakeBackend -Folder $fake -Script @{ 'vm/backup' = @(@{ result = (Get-CannedBackup) }); 'point/list' = @(@{ result = @{ points = @((Get-CannedPoint)) } }) }
        $null = 'a', 'b' | Backup-VMRct -Repository $repository
        $null = Get-VMBackup -Repository $repository
        @(Get-Started).Count | Should -Be 1
        @(Get-Received).Count | Should -Be 3
        @((Get-Received).id | Select-Object -Unique).Count | Should -Be 3
        $first = ConvertFrom-Json -InputObject ([System.IO.File]::ReadAllLines((Join-Path -Path $fake -ChildPath 'received.txt'))[0])
        $first.params.idleTimeoutMs | Should -Be 60000
    }

    It 'ends with the module' {
        Use-FakeBackend -Folder $fake -Script @{ 'vm/backup' = @(@{ result = (Get-CannedBackup) }) }
        $null = Backup-VMRct -Name 'x' -Repository $repository
        try {
            Remove-Module -Name 'HyperVBackup'
            Wait-Ended | Should -Be 'end of stdin'
            Wait-Gone -Id @(Get-Started)[0] | Should -BeTrue
        } finally {
            Import-Module -Name $manifest -Force
        }
    }

    It 'ends with the process of the session, also when that is killed: <State>' -ForEach @(
        @{ State = 'idle'; Steps = @(@{ result = $null }) }
        @{ State = 'at work'; Steps = @(@{ progress = @{ phase = 'read' } }, @{ hang = $true }) }
    ) {
        if ($State -eq 'idle') { $Steps = @(@{ result = (Get-CannedBackup) }) }
        Use-FakeBackend -Folder $fake -Script @{ 'vm/backup' = $Steps }
        $shell = [System.Diagnostics.Process]::GetCurrentProcess().MainModule.FileName
        $command = "Import-Module -Name '$manifest'; `$null = Backup-VMRct -Name x -Repository '$repository'; Start-Sleep -Seconds 120"
        $start = New-Object -TypeName System.Diagnostics.ProcessStartInfo -ArgumentList $shell
        $start.Arguments = '-NoProfile -NonInteractive -EncodedCommand ' + [Convert]::ToBase64String([System.Text.Encoding]::Unicode.GetBytes($command))
        $start.UseShellExecute = $false
        $process = [System.Diagnostics.Process]::Start($start)
        try {
            for ($i = 0; $i -lt 600 -and -not @(Get-Received).Count; $i++) { Start-Sleep -Milliseconds 50 }
            @(Get-Received).Count | Should -Be 1
        } finally {
            $process.Kill()
        }
        Wait-Ended | Should -Be 'end of stdin'
        Wait-Gone -Id @(Get-Started)[0] | Should -BeTrue
    }

    It 'is started anew when it has died, or has ended because it was idle' {
        Use-FakeBackend -Folder $fake -Script @{ 'vm/backup' = @(@{ result = (Get-CannedBackup) }) }
        $null = Backup-VMRct -Name 'x' -Repository $repository
        Stop-Process -Id @(Get-Started)[0] -Force
        (Wait-Gone -Id @(Get-Started)[0]) | Should -BeTrue
        (Backup-VMRct -Name 'x' -Repository $repository).VMName | Should -Be 'web01'
        @(Get-Started).Count | Should -Be 2

        # The request was on its way when it ended: it was not begun, and goes to another one.
        Use-FakeBackend -Folder $fake -Script @{ 'vm/backup' = @(@{ ending = $true }, @{ result = (Get-CannedBackup) }) }
        (Backup-VMRct -Name 'x' -Repository $repository).VMName | Should -Be 'web01'
        @(Get-Started).Count | Should -Be 2
        @(Get-Received).Count | Should -Be 2
    }

    It 'is started anew when the environment that it was started with has changed' {
        Use-FakeBackend -Folder $fake -Script @{ 'vm/backup' = @(@{ result = (Get-CannedBackup) }) }
        $null = Backup-VMRct -Name 'x' -Repository $repository
        $env:HVBACKUP_STATE_DIR = Join-Path -Path $TestDrive -ChildPath 'other'
        try {
            $null = Backup-VMRct -Name 'x' -Repository $repository
        } finally {
            Remove-Item -Path 'env:HVBACKUP_STATE_DIR'
        }
        @(Get-Started).Count | Should -Be 2
        Wait-Gone -Id @(Get-Started)[0] | Should -BeTrue
    }

    It 'survives Ctrl-C: the request is cancelled and cleaned up, and the next command is served by the same process' {
        Use-FakeBackend -Folder $fake -Script @{
            'vm/backup'  = @(@{ progress = @{ phase = 'read' } }, @{ hang = $true })
            'point/list' = @(@{ result = @{ points = @((Get-CannedPoint)) } })
        }
        $space = [runspacefactory]::CreateRunspace()
        $space.Open()
        $shell = [powershell]::Create()
        $shell.Runspace = $space
        try {
            $null = $shell.AddCommand('Import-Module').AddArgument($manifest).AddStatement()
            $null = $shell.AddCommand('Backup-VMRct').AddParameter('Name', 'x').AddParameter('Repository', $repository)
            $running = $shell.BeginInvoke()
            for ($i = 0; $i -lt 200 -and -not $shell.Streams.Progress.Count; $i++) { Start-Sleep -Milliseconds 50 }
            $watch = [System.Diagnostics.Stopwatch]::StartNew()
            $shell.Stop()
            $watch.ElapsedMilliseconds | Should -BeLessThan 5000
            $running.IsCompleted | Should -BeTrue
            $received = @(Get-Received)
            $received[-1].method | Should -Be '$/cancelRequest'
            $received[-1].params.id | Should -Be $received[-2].id

            $next = [powershell]::Create()
            $next.Runspace = $space
            $null = $next.AddCommand('Get-VMBackup').AddParameter('Repository', $repository)
            $next.Invoke().Id | Should -Be (Get-CannedPoint).id
            $null = $next.AddStatement().AddCommand('Remove-Module').AddArgument('HyperVBackup')
            $next.Dispose()
            @(Get-Started).Count | Should -Be 1
        } finally {
            $shell.Dispose()
            $space.Dispose()
        }
    }

    It 'is killed when it does not clean up a cancelled request, and does not hold up the session' {
        Use-FakeBackend -Folder $fake -Script @{ deaf = $true; 'vm/backup' = @(@{ hang = $true }) }
        InModuleScope -ModuleName 'HyperVBackup' {
            $backend = Get-Backend
            $backend.Inbox['77'] = New-Object -TypeName 'System.Collections.Generic.Queue[object]'
            Close-BackendRequest -Backend $backend -Id 77 -TimeoutMs 500
            $backend.Process.WaitForExit(10000) | Should -BeTrue
            $backend.Closed | Should -BeTrue
        }
    }

    It 'is asked for no more when the pipeline is cut short' {
        $points = @(foreach ($number in 1..50) { Get-CannedPoint -Id "POINT$number" })
        Use-FakeBackend -Folder $fake -Script @{ 'point/list' = @(@{ result = @{ points = $points; nextCursor = 'more' } }) }
        (Get-VMBackup -Repository $repository | Select-Object -First 1).Id | Should -Be 'POINT1'
        @(Get-Received).Count | Should -Be 1
    }

    It 'serves two commands of one pipeline, each its own answers' {
        $points = @(foreach ($number in 1..5) { Get-CannedPoint -Id "POINT$number" })
        $verified = @{ ok = $true; points = @('P'); verifiedBytes = 1; readBytes = 1; damages = @(); moreDamages = 0; losses = @(); durationMs = 5 }
        Use-FakeBackend -Folder $fake -Script @{ 'point/list' = @(@{ result = @{ points = $points } }); 'repository/verify' = @(@{ progress = @{ phase = 'verify' } }, @{ result = $verified }) }
        @(Get-VMBackup -Repository $repository | Test-VMBackup).Healthy | Should -Be @($true, $true, $true, $true, $true)
        @((Get-Received).params.point | Where-Object -FilterScript { $_ }) | Should -Be @($points.id)
        @(Get-Started).Count | Should -Be 1
    }
}

Describe 'Results that come one by one' {
    It 'go down the pipeline as each virtual machine is done, and cancel the rest when nobody wants more' {
        Use-FakeBackend -Folder $fake -Script @{ 'host/backup' = @(@{ partial = (Get-CannedBackup -Name 'a') }, @{ hang = $true }) }
        $first = 'a', 'b' | Backup-VMRct -Repository $repository -ThrottleLimit 2 | Select-Object -First 1
        $first.VMName | Should -Be 'a'
        $received = @(Get-Received)
        $received[-1].method | Should -Be '$/cancelRequest'
        Assert-Contract
    }

    It 'are each given once, and keep to what the others downstream ask of the same backend' {
        $script = @{
            'host/backup'       = @(@{ result = @{ asked = 2; results = @((Get-CannedBackup -Name 'a'), (Get-CannedBackup -Name 'b')) } })
            'repository/verify' = @(@{ result = @{ ok = $true; points = @('P'); verifiedBytes = 1; readBytes = 1; damages = @(); moreDamages = 0; losses = @(); durationMs = 5 } })
        }
        Use-FakeBackend -Folder $fake -Script $script
        @('a', 'b' | Backup-VMRct -Repository $repository -ThrottleLimit 2 | Test-VMBackup).Healthy | Should -Be @($true, $true)
        @((Get-Received).method) | Should -Be @('host/backup', 'repository/verify', 'repository/verify')
    }
}
