// Broadcast Bridge in a resource group of its own. infra/README.md lists what is created; docs/how-to/deploy.md guides
// through the deployment.

targetScope = 'subscription'

@description('Name of the environment, such as `test` or `production`; part of every resource name.')
@minLength(1)
@maxLength(16)
param environmentName string

@description('Region. Flex Consumption must be available there.')
param location string

@description('Tags of every resource, in addition to those that azd needs.')
param tags object = {}

@description('Whether storage, key vault, database and function app are reachable through private endpoints only.')
param privateNetworking bool = true

@description('Address range of the virtual network, a /24; it must not overlap with any network that is connected to it.')
param addressPrefix string = '10.70.0.0/24'

@description('With private networking: public IPv4 addresses, or ranges of at most 30 bits, that are still allowed to reach storage account and function app from the internet, such as that of FastStats on premises.')
param allowedAddresses array = []

@description('Database: `azureSql` creates a server with WS_DB and RS_DB; `own` uses an existing server or SQL Managed Instance.')
@allowed(['azureSql', 'own'])
param databaseKind string = 'own'

@description('azureSql: display name of the Microsoft Entra user, group or identity that administers the server.')
param sqlAdministratorName string = ''

@description('azureSql: object id of that administrator.')
param sqlAdministratorObjectId string = ''

@description('azureSql: type of the administrator.')
@allowed(['User', 'Group', 'Application'])
param sqlAdministratorType string = 'Group'

@description('own: connection to WS_DB with the identity of the app, without a secret; empty if WS_DB is a secret or not used.')
param wsDb string = ''

@description('own: connection to RS_DB with the identity of the app, without a secret; empty if RS_DB is a secret.')
param rsDb string = ''

@description('Connection to PS_DB, without a secret; empty if PS_DB is a secret or not used.')
param psDb string = ''

@description('SYSTEM_NAME: name of the FastStats system, as in WS_<SystemName>.')
@minLength(1)
param systemName string

@description('DATABASE_TIME_ZONE: time zone of the times in the databases; Azure SQL uses UTC.')
param databaseTimeZone string = 'UTC'

@description('DELIVERY_FILES: where FastStats writes its delivery files.')
param deliveryFiles string = 'container:deliveries'

@description('OPTIMIZELY_CLIENT_ID: id of the client at Optimizely Campaign.')
@minLength(1)
param optimizelyClientId string

@description('OPTIMIZELY_API_USER: user of the REST API.')
@minLength(1)
param optimizelyApiUser string

@description('SFTP_HOST: host of the SFTP site.')
@minLength(1)
param sftpHost string

@description('SFTP_USER: user of the SFTP site.')
@minLength(1)
param sftpUser string

@description('SFTP_HOST_KEYS: pinned host keys, as known_hosts lines or SHA256 fingerprints, separated by `;`.')
@minLength(1)
param sftpHostKeys string

@description('App settings that are secrets in the key vault. Each secret is named after its setting, in lower case with hyphens.')
param secretSettings array = [
  'OPTIMIZELY_API_PASSWORD'
  'SFTP_PRIVATE_KEY'
]

@description('Further app settings, which override those set here; no secrets.')
param settings object = {}

@description('Maximum number of instances per function; the HTTP functions count as one.')
@minValue(1)
@maxValue(40)
param maximumInstanceCount int = 10

@description('Memory per instance in MB.')
@allowed([512, 2048, 4096])
param instanceMemoryMB int = 2048

@description('Retention of staged lists in days, counted from the end of their broadcasts.')
@minValue(1)
param stagedListsDays int = 30

@description('Retention of reject files in days.')
@minValue(1)
param rejectsDays int = 90

@description('Retention of response files in days.')
@minValue(1)
param responseFilesDays int = 90

@description('Retention of recipient keys in days.')
@minValue(31)
param recipientKeysDays int = 180

@description('Retention of the history of broadcasts in days.')
@minValue(31)
param historyDays int = 730

@description('Retention of files in the containers `deliveries` and `ferg` in days.')
@minValue(1)
param deliveryFilesDays int = 30

@description('Days for which deleted blobs and containers can be restored, and databases to any point in time (35 at most).')
@minValue(7)
@maxValue(365)
param softDeleteDays int = 14

@description('Days for which a deleted key vault and deleted secrets can be restored. Set by the first deployment; Azure refuses to change it later.')
@minValue(7)
@maxValue(90)
param vaultSoftDeleteDays int = 14

@description('Retention of log lines in days.')
@minValue(30)
@maxValue(730)
param logDays int = 90

@description('Daily quota of log lines in GB; the alert log-quota fires when it is used up.')
@minValue(1)
param logQuotaGb int = 1

@description('Whether audit logs also go to a storage account in which nothing can be changed or deleted.')
param immutableAudit bool = false

@description('Days for which audit logs in that account cannot be changed or deleted.')
@minValue(1)
param auditDays int = 400

@description('Address that is notified of alerts by mail; empty: none.')
param alertEmail string = ''

var allTags = union(tags, {
  'azd-env-name': environmentName
  application: 'broadcast-bridge'
})

resource group 'Microsoft.Resources/resourceGroups@2024-03-01' = {
  name: 'rg-bridge-${environmentName}'
  location: location
  tags: allTags
}

module resources 'resources.bicep' = {
  name: 'bridge'
  scope: group
  params: {
    environmentName: environmentName
    location: location
    tags: allTags
    privateNetworking: privateNetworking
    addressPrefix: addressPrefix
    allowedAddresses: allowedAddresses
    databaseKind: databaseKind
    sqlAdministratorName: sqlAdministratorName
    sqlAdministratorObjectId: sqlAdministratorObjectId
    sqlAdministratorType: sqlAdministratorType
    wsDb: wsDb
    rsDb: rsDb
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
    maximumInstanceCount: maximumInstanceCount
    instanceMemoryMB: instanceMemoryMB
    stagedListsDays: stagedListsDays
    rejectsDays: rejectsDays
    responseFilesDays: responseFilesDays
    recipientKeysDays: recipientKeysDays
    historyDays: historyDays
    deliveryFilesDays: deliveryFilesDays
    softDeleteDays: softDeleteDays
    vaultSoftDeleteDays: vaultSoftDeleteDays
    logDays: logDays
    logQuotaGb: logQuotaGb
    immutableAudit: immutableAudit
    auditDays: auditDays
    alertEmail: alertEmail
  }
}

// azd stores these in its environment; infra/set_up_sql.sh reads them.
output AZURE_RESOURCE_GROUP string = group.name
output BRIDGE_APP string = resources.outputs.functionAppName
output BRIDGE_IDENTITY string = resources.outputs.identityName
output BRIDGE_IDENTITY_OBJECT_ID string = resources.outputs.identityPrincipalId
output BRIDGE_IDENTITY_CLIENT_ID string = resources.outputs.identityClientId
output BRIDGE_KEY_VAULT string = resources.outputs.keyVaultName
output BRIDGE_STORAGE string = resources.outputs.storageAccountName
output BRIDGE_EGRESS_ADDRESS string = resources.outputs.egressAddress
output BRIDGE_DATABASE_KIND string = databaseKind
output BRIDGE_SQL_SERVER string = resources.outputs.sqlServerName
output BRIDGE_WS_DATABASE string = resources.outputs.wsDatabaseName
output BRIDGE_RS_DATABASE string = resources.outputs.rsDatabaseName
