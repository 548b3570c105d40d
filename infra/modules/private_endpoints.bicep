// Private endpoints of what the app uses, and of the app; and the private DNS by which their names lead there.

param location string
param tags object
param networkId string
param subnetId string
param storageAccountId string
param keyVaultId string
param functionAppId string

@description('Empty where the database is brought along.')
param sqlServerId string

var needed = [
  {
    name: 'blob'
    resourceId: storageAccountId
    groupId: 'blob'
    zone: 'privatelink.blob.${environment().suffixes.storage}'
  }
  {
    name: 'queue'
    resourceId: storageAccountId
    groupId: 'queue'
    zone: 'privatelink.queue.${environment().suffixes.storage}'
  }
  {
    name: 'key-vault'
    resourceId: keyVaultId
    groupId: 'vault'
    zone: 'privatelink.vaultcore.azure.net'
  }
  {
    name: 'function-app'
    resourceId: functionAppId
    groupId: 'sites'
    zone: 'privatelink.azurewebsites.net'
  }
]

var sql = [
  {
    name: 'sql'
    resourceId: sqlServerId
    groupId: 'sqlServer'
    zone: 'privatelink${environment().suffixes.sqlServerHostname}'
  }
]

var endpoints = concat(needed, empty(sqlServerId) ? [] : sql)

resource zone 'Microsoft.Network/privateDnsZones@2024-06-01' = [
  for one in endpoints: {
    name: one.zone
    location: 'global'
    tags: tags
  }
]

resource link 'Microsoft.Network/privateDnsZones/virtualNetworkLinks@2024-06-01' = [
  for (one, index) in endpoints: {
    parent: zone[index]
    name: 'bridge'
    location: 'global'
    tags: tags
    properties: {
      registrationEnabled: false
      virtualNetwork: {
        id: networkId
      }
    }
  }
]

resource endpoint 'Microsoft.Network/privateEndpoints@2024-05-01' = [
  for one in endpoints: {
    name: 'pe-${last(split(one.resourceId, '/'))}-${one.name}'
    location: location
    tags: tags
    properties: {
      subnet: {
        id: subnetId
      }
      privateLinkServiceConnections: [
        {
          name: one.name
          properties: {
            privateLinkServiceId: one.resourceId
            groupIds: [one.groupId]
          }
        }
      ]
    }
  }
]

resource dns 'Microsoft.Network/privateEndpoints/privateDnsZoneGroups@2024-05-01' = [
  for (one, index) in endpoints: {
    parent: endpoint[index]
    name: 'default'
    properties: {
      privateDnsZoneConfigs: [
        {
          name: one.name
          properties: {
            privateDnsZoneId: zone[index].id
          }
        }
      ]
    }
  }
]
