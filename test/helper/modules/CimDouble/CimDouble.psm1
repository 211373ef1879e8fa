# The CIM cmdlets, as far as the helper uses them, over test/helper/double/server.ts. Strict where WMI is: names and types of parameters
# and properties, read-only properties of fetched instances, references that carry keys only.

function New-DoubleException {
    # As CimException shows itself. No class of our own: compiling one takes longer than all the rest of this file.
    [Diagnostics.CodeAnalysis.SuppressMessageAttribute('PSUseShouldProcessForStateChangingFunctions', '')]
    param([string] $Message, [string] $Native)

    $exception = New-Object -TypeName 'System.InvalidOperationException' -ArgumentList $Message
    $exception.PSObject.Properties.Add([psnoteproperty]::new('NativeErrorCode', $Native))
    $exception.PSObject.Properties.Add([psnoteproperty]::new('MessageId', "DOUBLE $Native"))
    return $exception
}

$script:Server = $null
$script:Session = $null
$script:Connected = $false
$script:Classes = @{}

function Invoke-WmiDouble {
    <#
    .SYNOPSIS
        One request to the double's process, which is started with the first.
    #>
    [CmdletBinding()]
    param([Parameter(Mandatory)] [hashtable] $Request)

    if (-not $script:Server -or $script:Server.HasExited) {
        $start = New-Object -TypeName 'System.Diagnostics.ProcessStartInfo' -ArgumentList $env:WMI_DOUBLE_NODE
        $start.ArgumentList.Add($env:WMI_DOUBLE_SERVER)
        $start.RedirectStandardInput = $true
        $start.RedirectStandardOutput = $true
        $start.UseShellExecute = $false
        $script:Server = [System.Diagnostics.Process]::Start($start)
    }
    if ($script:Session -and -not $Request.ContainsKey('session')) { $Request['session'] = $script:Session }
    $script:Server.StandardInput.WriteLine((ConvertTo-Json -InputObject $Request -Depth 10 -Compress))
    $script:Server.StandardInput.Flush()
    $line = $script:Server.StandardOutput.ReadLine()
    if ($null -eq $line) { throw 'the double ended' }
    # As text: ConvertFrom-Json would make dates of names.
    $reply = ConvertFrom-Json -InputObject $line -DateKind String
    if ($reply.ok) { return $reply.value }
    if ($reply.code) {
        $exception = New-Object -TypeName 'System.InvalidOperationException' -ArgumentList $reply.message
        $exception.Data['HelperCode'] = $reply.code
        $exception.Data['HelperAdvice'] = $reply.advice
        $exception.Data['HelperData'] = @{}
        throw $exception
    }
    $fault = New-DoubleException -Message $reply.message -Native $reply.native
    if ($reply.messageId) { $fault.PSObject.Properties['MessageId'].Value = $reply.messageId }
    throw $fault
}

function Use-DoubleSession {
    # The session that the next request comes through. Who has opened one and leaves it out would ask this machine, which has no Hyper-V.
    param($CimSession)

    if ($script:Connected -and -not $CimSession) { throw (New-DoubleException -Message 'Invalid namespace' -Native 'InvalidNamespace') }
    $script:Session = if ($CimSession) { $CimSession.Id } else { $null }
}

function Get-DoubleClass {
    # Declaration of a class as the cmdlets show it.
    param([string] $ClassName)

    if (-not $script:Classes.ContainsKey($ClassName)) {
        $declared = Invoke-WmiDouble -Request @{ op = 'class'; className = $ClassName }
        $properties = foreach ($property in $declared.properties.PSObject.Properties) {
            [pscustomobject]@{
                Name       = $property.Name
                CimType    = $property.Value
                Qualifiers = @(if ($declared.keys -contains $property.Name) { [pscustomobject]@{ Name = 'key'; Value = $true } })
            }
        }
        $class = [pscustomobject]@{
            CimClassName       = $declared.name
            CimClassProperties = @($properties)
            Declared           = $declared
            Blank              = $null
        }
        $class.Blank = New-DoubleBlank -Class $class
        $script:Classes[$ClassName] = $class
    }
    return $script:Classes[$ClassName]
}

