# UploadScript: uploads the delivery file directly to the bridge's container, and waits until it is checked and staged.
# The GUID in the file name identifies a delivery: when PeopleStage repeats it, the bridge continues with the first.
Param([hashtable]$params)
Import-Module "$PSScriptRoot\BroadcastBridge.psm1" -Force
if (-not (Test-Path -LiteralPath $params['Path'] -PathType Leaf)) {
    Stop-WithMessage 'The delivery file does not exist.'
}
$file = @{ Size = "$((Get-Item -LiteralPath $params['Path']).Length)" }
$answer = Invoke-Slot -Slot 'upload' -Params $params -Extra $file
if ($answer.PSObject.Properties['UploadUrl']) {
    Write-Host "The delivery file is uploaded to the container of Broadcast Bridge."
    Send-File -Path $params['Path'] -Address $answer.UploadUrl -Params $params
    $answer = Invoke-Slot -Slot 'upload' -Params $params -Extra $file
}
$answer = Wait-Slot -Slot 'upload' -Params $params -Answer $answer -Extra $file
Write-Host "Broadcast $($answer.TransactionId): $($answer.Recipients) recipients, $($answer.RecipientsRejected) rejected."
return [Hashtable]@{
    Recipients = $answer.Recipients
    RecipientsRejected = $answer.RecipientsRejected
    TransactionId = $answer.TransactionId
    CustomProvider = $answer.CustomProvider
    ProcessId = $answer.ProcessId
}
