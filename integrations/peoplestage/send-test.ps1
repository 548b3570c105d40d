# SendTestEmailScript: sends the message to the seed list of the channel, not to the recipients that PeopleStage passes.
Param([hashtable]$params)
Import-Module "$PSScriptRoot\BroadcastBridge.psm1" -Force
# One GUID for each click: the bridge answers another try of the same click with the first result, and sends once.
$click = @{ RequestId = [Guid]::NewGuid().ToString() }
$answer = Invoke-Slot -Slot 'send-test' -Params $params -Extra $click
Write-Host "The test message is sent to $($answer.Recipients) recipients of the seed list."
return [Hashtable]@{
    Recipients = $answer.Recipients
    RecipientsRejected = $answer.RecipientsRejected
    TransactionId = $answer.TransactionId
    CustomProvider = $answer.CustomProvider
}
