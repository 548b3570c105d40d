# GetMessagesScript: returns the messages that a delivery can use.
Param([hashtable]$params)
Import-Module "$PSScriptRoot\BroadcastBridge.psm1" -Force
return Invoke-Slot -Slot 'messages' -Params $params | ForEach-Object { [PSCustomObject]@{ id = $_.id; name = $_.name } }
