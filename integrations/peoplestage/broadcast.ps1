# BroadcastScript: releases the uploaded broadcast and waits until it is sent; with Wait=false it returns at once.
Param([hashtable]$params)
Import-Module "$PSScriptRoot\BroadcastBridge.psm1" -Force
$answer = Invoke-Slot -Slot 'broadcast' -Params $params
$answer = Wait-Slot -Slot 'broadcast' -Params $params -Answer $answer
Write-Host "Broadcast $($answer.ProcessId): $($answer.Recipients) recipients."
return [Hashtable]@{
    Recipients = $answer.Recipients
    RecipientsQueued = $answer.RecipientsQueued
    RecipientsRejected = $answer.RecipientsRejected
    TransactionId = $answer.TransactionId
    CustomProvider = $answer.CustomProvider
    ProcessId = $answer.ProcessId
}