function New-DoubleBlank {
    # An instance of which nothing is known, for others to be copied from: making each property of each instance anew takes longest of all.
    [Diagnostics.CodeAnalysis.SuppressMessageAttribute('PSUseShouldProcessForStateChangingFunctions', '')]
    param($Class)

    $blank = New-Object -TypeName 'psobject'
    $blank.PSTypeNames.Insert(0, 'CimDouble.Instance')
    foreach ($property in $Class.CimClassProperties) {
        $blank.PSObject.Properties.Add([psvariableproperty]::new([psvariable]::new($property.Name, $null, 'ReadOnly')))
    }
    $blank.PSObject.Properties.Add([psnoteproperty]::new('CimClass', $Class))
    return $blank
}

function ConvertTo-DoubleValue {
    # A value with the type its property declares; refused where it does not fit.
    param([string] $CimType, $Value, [string] $Name)

    if ($null -eq $Value) { return $null }
    try {
        switch ($CimType) {
            'String' {
                if ($Value -isnot [string]) { throw "is $($Value.GetType().Name)" }
                return $Value
            }
            'Boolean' {
                if ($Value -isnot [bool]) { throw "is $($Value.GetType().Name)" }
                return $Value
            }
            'DateTime' {
                if ($Value -is [datetime]) { return $Value }
                return [datetime]::Parse($Value, [cultureinfo]::InvariantCulture, 'RoundtripKind').ToLocalTime()
            }
            'UInt8' { return [byte] $Value }
            'UInt16' { return [uint16] $Value }
            'UInt32' { return [uint32] $Value }
            'UInt64' { return [uint64] $Value }
            'StringArray' {
                foreach ($item in $Value) { if ($item -isnot [string]) { throw "has a $($item.GetType().Name)" } }
                return , [string[]] @($Value)
            }
            'UInt16Array' { return , [uint16[]] @($Value) }
            'UInt32Array' { return , [uint32[]] @($Value) }
            'UInt64Array' { return , [uint64[]] @($Value) }
            default { return $Value }
        }
    } catch {
        throw (New-DoubleException -Message "Type mismatch for '$Name': $($_.Exception.Message)" -Native 'TypeMismatch')
    }
}

function ConvertTo-DoubleInstance {
    # An instance: its properties cannot be written, as those of fetched instances.
    param([string] $ClassName, $Values, [string] $Server)

    $class = Get-DoubleClass -ClassName $ClassName
    $instance = $class.Blank.PSObject.Copy()
    $members = $instance.PSObject.Properties
    $types = $class.Declared.properties.PSObject.Properties
    foreach ($field in $Values.PSObject.Properties) {
        $type = $types[$field.Name]
        if (-not $type -or $null -eq $field.Value) { continue }
        $value = $field.Value
        # Nearly all are text, which needs no call.
        if ($value -isnot [string] -or $type.Value -ne 'String') { $value = ConvertTo-DoubleValue -CimType $type.Value -Value $value -Name $type.Name }
        $members.Remove($type.Name)
        $members.Add([psvariableproperty]::new([psvariable]::new($type.Name, $value, 'ReadOnly')))
    }
    $members.Add([psnoteproperty]::new('CimSystemProperties', [pscustomobject]@{ Namespace = 'root/virtualization/v2'; ServerName = $Server; ClassName = $ClassName }))
    return $instance
}

