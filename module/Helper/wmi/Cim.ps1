# The one place that calls the CIM cmdlets. Values reach WMI as typed parameters; into WQL only GUIDs go.

$script:HyperVNamespace = 'root\virtualization\v2'
# @{} for this machine, @{ CimSession = ... } for another.
$script:CimTarget = @{}
# Seconds a single WMI call may take; work that takes longer is a job.
$script:CimTimeout = 120
$script:CimClassCache = @{}

# CIM_Error's codes (DSP0200), as MI reports them in NativeErrorCode.
$script:CimFailures = @{
    AccessDenied     = @('ACCESS_DENIED', 'Run as a member of the Hyper-V Administrators or Administrators group of the host, elevated.')
    InvalidNamespace = @('HOST_NOT_FOUND', 'Install the Hyper-V role (or feature) on this machine, or name a host that has it.')
    InvalidClass     = @('NOT_SUPPORTED', 'This needs Windows Server 2016, Windows 10 or newer on the host.')
    MethodNotFound   = @('NOT_SUPPORTED', 'This needs Windows Server 2016, Windows 10 or newer on the host.')
}

function ConvertTo-CimFailure {
    <#
    .SYNOPSIS
        The protocol's error for what a CIM cmdlet threw; nothing for other exceptions.
    #>
    [CmdletBinding()]
    param([Parameter(Mandatory)] [Exception] $Exception)

    $native = $Exception.PSObject.Properties['NativeErrorCode']
    if (-not $native) { return $null }
    $name = [string] $native.Value
    $known = $script:CimFailures[$name]
    $data = @{ cim = $name }
    foreach ($field in 'MessageId', 'StatusCode') {
        $property = $Exception.PSObject.Properties[$field]
        if ($property -and $null -ne $property.Value) { $data[$field] = [string] $property.Value }
    }
    $lost = Test-CimLost -Exception $Exception
    $code = if ($known) { $known[0] } elseif ($lost) { 'HOST_LOST' } else { 'HELPER_FAILED' }
    $advice = if ($known) { $known[1] } elseif ($lost) { 'Check that the host is up and reachable through WinRM.' } else { '' }
    return @{ code = $code; message = "WMI: $($Exception.Message)".TrimEnd(); advice = $advice; data = $data }
}

function Test-CimLost {
    <#
    .SYNOPSIS
        Whether an exception says that the session to the other host broke off; that has no CIM code of its own.
    #>
    [CmdletBinding()]
    [OutputType([bool])]
    param([Parameter(Mandatory)] [Exception] $Exception)

    if ($script:CimTarget.Count -eq 0) { return $false }
    for ($inner = $Exception; $inner; $inner = $inner.InnerException) {
        $native = $inner.PSObject.Properties['NativeErrorCode']
        $message = $inner.PSObject.Properties['MessageId']
        if ($native -and $message) { return [string] $native.Value -eq 'Failed' -and [string] $message.Value -match '^HRESULT 0x803|^HRESULT 0x800706b' }
    }
    return $false
}

function Invoke-CimRead {
    <#
    .SYNOPSIS
        Asks the host for something that can be asked for twice: a session that dropped is made again, once in a request.
    #>
    [CmdletBinding()]
    param([Parameter(Mandatory)] [scriptblock] $Action)

    try {
        # All of it before any of it: a second try must not repeat the beginning.
        $found = @(& $Action)
    } catch {
        if (-not (Test-CimLost -Exception $_.Exception) -or -not (Restore-HelperSession)) { throw }
        $found = @(& $Action)
    }
    $found
}

function Test-CimNotFound {
    <#
    .SYNOPSIS
        Whether an error says that the instance is not there (any more).
    #>
    [CmdletBinding()]
    [OutputType([bool])]
    param([Parameter(Mandatory)] [System.Management.Automation.ErrorRecord] $ErrorRecord)

    return Test-CimError -ErrorRecord $ErrorRecord -Name 'NotFound'
}

function Test-CimError {
    <#
    .SYNOPSIS
        Whether an error is one of WMI's with one of these names (CIM_Error's codes).
    #>
    [CmdletBinding()]
    [OutputType([bool])]
    param(
        [Parameter(Mandatory)] [System.Management.Automation.ErrorRecord] $ErrorRecord,
        [Parameter(Mandatory)] [string[]] $Name
    )

    for ($exception = $ErrorRecord.Exception; $exception; $exception = $exception.InnerException) {
        $native = $exception.PSObject.Properties['NativeErrorCode']
        if ($native) { return $Name -contains [string] $native.Value }
    }
    return $false
}

function Get-HvInstance {
    <#
    .SYNOPSIS
        Instances of a class of the virtualisation namespace. -Filter is for constants and GUIDs only.
    #>
    [CmdletBinding()]
    param(
        [Parameter(Mandatory)] [string] $ClassName,
        [string] $Filter
    )

    $arguments = @{ Namespace = $script:HyperVNamespace; ClassName = $ClassName; OperationTimeoutSec = $script:CimTimeout }
    if ($Filter) { $arguments['Filter'] = $Filter }
    Invoke-CimRead -Action {
        $target = $script:CimTarget
        Get-CimInstance @arguments @target
    }
}

