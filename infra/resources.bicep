// The contents of the resource group and how they are connected. main.bicep describes the parameters.

param environmentName string
param location string
param tags object
param privateNetworking bool
param addressPrefix string
param allowedAddresses array
param databaseKind string
param sqlAdministratorName string
param sqlAdministratorObjectId string
param sqlAdministratorType string
param wsDb string
param rsDb string
param psDb string
param systemName string
param databaseTimeZone string
param deliveryFiles string
param optimizelyClientId string
param optimizelyApiUser string
param sftpHost string
param sftpUser string
param sftpHostKeys string
param secretSettings array
param settings object
param maximumInstanceCount int
param instanceMemoryMB int
param stagedListsDays int
param rejectsDays int
param responseFilesDays int
param recipientKeysDays int
param historyDays int
param deliveryFilesDays int
param softDeleteDays int
param vaultSoftDeleteDays int
param logDays int
param logQuotaGb int
param immutableAudit bool
param auditDays int
param alertEmail string

// Names: <kind>-bridge-<environment>; names that must be globally unique end with five derived letters.
var base = 'bridge-${environmentName}'
var own = substring(uniqueString(subscription().id, resourceGroup().id, environmentName), 0, 5)
var compact = toLower(replace(environmentName, '-', ''))
var names = {
  identity: 'id-${base}'
  network: 'vnet-${base}'
  storage: 'stbridge${take(compact, 11)}${own}'
  audit: 'staudit${take(compact, 12)}${own}'
  // A soft-deleted vault keeps its name reserved, and a name has at most 24 characters.
  keyVault: 'kv-bridge-${take(compact, 8)}-${own}'
  workspace: 'log-${base}'
  applicationInsights: 'appi-${base}'
  functionApp: 'func-${base}-${own}'
  sqlServer: 'sql-${base}-${own}'
}
var usesAzureSql = databaseKind == 'azureSql'
var wsDatabase = 'WS_${systemName}'
var rsDatabase = 'RS_${systemName}'

module identity 'modules/identity.bicep' = {
  name: 'identity'
  params: {
    location: location
    tags: tags
    name: names.identity
  }
}

module network 'modules/network.bicep' = {
  name: 'network'
  params: {
    location: location
    tags: tags
    baseName: base
    name: names.network
    addressPrefix: addressPrefix
  }
}

module monitoring 'modules/monitoring.bicep' = {
  name: 'monitoring'
  params: {
    location: location
    tags: tags
    workspaceName: names.workspace
    applicationInsightsName: names.applicationInsights
    publisherPrincipalId: identity.outputs.principalId
    logDays: logDays
    logQuotaGb: logQuotaGb
  }
}

module audit 'modules/audit.bicep' = if (immutableAudit) {
  name: 'audit'
  params: {
    location: location
    tags: tags
    name: names.audit
    auditDays: auditDays
    softDeleteDays: softDeleteDays
  }
}

// Empty if there is none.
var auditStorageId = immutableAudit ? resourceId('Microsoft.Storage/storageAccounts', names.audit) : ''

module storage 'modules/storage.bicep' = {
  name: 'storage'
  params: {
    location: location
    tags: tags
    name: names.storage
    privateNetworking: privateNetworking
    allowedAddresses: allowedAddresses
    userPrincipalId: identity.outputs.principalId
    stagedListsDays: stagedListsDays
    rejectsDays: rejectsDays
    responseFilesDays: responseFilesDays
    deliveryFilesDays: deliveryFilesDays
    softDeleteDays: softDeleteDays
    workspaceId: monitoring.outputs.workspaceId
    auditStorageId: auditStorageId
  }
  dependsOn: [audit]
}

module keyVault 'modules/key_vault.bicep' = {
  name: 'key-vault'
  params: {
    location: location
    tags: tags
    name: names.keyVault
    privateNetworking: privateNetworking
    userPrincipalId: identity.outputs.principalId
    softDeleteDays: vaultSoftDeleteDays
    workspaceId: monitoring.outputs.workspaceId
    auditStorageId: auditStorageId
  }
  dependsOn: [audit]
}