function ConvertTo-DoubleReference {
    # What identifies an instance. Only instances are references: no text, no table.
    param($InputObject)

    if ($InputObject.PSTypeNames -notcontains 'CimDouble.Instance') {
        throw (New-DoubleException -Message 'A reference must be an instance' -Native 'TypeMismatch')
    }
    $keys = @{}
    foreach ($key in $InputObject.CimClass.Declared.keys) { $keys[$key] = [string] $InputObject.$key }
    return @{ className = $InputObject.CimSystemProperties.ClassName; keys = $keys }
}

function Get-DoubleAnswer {
    param($Answer)

    foreach ($instance in $Answer.instances) { ConvertTo-DoubleInstance -ClassName $instance.className -Values $instance.properties -Server $Answer.server }
}

function Get-CimInstance {
    <#
    .SYNOPSIS
        Instances of a class, or one again.
    #>
    [CmdletBinding(DefaultParameterSetName = 'Class')]
    param(
        [Parameter(ParameterSetName = 'Class', Mandatory)] [string] $ClassName,
        [Parameter(ParameterSetName = 'Class')] [string] $Filter,
        [Parameter(ParameterSetName = 'Class')] [string] $Namespace = 'root/cimv2',
        [Parameter(ParameterSetName = 'Instance', Mandatory, ValueFromPipeline)] $InputObject,
        [uint32] $OperationTimeoutSec,
        $CimSession
    )

    process {
        $null = $OperationTimeoutSec
        Use-DoubleSession -CimSession $CimSession
        if ($InputObject) { return Get-DoubleAnswer -Answer (Invoke-WmiDouble -Request @{ op = 'get'; reference = (ConvertTo-DoubleReference -InputObject $InputObject) }) }
        if ($Namespace -eq 'root\cimv2') { return }
        if ($Namespace -ne 'root\virtualization\v2') { throw (New-DoubleException -Message 'Invalid namespace' -Native 'InvalidNamespace') }
        $request = @{ op = 'instances'; className = $ClassName }
        if ($Filter) { $request['filter'] = $Filter }
        Get-DoubleAnswer -Answer (Invoke-WmiDouble -Request $request)
    }
}

function Get-CimAssociatedInstance {
    <#
    .SYNOPSIS
        Instances that an association leads to.
    #>
    [CmdletBinding()]
    param(
        [Parameter(Mandatory, Position = 0, ValueFromPipeline)] $InputObject,
        [string] $ResultClassName,
        [string] $Association,
        [uint32] $OperationTimeoutSec,
        $CimSession
    )

    process {
        $null = $OperationTimeoutSec
        Use-DoubleSession -CimSession $CimSession
        $request = @{ op = 'associated'; reference = (ConvertTo-DoubleReference -InputObject $InputObject) }
        if ($ResultClassName) { $request['resultClass'] = $ResultClassName }
        if ($Association) { $request['association'] = $Association }
        Get-DoubleAnswer -Answer (Invoke-WmiDouble -Request $request)
    }
}

function Get-CimClass {
    <#
    .SYNOPSIS
        Declaration of a class.
    #>
    [CmdletBinding()]
    param([Parameter(Mandatory)] [string] $ClassName, [string] $Namespace, $CimSession)

    $null = $Namespace
    Use-DoubleSession -CimSession $CimSession
    Get-DoubleClass -ClassName $ClassName
}

function New-CimInstance {
    <#
    .SYNOPSIS
        An instance in memory, from the declaration of its class.
    #>
    [Diagnostics.CodeAnalysis.SuppressMessageAttribute('PSUseShouldProcessForStateChangingFunctions', '')]
    [CmdletBinding()]
    param([Parameter(Mandatory)] $CimClass, [switch] $ClientOnly, [hashtable] $Property = @{})

    if (-not $ClientOnly) { throw (New-DoubleException -Message 'Only instances in memory' -Native 'NotSupported') }
    $declared = @($CimClass.CimClassProperties | ForEach-Object -Process { $_.Name })
    foreach ($name in $Property.Keys) {
        if ($declared -notcontains $name) { throw (New-DoubleException -Message "$($CimClass.CimClassName) has no property $name" -Native 'NoSuchProperty') }
    }
    ConvertTo-DoubleInstance -ClassName $CimClass.CimClassName -Values ([pscustomobject] $Property) -Server 'SIMHOST'
}

