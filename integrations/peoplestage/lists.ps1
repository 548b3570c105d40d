# GetListsScript: returns the recipient lists that a delivery can use.
Param([hashtable]$params)
Import-Module "$PSScriptRoot\BroadcastBridge.psm1" -Force
return Invoke-Slot -Slot 'lists' -Params $params | ForEach-Object { [PSCustomObject]@{ id = $_.id; name = $_.name } }
