# SendTestEmailScript: sends the message to the seed list of the channel, not to the recipients that PeopleStage passes.
Param([hashtable]$params)
Import-Module "$PSScriptRoot\BroadcastBridge.psm1" -Force
$answer = Invoke-Slot -Slot 'send-test' -Params $params
Write-Host "The test message is sent to $($answer.Recipients) recipients of the seed list."
return [Hashtable]@{
    Recipients = $answer.Recipients
    RecipientsRejected = $answer.RecipientsRejected
    TransactionId = $answer.TransactionId
    CustomProvider = $answer.CustomProvider
}
