#Requires -Version 5.1
# What the scripts of PeopleStage's channel share: calls of Broadcast Bridge, and files put into its container.
# Settings come with $params, from the channel in PeopleStage's Channel Editor: URL is the address of the function app,
# Password the function key.

Set-StrictMode -Version 2.0
$ErrorActionPreference = 'Stop'
# Windows PowerShell 5.1 may still begin with older protocols.
[Net.ServicePointManager]::SecurityProtocol = [Net.SecurityProtocolType]::Tls12

$BlockSize = 32MB
$PauseSeconds = 5
$Tries = 5
$TimeoutSeconds = 100

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
    <# Code and sentence of a refused call. Nothing of the call itself. #>
    param($Response)
    try {
        $reader = New-Object System.IO.StreamReader($Response.GetResponseStream(), [Text.Encoding]::UTF8)
        $told = $reader.ReadToEnd() | ConvertFrom-Json
        return "$($told.error) [$($told.code)]"
    }
    catch {
        return "Broadcast Bridge answered with HTTP status $([int]$Response.StatusCode)."
    }
}

function Invoke-Slot {
    <#
    One call of a slot. Every slot can be called again: the bridge looks at what has happened already.
    Passing faults are tried again, refusals are thrown.
    #>
    param([string]$Slot, [hashtable]$Params, [hashtable]$More = @{})
    $body = @{}
    foreach ($name in $Params.Keys) {
        # The key goes in a header, and nowhere else.
        if ($name -notin 'Username', 'Password', 'URL', 'Proxy') {
            $body[$name] = $Params[$name]
        }
    }
    foreach ($name in $More.Keys) {
        $body[$name] = $More[$name]
    }
    $proxy = Get-Proxy -Params $Params
    $address = "$($Params['URL'].TrimEnd('/'))/api/peoplestage/$Slot"
    $json = [Text.Encoding]::UTF8.GetBytes(($body | ConvertTo-Json -Depth 5))
    for ($try = 1; ; $try++) {
        try {
            $answer = Invoke-WebRequest -Uri $address -Method Post -Body $json `
                -ContentType 'application/json; charset=utf-8' -Headers @{ 'x-functions-key' = $Params['Password'] } `
                -TimeoutSec $TimeoutSeconds -UseBasicParsing @proxy
            return [Text.Encoding]::UTF8.GetString($answer.RawContentStream.ToArray()) | ConvertFrom-Json
        }
        catch [System.Net.WebException] {
            $response = $_.Exception.Response
            $passing = ($null -eq $response) -or ([int]$response.StatusCode -in 429, 500, 502, 503, 504)
            if (-not $passing -or $try -ge $Tries) {
                if ($null -eq $response) {
                    Stop-WithMessage "Broadcast Bridge cannot be reached ($($_.Exception.Status))."
                }
                Stop-WithMessage (Read-ErrorText -Response $response)
            }
            Start-Sleep -Seconds ($PauseSeconds * $try)
        }
    }
}

function Send-Part {
    <# Puts one part to a signed address, which is never shown. #>
    param([string]$Address, [byte[]]$Content, [hashtable]$Params)
    $proxy = Get-Proxy -Params $Params
    for ($try = 1; ; $try++) {
        try {
            $null = Invoke-WebRequest -Uri $Address -Method Put -Body $Content -TimeoutSec 600 -UseBasicParsing @proxy
            return
        }
        catch [System.Net.WebException] {
            if ($try -ge $Tries) {
                Stop-WithMessage "The delivery file could not be put into its container ($($_.Exception.Status))."
            }
            Start-Sleep -Seconds ($PauseSeconds * $try)
        }
    }
}

function Send-File {
    <# Puts a file into blob storage in blocks: a block that fails is sent again, not the whole file. #>
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
            Send-Part -Address "$Address&comp=block&blockid=$([Uri]::EscapeDataString($id))" -Content $content -Params $Params
            $ids.Add($id)
        }
    }
    finally {
        $stream.Dispose()
    }
    $latest = ($ids | ForEach-Object { "<Latest>$_</Latest>" }) -join ''
    $list = [Text.Encoding]::UTF8.GetBytes("<?xml version=`"1.0`" encoding=`"utf-8`"?><BlockList>$latest</BlockList>")
    Send-Part -Address "$Address&comp=blocklist" -Content $list -Params $Params
}

function Wait-Slot {
    <# Calls a slot until it is done; its answer. #>
    param([string]$Slot, [hashtable]$Params, $Answer, [hashtable]$More = @{})
    $state = ''
    while (-not $Answer.Done) {
        if ($Answer.State -ne $state) {
            $state = $Answer.State
            Write-Host "Broadcast $($Answer.TransactionId) is $state."
        }
        Start-Sleep -Seconds $PauseSeconds
        $Answer = Invoke-Slot -Slot $Slot -Params $Params -More $More
    }
    return $Answer
}

Export-ModuleMember -Function @('Invoke-Slot', 'Send-File', 'Wait-Slot', 'Stop-WithMessage')