function Get-HvFresh {
    <#
    .SYNOPSIS
        An instance as it is now; a reference that a method gave carries keys only.
    #>
    [CmdletBinding()]
    param([Parameter(Mandatory)] [object] $InputObject)

    $arguments = @{ InputObject = $InputObject }
    Invoke-CimRead -Action {
        $target = $script:CimTarget
        Get-CimInstance @arguments -OperationTimeoutSec $script:CimTimeout @target
    }
}

function Get-HvAssociated {
    <#
    .SYNOPSIS
        Instances that an association leads to.
    #>
    [CmdletBinding()]
    param(
        [Parameter(Mandatory)] [object] $InputObject,
        [string] $ResultClassName,
        [string] $Association
    )

    $arguments = @{ InputObject = $InputObject; OperationTimeoutSec = $script:CimTimeout }
    if ($ResultClassName) { $arguments['ResultClassName'] = $ResultClassName }
    if ($Association) { $arguments['Association'] = $Association }
    Invoke-CimRead -Action {
        $target = $script:CimTarget
        Get-CimAssociatedInstance @arguments @target
    }
}

function Get-HvCollector {
    <#
    .SYNOPSIS
        The collections that an object is a member of; none where this version of Windows knows none.
    #>
    [CmdletBinding()]
    param(
        [Parameter(Mandatory)] [object] $InputObject,
        [Parameter(Mandatory)] [string] $ResultClassName,
        [Parameter(Mandatory)] [string] $Association
    )

    try {
        Get-HvAssociated -InputObject $InputObject -ResultClassName $ResultClassName -Association $Association
    } catch {
        if (-not (Test-CimError -ErrorRecord $_ -Name 'InvalidClass', 'NotFound')) { throw }
    }
}

function Get-HvClass {
    <#
    .SYNOPSIS
        Declaration of a class, asked for once.
    #>
    [CmdletBinding()]
    param([Parameter(Mandatory)] [string] $ClassName)

    if (-not $script:CimClassCache.ContainsKey($ClassName)) {
        $script:CimClassCache[$ClassName] = Invoke-CimRead -Action {
            $target = $script:CimTarget
            Get-CimClass -Namespace $script:HyperVNamespace -ClassName $ClassName @target
        }
    }
    return $script:CimClassCache[$ClassName]
}

function Test-HvProperty {
    <#
    .SYNOPSIS
        Whether this host's version of a class declares a property.
    #>
    [CmdletBinding()]
    [OutputType([bool])]
    param(
        [Parameter(Mandatory)] [string] $ClassName,
        [Parameter(Mandatory)] [string] $Name
    )

    return @((Get-HvClass -ClassName $ClassName).CimClassProperties | ForEach-Object -Process { $_.Name }) -contains $Name
}

function Get-HvService {
    <#
    .SYNOPSIS
        The single instance of a service class.
    #>
    [CmdletBinding()]
    param([Parameter(Mandatory)] [string] $ClassName)

    $service = Get-HvInstance -ClassName $ClassName | Select-Object -First 1
    if (-not $service) {
        Deny-Request -Code 'HOST_NOT_FOUND' -Message "The host has no $ClassName." -Advice 'Start the Hyper-V Virtual Machine Management service (vmms) on the host.'
    }
    return $service
}

function Get-HvObjectPath {
    <#
    .SYNOPSIS
        \\SERVER\namespace:Class.Key="value",... with backslashes and quotes in values escaped: what string parameters want.
    #>
    [CmdletBinding()]
    [OutputType([string])]
    param([Parameter(Mandatory)] [object] $InputObject)

    $system = $InputObject.CimSystemProperties
    $class = Get-HvClass -ClassName $system.ClassName
    $keys = foreach ($property in $class.CimClassProperties) {
        if (@($property.Qualifiers | ForEach-Object -Process { $_.Name }) -contains 'key') {
            $value = ([string] $InputObject.($property.Name)).Replace('\', '\\').Replace('"', '\"')
            '{0}="{1}"' -f $property.Name, $value
        }
    }
    return '\\{0}\{1}:{2}.{3}' -f $system.ServerName.ToUpperInvariant(), $system.Namespace.Replace('/', '\'), $system.ClassName, (@($keys) -join ',')
}

function Get-HvValue {
    <#
    .SYNOPSIS
        Chosen properties of an instance as plain values: dates as ISO 8601 UTC, arrays as arrays, what is missing as null.
    #>
    [CmdletBinding()]
    [OutputType([hashtable])]
    param(
        [Parameter(Mandatory)] [object] $InputObject,
        [Parameter(Mandatory)] [string[]] $Property
    )

    $values = @{ className = [string] $InputObject.CimSystemProperties.ClassName }
    foreach ($name in $Property) {
        $value = $InputObject.$name
        if ($value -is [datetime]) { $value = $value.ToUniversalTime().ToString('o', [System.Globalization.CultureInfo]::InvariantCulture) }
        $values[$name.Substring(0, 1).ToLowerInvariant() + $name.Substring(1)] = $value
    }
    return $values
}
