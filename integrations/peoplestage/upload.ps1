# UploadScript: the delivery file goes straight into the bridge's container; then it is checked and staged.
# A delivery is known by the GUID in its file's name: when PeopleStage repeats it, the first is found.
Param([hashtable]$params)
Import-Module "$PSScriptRoot\BroadcastBridge.psm1" -Force
if (-not (Test-Path -LiteralPath $params['Path'] -PathType Leaf)) {
    Stop-WithMessage 'The delivery file is not there.'
}
$file = @{ Size = "$((Get-Item -LiteralPath $params['Path']).Length)" }
$answer = Invoke-Slot -Slot 'upload' -Params $params -More $file
if ($answer.PSObject.Properties['UploadUrl']) {
    Write-Host "The delivery file is put into the container of Broadcast Bridge."
    Send-File -Path $params['Path'] -Address $answer.UploadUrl -Params $params
    $answer = Invoke-Slot -Slot 'upload' -Params $params -More $file
}
$answer = Wait-Slot -Slot 'upload' -Params $params -Answer $answer -More $file
Write-Host "Broadcast $($answer.TransactionId): $($answer.Recipients) recipients, $($answer.RecipientsRejected) rejected."
return [Hashtable]@{
    Recipients = $answer.Recipients
    RecipientsRejected = $answer.RecipientsRejected
    TransactionId = $answer.TransactionId
    CustomProvider = $answer.CustomProvider
    ProcessId = $answer.ProcessId
}
