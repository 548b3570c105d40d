// Monitoring: the alerts, whom they notify, and a workbook. docs/how-to/watch.md explains each alert.

@description('Region of the resources: that of the key vault, whose events are subscribed to.')
param location string

@description('Tags of every resource.')
param tags object

@description('Prefix of the resource names.')
param baseName string

@description('Log Analytics workspace of Application Insights.')
param workspaceId string

@description('Application Insights component of the function app.')
param applicationInsightsId string

@description('Storage account of the function app.')
param storageAccountId string

@description('Name of the storage account.')
param storageAccountName string

@description('The function app.')
param functionAppId string

@description('Host name of the function app, without scheme.')
param functionAppHostName string

@description('Key vault with the secrets of the function app.')
param keyVaultId string

@description('Azure SQL database; empty with an existing database.')
param sqlDatabaseId string

@description('Address that is notified by mail; empty: none, and alerts appear in the portal only.')
param alertEmail string

@description('Whether an availability test requests the health endpoint from the internet; the function app must be reachable from there.')
param availabilityTest bool = true

module actionGroup 'action_group.bicep' = {
  name: 'watching-action-group'
  params: {
    tags: tags
    baseName: baseName
    alertEmail: alertEmail
  }
}

module logAlerts 'log_alerts.bicep' = {
  name: 'watching-log-alerts'
  params: {
    location: location
    tags: tags
    baseName: baseName
    workspaceId: workspaceId
    applicationInsightsId: applicationInsightsId
    actionGroupId: actionGroup.outputs.id
  }
}

module storageThrottling 'storage_throttling.bicep' = {
  name: 'watching-storage-throttling'
  params: {
    tags: tags
    baseName: baseName
    storageAccountId: storageAccountId
    storageAccountName: storageAccountName
    actionGroupId: actionGroup.outputs.id
  }
}

module sqlLogRate 'sql_log_rate.bicep' = if (!empty(sqlDatabaseId)) {
  name: 'watching-sql-log-rate'
  params: {
    tags: tags
    baseName: baseName
    sqlDatabaseId: sqlDatabaseId
    actionGroupId: actionGroup.outputs.id
  }
}

module secretExpiry 'secret_expiry.bicep' = {
  name: 'watching-secret-expiry'
  params: {
    location: location
    tags: tags
    baseName: baseName
    keyVaultId: keyVaultId
    actionGroupId: actionGroup.outputs.id
  }
}

module resourceHealth 'resource_health.bicep' = {
  name: 'watching-resource-health'
  params: {
    tags: tags
    baseName: baseName
    resourceIds: concat([functionAppId, storageAccountId, keyVaultId], empty(sqlDatabaseId) ? [] : [sqlDatabaseId])
    actionGroupId: actionGroup.outputs.id
  }
}

module availability 'availability.bicep' = if (availabilityTest) {
  name: 'watching-availability'
  params: {
    location: location
    tags: tags
    baseName: baseName
    applicationInsightsId: applicationInsightsId
    functionAppHostName: functionAppHostName
    actionGroupId: actionGroup.outputs.id
  }
}

module workbook 'workbook.bicep' = {
  name: 'watching-workbook'
  params: {
    location: location
    tags: tags
    baseName: baseName
    applicationInsightsId: applicationInsightsId
  }
}

@description('The action group, for alerts in other modules.')
output actionGroupId string = actionGroup.outputs.id
