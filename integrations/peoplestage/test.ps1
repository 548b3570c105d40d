# TestScript: checks that Broadcast Bridge can log in to Optimizely Campaign.
Param([hashtable]$params)
Import-Module "$PSScriptRoot\BroadcastBridge.psm1" -Force
$null = Invoke-Slot -Slot 'test' -Params $params
return 0
