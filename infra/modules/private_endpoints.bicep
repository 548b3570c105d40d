// Private endpoints of the app and the resources that it uses, and the private DNS zones that resolve their names.

param location string
param tags object
param networkId string
param subnetId string
param storageAccountId string
param keyVaultId string
param functionAppId string

@description('Azure SQL server; empty with an existing database.')
param sqlServerId string

var required = [
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

var endpoints = concat(required, empty(sqlServerId) ? [] : sql)

resource zone 'Microsoft.Network/privateDnsZones@2024-06-01' = [
  for item in endpoints: {
    name: item.zone
    location: 'global'
    tags: tags
  }
]

resource link 'Microsoft.Network/privateDnsZones/virtualNetworkLinks@2024-06-01' = [
  for (item, index) in endpoints: {
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
  for item in endpoints: {
    name: 'pe-${last(split(item.resourceId, '/'))}-${item.name}'
    location: location
    tags: tags
    properties: {
      subnet: {
        id: subnetId
      }
      privateLinkServiceConnections: [
        {
          name: item.name
          properties: {
            privateLinkServiceId: item.resourceId
            groupIds: [item.groupId]
          }
        }
      ]
    }
  }
]

resource dns 'Microsoft.Network/privateEndpoints/privateDnsZoneGroups@2024-05-01' = [
  for (item, index) in endpoints: {
    parent: endpoint[index]
    name: 'default'
    properties: {
      privateDnsZoneConfigs: [
        {
          name: item.name
          properties: {
            privateDnsZoneId: zone[index].id
          }
        }
      ]
    }
  }
]
