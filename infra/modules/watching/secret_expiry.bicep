// A secret of the key vault runs out in 30 days, or has run out.
//
// The vault tells it to Event Grid, which raises an alert of Azure Monitor. No query could: the vault's log has no line
// of a secret that nobody touches, and its metrics know no date. It concerns secrets that have an expiry date only, and
// versions that were made after this subscription.

param location string
param tags object
param baseName string
param keyVaultId string

@description('Who is told.')
param actionGroupId string

resource topic 'Microsoft.EventGrid/systemTopics@2025-02-15' = {
  name: '${baseName}-key-vault-events'
  location: location
  tags: tags
  properties: {
    source: keyVaultId
    topicType: 'Microsoft.KeyVault.vaults'
  }
}

resource expiry 'Microsoft.EventGrid/systemTopics/eventSubscriptions@2025-02-15' = {
  parent: topic
  name: 'secret-expiry'
  properties: {
    eventDeliverySchema: 'CloudEventSchemaV1_0'
    filter: {
      includedEventTypes: [
        'Microsoft.KeyVault.SecretNearExpiry'
        'Microsoft.KeyVault.SecretExpired'
      ]
    }
    destination: {
      endpointType: 'MonitorAlert'
      properties: {
        severity: 'Sev2'
        description: 'A secret of the bridge runs out in 30 days or has run out. docs/how-to/watch.md says what to do.'
        actionGroups: [actionGroupId]
      }
    }
  }
}
