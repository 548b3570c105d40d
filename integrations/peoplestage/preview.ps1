# PreviewMessageScript: returns the message as stored in Optimizely Campaign, with its placeholders.
Param([hashtable]$params)
Import-Module "$PSScriptRoot\BroadcastBridge.psm1" -Force
$answer = Invoke-Slot -Slot 'preview' -Params $params
return [Hashtable]@{
    Type = $answer.Type
    FromAddress = $answer.FromAddress
    FromName = $answer.FromName
    Html = $answer.Html
    ReplyTo = $answer.ReplyTo
    Subject = $answer.Subject
    Text = $answer.Text
}
