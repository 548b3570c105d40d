#Requires -Version 5.1
# Shared by the scripts of PeopleStage's channel: calls of Broadcast Bridge, and uploads to its container.
# $params has the settings of the channel in PeopleStage's Channel Editor: URL is the address of the function app, Password
# is the function key.

Set-StrictMode -Version 2.0
$ErrorActionPreference = 'Stop'
# Windows PowerShell 5.1 may default to older protocols.
[Net.ServicePointManager]::SecurityProtocol = [Net.SecurityProtocolType]::Tls12

$BlockSize = 32MB
$PauseSeconds = 5
$MaxAttempts = 5
$TimeoutSeconds = 100
$TestInstallationShown = $false

function Stop-WithMessage {
    <# Shows a message in PeopleStage and ends the delivery. #>
    param([string]$Message)
    throw [System.IO.InvalidDataException]$Message
}

function Get-Proxy {
    <# Proxy settings for Invoke-WebRequest, from the Integration Parameter Proxy. #>
    param([hashtable]$Params)
    if ($Params['Proxy']) {
        return @{ Proxy = $Params['Proxy']; ProxyUseDefaultCredentials = $true }
    }
    return @{}
}

function Read-ErrorText {
    <# Code and message of a refused call, without the call itself. #>
    param($Response)
    try {
        $reader = New-Object System.IO.StreamReader($Response.GetResponseStream(), [Text.Encoding]::UTF8)
        $answer = $reader.ReadToEnd() | ConvertFrom-Json
        return "$($answer.error) [$($answer.code)]"
    }
    catch {
        return "Broadcast Bridge returned HTTP status $([int]$Response.StatusCode)."
    }
}

function Invoke-Slot {
    <#
    Calls a slot and returns its answer. Calls are idempotent: the bridge checks what it has already done.
    Retries transient errors, and ends the delivery with the message of any other error.
    #>
    param([string]$Slot, [hashtable]$Params, [hashtable]$Extra = @{})
    $body = @{}
    foreach ($name in $Params.Keys) {
        # The function key is sent in a header only.
        if ($name -notin 'Username', 'Password', 'URL', 'Proxy') {
            $body[$name] = $Params[$name]
        }
    }
    foreach ($name in $Extra.Keys) {
        $body[$name] = $Extra[$name]
    }
    $proxy = Get-Proxy -Params $Params
    $address = "$($Params['URL'].TrimEnd('/'))/api/peoplestage/$Slot"
    $json = [Text.Encoding]::UTF8.GetBytes(($body | ConvertTo-Json -Depth 5))
    for ($attempt = 1; ; $attempt++) {
        try {
            $answer = Invoke-WebRequest -Uri $address -Method Post -Body $json `
                -ContentType 'application/json; charset=utf-8' -Headers @{ 'x-functions-key' = $Params['Password'] } `
                -TimeoutSec $TimeoutSeconds -UseBasicParsing @proxy
            $text = [Text.Encoding]::UTF8.GetString($answer.RawContentStream.ToArray()).TrimStart([char]0xFEFF)
            # A proxy can answer in place of the bridge: with a page, with nothing, with half an answer.
            $odd = New-Object System.Net.WebException 'not JSON', ([System.Net.WebExceptionStatus]::ServerProtocolViolation)
            if ($text -notmatch '^\s*[{\[]') {
                throw $odd
            }
            try {
                $result = $text | ConvertFrom-Json
            }
            catch [System.ArgumentException] {
                throw $odd
            }
            if (($null -ne $result) -and (-not $script:TestInstallationShown) -and $result.PSObject.Properties['TestInstallation']) {
                $script:TestInstallationShown = $true
                Write-Host $result.TestInstallation
            }
            return $result
        }
        catch [System.Net.WebException] {
            $response = $_.Exception.Response
            $transient = ($null -eq $response) -or ([int]$response.StatusCode -in 429, 500, 502, 503, 504)
            if (-not $transient -or $attempt -ge $MaxAttempts) {
                if ($_.Exception.Status -eq [System.Net.WebExceptionStatus]::ServerProtocolViolation) {
                    Stop-WithMessage 'Something else answers in place of Broadcast Bridge, such as a proxy or a page during maintenance.'
                }
                if ($null -eq $response) {
                    Stop-WithMessage "Broadcast Bridge cannot be reached ($($_.Exception.Status))."
                }
                Stop-WithMessage (Read-ErrorText -Response $response)
            }
            Start-Sleep -Seconds ($PauseSeconds * $attempt)
        }
    }
}

function Send-Content {
    <# Uploads a block, or the list of blocks, to a signed address, which is never shown. #>
    param([string]$Address, [byte[]]$Content, [hashtable]$Params)
    $proxy = Get-Proxy -Params $Params
    for ($attempt = 1; ; $attempt++) {
        try {
            $null = Invoke-WebRequest -Uri $Address -Method Put -Body $Content -TimeoutSec 600 -UseBasicParsing @proxy
            return
        }
        catch [System.Net.WebException] {
            if ($attempt -ge $MaxAttempts) {
                Stop-WithMessage "The delivery file could not be uploaded to the container of Broadcast Bridge ($($_.Exception.Status))."
            }
            Start-Sleep -Seconds ($PauseSeconds * $attempt)
        }
    }
}

function Send-File {
    <# Uploads a file to blob storage in blocks, so that only a failed block is sent again, not the whole file. #>
    param([string]$Path, [string]$Address, [hashtable]$Params)
    $ids = New-Object System.Collections.Generic.List[string]
    $stream = [System.IO.File]::OpenRead($Path)
    try {
        $buffer = New-Object byte[] $BlockSize
        while (($read = $stream.Read($buffer, 0, $BlockSize)) -gt 0) {
            $content = $buffer
            if ($read -lt $BlockSize) {
                $content = New-Object byte[] $read
                [Array]::Copy($buffer, $content, $read)
            }
            $id = [Convert]::ToBase64String([Text.Encoding]::ASCII.GetBytes($ids.Count.ToString('D8')))
            Send-Content -Address "$Address&comp=block&blockid=$([Uri]::EscapeDataString($id))" -Content $content -Params $Params
            $ids.Add($id)
        }
    }
    finally {
        $stream.Dispose()
    }
    $latest = ($ids | ForEach-Object { "<Latest>$_</Latest>" }) -join ''
    $list = [Text.Encoding]::UTF8.GetBytes("<?xml version=`"1.0`" encoding=`"utf-8`"?><BlockList>$latest</BlockList>")
    Send-Content -Address "$Address&comp=blocklist" -Content $list -Params $Params
}

function Wait-Slot {
    <# Calls a slot until it is done, and returns its last answer. #>
    param([string]$Slot, [hashtable]$Params, $Answer, [hashtable]$Extra = @{})
    $shown = ''
    while (-not $Answer.Done) {
        $state = "$($Answer.State)"
        if ($Answer.PSObject.Properties['WaitingFor'] -and $Answer.WaitingFor) {
            $state = "$state and waits for $($Answer.WaitingFor)"
        }
        if ($state -ne $shown) {
            $shown = $state
            Write-Host "Broadcast $($Answer.TransactionId) is $state."
        }
        Start-Sleep -Seconds $PauseSeconds
        $Answer = Invoke-Slot -Slot $Slot -Params $Params -Extra $Extra
    }
    return $Answer
}

Export-ModuleMember -Function @('Invoke-Slot', 'Send-File', 'Wait-Slot', 'Stop-WithMessage')