module sql 'modules/sql.bicep' = if (usesAzureSql) {
  name: 'sql'
  params: {
    location: location
    tags: tags
    name: names.sqlServer
    databases: [rsDatabase, wsDatabase]
    administratorName: sqlAdministratorName
    administratorObjectId: sqlAdministratorObjectId
    administratorType: sqlAdministratorType
    privateNetworking: privateNetworking
    egressAddress: network.outputs.egressAddress
    softDeleteDays: softDeleteDays
    workspaceId: monitoring.outputs.workspaceId
    auditStorageId: auditStorageId
  }
  dependsOn: [audit]
}

// Referenced by name: a module that is not deployed has no outputs.
var sqlServerId = resourceId('Microsoft.Sql/servers', names.sqlServer)
var sqlDatabaseId = usesAzureSql ? resourceId('Microsoft.Sql/servers/databases', names.sqlServer, rsDatabase) : ''
var sqlConnection = 'Server=tcp:${names.sqlServer}${environment().suffixes.sqlServerHostname},1433;Authentication=Active Directory Managed Identity;User Id=${identity.outputs.clientId};Initial Catalog='

module functionApp 'modules/function_app.bicep' = {
  name: 'function-app'
  params: {
    location: location
    tags: tags
    name: names.functionApp
    privateNetworking: privateNetworking
    allowedAddresses: allowedAddresses
    subnetId: network.outputs.appSubnetId
    identityId: identity.outputs.id
    identityClientId: identity.outputs.clientId
    storageAccountName: storage.outputs.name
    deploymentContainer: storage.outputs.deploymentContainer
    applicationInsightsConnection: monitoring.outputs.applicationInsightsConnection
    keyVaultUri: keyVault.outputs.uri
    workspaceId: monitoring.outputs.workspaceId
    maximumInstanceCount: maximumInstanceCount
    instanceMemoryMB: instanceMemoryMB
    wsDb: usesAzureSql ? '${sqlConnection}${wsDatabase}' : wsDb
    rsDb: usesAzureSql ? '${sqlConnection}${rsDatabase}' : rsDb
    psDb: psDb
    systemName: systemName
    databaseTimeZone: databaseTimeZone
    deliveryFiles: deliveryFiles
    optimizelyClientId: optimizelyClientId
    optimizelyApiUser: optimizelyApiUser
    sftpHost: sftpHost
    sftpUser: sftpUser
    sftpHostKeys: sftpHostKeys
    secretSettings: secretSettings
    settings: settings
    stagedListsDays: stagedListsDays
    rejectsDays: rejectsDays
    responseFilesDays: responseFilesDays
    recipientKeysDays: recipientKeysDays
    historyDays: historyDays
  }
}

module privateEndpoints 'modules/private_endpoints.bicep' = if (privateNetworking) {
  name: 'private-endpoints'
  params: {
    location: location
    tags: tags
    networkId: network.outputs.id
    subnetId: network.outputs.endpointSubnetId
    storageAccountId: storage.outputs.id
    keyVaultId: keyVault.outputs.id
    functionAppId: functionApp.outputs.id
    sqlServerId: usesAzureSql ? sqlServerId : ''
  }
  dependsOn: [sql]
}

module watching 'modules/watching/watching.bicep' = {
  name: 'watching'
  params: {
    location: location
    tags: tags
    baseName: base
    workspaceId: monitoring.outputs.workspaceId
    applicationInsightsId: monitoring.outputs.applicationInsightsId
    storageAccountId: storage.outputs.id
    storageAccountName: storage.outputs.name
    functionAppId: functionApp.outputs.id
    functionAppHostName: functionApp.outputs.hostName
    keyVaultId: keyVault.outputs.id
    sqlDatabaseId: sqlDatabaseId
    alertEmail: alertEmail
    // An app with private endpoints is unreachable from outside; the alert bridge-silent covers it as well.
    availabilityTest: !privateNetworking
  }
  dependsOn: [sql]
}

output functionAppName string = functionApp.outputs.name
output identityName string = names.identity
output identityPrincipalId string = identity.outputs.principalId
output identityClientId string = identity.outputs.clientId
output keyVaultName string = keyVault.outputs.name
output storageAccountName string = storage.outputs.name
output egressAddress string = network.outputs.egressAddress
output sqlServerName string = usesAzureSql ? '${names.sqlServer}${environment().suffixes.sqlServerHostname}' : ''
output wsDatabaseName string = usesAzureSql ? wsDatabase : ''
output rsDatabaseName string = usesAzureSql ? rsDatabase : ''