function Invoke-CimMethod {
    <#
    .SYNOPSIS
        Calls a method of an instance.
    #>
    [CmdletBinding()]
    param(
        [Parameter(Mandatory, ValueFromPipeline)] $InputObject,
        [Parameter(Mandatory)] [string] $MethodName,
        [hashtable] $Arguments = @{},
        [uint32] $OperationTimeoutSec,
        $CimSession
    )

    process {
        $null = $OperationTimeoutSec
        Use-DoubleSession -CimSession $CimSession
        $class = $InputObject.CimClass
        $method = $class.Declared.methods.PSObject.Properties[$MethodName]
        if (-not $method) { throw (New-DoubleException -Message "$($class.CimClassName) has no method $MethodName" -Native 'MethodNotFound') }
        $sent = @{}
        foreach ($name in $Arguments.Keys) {
            $declared = $method.Value.in.PSObject.Properties[$name]
            if (-not $declared) { throw (New-DoubleException -Message "Unexpected parameter $name of $MethodName" -Native 'InvalidParameter') }
            $sent[$name] = switch ($declared.Value) {
                'Reference' { ConvertTo-DoubleReference -InputObject $Arguments[$name] }
                'ReferenceArray' { , @(foreach ($item in $Arguments[$name]) { ConvertTo-DoubleReference -InputObject $item }) }
                default { ConvertTo-DoubleValue -CimType $declared.Value -Value $Arguments[$name] -Name $name }
            }
        }
        $answer = Invoke-WmiDouble -Request @{ op = 'invoke'; reference = (ConvertTo-DoubleReference -InputObject $InputObject); method = $MethodName; args = $sent }
        $result = [ordered]@{ ReturnValue = [uint32] $answer.returnValue }
        foreach ($parameter in $method.Value.out.PSObject.Properties) {
            $field = $answer.out.PSObject.Properties[$parameter.Name]
            if (-not $field) {
                $result[$parameter.Name] = $null
                continue
            }
            # A reference that a method gives carries its keys only.
            $result[$parameter.Name] = if ($parameter.Value -eq 'Reference') {
                ConvertTo-DoubleInstance -ClassName $field.Value.className -Values $field.Value.keys -Server 'SIMHOST'
            } else {
                ConvertTo-DoubleValue -CimType $parameter.Value -Value $field.Value -Name $parameter.Name
            }
        }
        [pscustomobject] $result
    }
}

function New-CimSession {
    <#
    .SYNOPSIS
        A session to a server; the double decides who may have one.
    #>
    [Diagnostics.CodeAnalysis.SuppressMessageAttribute('PSUseShouldProcessForStateChangingFunctions', '')]
    [CmdletBinding()]
    param([Parameter(Mandatory)] [string] $ComputerName, [pscredential] $Credential, [uint32] $OperationTimeoutSec)

    $null = $OperationTimeoutSec
    $script:Session = $null
    $request = @{ op = 'connect'; computerName = $ComputerName }
    if ($Credential) {
        $request['userName'] = $Credential.UserName
        $request['password'] = $Credential.GetNetworkCredential().Password
    }
    $answer = Invoke-WmiDouble -Request $request
    $script:Connected = $true
    [pscustomobject]@{ ComputerName = $ComputerName; Id = $answer.id }
}

function Remove-CimSession {
    <#
    .SYNOPSIS
        Ends a session.
    #>
    [Diagnostics.CodeAnalysis.SuppressMessageAttribute('PSUseShouldProcessForStateChangingFunctions', '')]
    [CmdletBinding()]
    param([Parameter(Mandatory)] $CimSession)

    $null = $CimSession
    $script:Session = $null
}
