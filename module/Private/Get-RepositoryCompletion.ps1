function Get-RepositoryCompletion {
    <#
    .SYNOPSIS
        Completions for a repository: those used in this session, then folders.
    #>
    [CmdletBinding()]
    [OutputType([System.Management.Automation.CompletionResult])]
    param(
        [AllowEmptyString()]
        [string] $Word
    )

    foreach ($location in $script:KnownRepository) { ConvertTo-Completion -Text $location -Word $Word -ToolTip "Repository $location" }
    [System.Management.Automation.CompletionCompleters]::CompleteFilename($Word) | Where-Object -Property 'ResultType' -EQ -Value 'ProviderContainer'
}
