# Helpers of the module's tests.

$script:Root = Split-Path -Path (Split-Path -Path $PSScriptRoot -Parent) -Parent
$script:Contract = Get-Content -LiteralPath (Join-Path -Path $PSScriptRoot -ChildPath 'protocol-contract.json') -Raw | ConvertFrom-Json

function Get-ProjectRoot {
    return $script:Root
}

# Makes the module talk to fake-backend.cjs, which plays the steps of a script: method -> steps.
function Use-FakeBackend {
    param([string] $Folder, [hashtable] $Script)

    Clear-SessionBackend
    Remove-Item -Path (Join-Path -Path $Folder -ChildPath '*') -Recurse -Force
    $env:HVBACKUP_FAKE = $Folder
    $env:HVBACKUP_BACKEND = Join-Path -Path $PSScriptRoot -ChildPath 'fake-backend.cjs'
    $json = ConvertTo-Json -InputObject $Script -Depth 20
    [System.IO.File]::WriteAllText((Join-Path -Path $Folder -ChildPath 'script.json'), $json)
}

# Ends the backend that the module keeps for this session.
function Clear-SessionBackend {
    $module = Get-Module -Name 'HyperVBackup'
    if ($module) { & $module { Close-SessionBackend } }
}

function Clear-FakeBackend {
    Clear-SessionBackend
    Remove-Item -Path 'env:HVBACKUP_FAKE', 'env:HVBACKUP_BACKEND' -ErrorAction SilentlyContinue
}

# The messages that the fake backend got, without the handshake.
function Get-Received {
    $path = Join-Path -Path $env:HVBACKUP_FAKE -ChildPath 'received.txt'
    if (-not (Test-Path -LiteralPath $path)) { return }
    foreach ($line in [System.IO.File]::ReadAllLines($path)) {
        $message = ConvertFrom-Json -InputObject $line
        if ($message.method -ne 'initialize') { $message }
    }
}

# Throws where a received request is not what the schemas allow.
function Assert-Contract {
    foreach ($message in Get-Received) {
        if ($message.method.StartsWith('$/')) { continue }
        $method = $script:Contract.methods.PSObject.Properties[$message.method]
        if (-not $method) { throw "There is no method $($message.method)." }
        $given = @($message.params.PSObject.Properties | ForEach-Object -Process { $_.Name })
        if ($method.Value.PSObject.Properties['partial']) { $given = @($given | Where-Object -FilterScript { $_ -ne 'partialResultToken' }) }
        $unknown = @($given | Where-Object -FilterScript { $_ -notin $method.Value.params -and $_ -notin $method.Value.planned })
        $missing = @($method.Value.required | Where-Object -FilterScript { $_ -notin $given })
        if ($unknown) { throw "$($message.method) has no parameter $($unknown -join ', ')." }
        if ($missing) { throw "$($message.method) lacks $($missing -join ', ')." }
    }
}

# Throws where a canned result lacks a field of the schemas, or has one that they do not know.
function Assert-Canned {
    param([string] $Method, [hashtable] $Result, [string[]] $Optional = @())

    $known = @($script:Contract.methods.$Method.result | Where-Object -FilterScript { $_ -notmatch '\.' })
    $unknown = @($Result.Keys | Where-Object -FilterScript { $_ -notin $known })
    $missing = @($known | Where-Object -FilterScript { $_ -notin $Result.Keys -and $_ -notin $Optional })
    if ($unknown -or $missing) { throw "${Method}: unknown $($unknown -join ', '), missing $($missing -join ', ')" }
}

$script:VMId = '11111111-2222-3333-4444-555555555555'
$script:PointId = '01JD9QK4T4W6E8R3M5N7P9S1T2'

function ConvertTo-Secret {
    param([string] $Text)

    $secret = New-Object -TypeName System.Security.SecureString
    foreach ($character in $Text.ToCharArray()) { $secret.AppendChar($character) }
    return $secret
}

function Get-CannedPoint {
    param([string] $Name = 'web01', [string] $Id = $script:PointId)

    return @{
        id = $Id; vmId = $script:VMId; vmName = $Name; createdAt = '2026-11-21T01:02:03.456Z'; kind = 'vm'; mode = 'full'
        consistency = 'application'; size = 136365211648; newBytes = 5000000000; held = $false
    }
}

function Get-CannedDisk {
    return @{
        index = 0; id = 'disk-id'; mode = 'full'; reason = 'There is no earlier restore point.'; size = 136365211648
        changedBytes = 10737418240; readBytes = 10737418240; newBytes = 4999990000
    }
}

function Get-CannedRetry {
    return @{ calls = 12; waitedMs = 1500; errors = @{ ESTALE = 11; EIO = 1 } }
}

function Assert-StorageRetry {
    param([object] $Result)

    if ($Result.StorageRetries.PSObject.TypeNames[0] -ne 'HyperVBackup.StorageRetries') { throw "StorageRetries: $($Result.StorageRetries)" }
    $retries = $Result.StorageRetries
    $said = "$($retries.Calls) $($retries.Waited) ESTALE $($retries.Errors['ESTALE']) EIO $($retries.Errors['EIO']) $($retries.Errors.Count)"
    if ($said -cne '12 00:00:01.5000000 ESTALE 11 EIO 1 2') { throw "StorageRetries: $said" }
}

function Get-CannedBackup {
    param([string] $Name = 'web01', [string[]] $Warning = @())

    $result = @{
        restorePointId = $script:PointId; vmId = $script:VMId; vmName = $Name; kind = 'vm'; mode = 'full'; consistency = 'application'
        createdAt = '2026-11-21T01:02:03.456Z'; metadataBytes = 10000; durationMs = 61500; warnings = $Warning; disks = @(Get-CannedDisk)
        storageRetries = Get-CannedRetry
    }
    Assert-Canned -Method 'vm/backup' -Result $result
    return $result
}

Export-ModuleMember -Function *
