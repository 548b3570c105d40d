// Alerts when a secret in the key vault expires within 30 days or has expired.
//
// The vault publishes an event to Event Grid, which raises an Azure Monitor alert. No query could: the vault's log has no
// line about a secret that nobody touches, and its metrics have no expiry date. Only secrets with an expiry date are
// covered, and only versions created after this event subscription.

param location string
param tags object
param baseName string
param keyVaultId string

@description('The action group that the alert notifies.')
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
        description: 'A secret of the bridge expires within 30 days or has expired. What to do: docs/how-to/watch.md.'
        actionGroups: [actionGroupId]
      }
    }
  }
}
