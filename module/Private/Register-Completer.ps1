function Register-Completer {
    <#
    .SYNOPSIS
        Argument completion: VMs of the host, repositories of this session, VMs and restore points of a repository.
    #>
    [CmdletBinding()]
    param()

    # A completer gets: command, parameter, word, syntax tree, parameters bound so far.
    $vm = { Get-VMCompletion -Word $args[2] -Bound $args[4] }
    $repository = { Get-RepositoryCompletion -Word $args[2] }
    $point = { Get-PointCompletion -Word $args[2] -Bound $args[4] }
    $backedUp = { Get-PointCompletion -Word $args[2] -Bound $args[4] -VMName }
    Register-ArgumentCompleter -CommandName 'Backup-VMRct' -ParameterName 'Name' -ScriptBlock $vm
    Register-ArgumentCompleter -CommandName 'Get-VMBackup', 'Invoke-VMBackupRetention', 'Copy-VMBackup' -ParameterName 'Name' -ScriptBlock $backedUp
    $withPoint = 'Get-VMBackup', 'Test-VMBackup', 'Restore-VMBackup', 'Export-VMBackupData', 'Remove-VMBackup', 'Set-VMBackupHold', 'Copy-VMBackup'
    Register-ArgumentCompleter -CommandName $withPoint -ParameterName 'Id' -ScriptBlock $point
    $key = 'Get-VMBackupRepositoryKey', 'Add-VMBackupRepositoryKey', 'Remove-VMBackupRepositoryKey'
    $withRepository = $withPoint + 'Backup-VMRct', 'Invoke-VMBackupRetention', 'Get-VMBackupRepository', 'Repair-VMBackupRepository', 'Approve-VMBackupRemoval' + $key
    Register-ArgumentCompleter -CommandName $withRepository -ParameterName 'Repository' -ScriptBlock $repository
    Register-ArgumentCompleter -CommandName 'Copy-VMBackup' -ParameterName 'Destination' -ScriptBlock $repository
}
