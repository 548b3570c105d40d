// Broadcast Bridge in a resource group of its own. infra/README.md says what is made, docs/how-to/deploy.md how.

targetScope = 'subscription'

@description('Name of the environment, such as `test` or `production`: it stands in every name.')
@minLength(1)
@maxLength(16)
param environmentName string

@description('Region. It must have Flex Consumption.')
param location string

@description('Tags of every resource, beside those that azd needs.')
param tags object = {}

@description('Whether storage, key vault, database and function app are reached through private endpoints only.')
param privateNetworking bool = true

@description('Addresses of the virtual network, a /24: no part of it may be in use in networks that it is joined with.')
param addressPrefix string = '10.70.0.0/24'

@description('With private networking: public IPv4 addresses, or ranges of at most 30 bits, that reach storage account and function app from the internet nevertheless, such as that of FastStats on premises.')
param allowedAddresses array = []

@description('Database: `azureSql` makes a server with WS_DB and RS_DB; `own` uses a server or SQL Managed Instance that is there.')
@allowed(['azureSql', 'own'])
param databaseKind string = 'own'

@description('azureSql: display name of the Microsoft Entra user, group or identity that administers the server.')
param sqlAdministratorName string = ''

@description('azureSql: object id of that administrator.')
param sqlAdministratorObjectId string = ''

@description('azureSql: what the administrator is.')
@allowed(['User', 'Group', 'Application'])
param sqlAdministratorType string = 'Group'

@description('own: connection to WS_DB by the identity of the app, without a secret; empty where WS_DB is a secret or not used.')
param wsDb string = ''

@description('own: connection to RS_DB by the identity of the app, without a secret; empty where RS_DB is a secret.')
param rsDb string = ''

@description('Connection to PS_DB, without a secret; empty where it is a secret or not used.')
param psDb string = ''

@description('SYSTEM_NAME: name of the FastStats system, as in WS_<SystemName>.')
@minLength(1)
param systemName string

@description('DATABASE_TIME_ZONE: zone of the times in the databases; Azure SQL has UTC.')
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

@description('App settings that are secrets in the key vault; there each is named like its setting, in small letters with hyphens.')
param secretSettings array = [
  'OPTIMIZELY_API_PASSWORD'
  'SFTP_PRIVATE_KEY'
]

@description('Further app settings, over those that are set here: no secrets.')
param settings object = {}

@description('Most instances for each function; those that answer HTTP count as one.')
@minValue(1)
@maxValue(40)
param maximumInstanceCount int = 10

@description('Memory of an instance in MB.')
@allowed([512, 2048, 4096])
param instanceMemoryMB int = 2048

@description('Days for which staged lists are kept after the end of their broadcasts.')
@minValue(1)
param stagedListsDays int = 30

@description('Days for which reject files are kept.')
@minValue(1)
param rejectsDays int = 90

@description('Days for which response files are kept.')
@minValue(1)
param responseFilesDays int = 90

@description('Days for which recipient keys are kept.')
@minValue(31)
param recipientKeysDays int = 180

@description('Days for which the history of broadcasts is kept.')
@minValue(31)
param historyDays int = 730

@description('Days for which files are kept in the containers `deliveries` and `ferg`.')
@minValue(1)
param deliveryFilesDays int = 30

@description('Days for which deleted blobs and containers can be brought back, and databases to any moment (35 at most).')
@minValue(7)
@maxValue(365)
param softDeleteDays int = 14

@description('Days for which a deleted key vault and deleted secrets can be brought back. Azure takes it from the first deployment and refuses to change it.')
@minValue(7)
@maxValue(90)
param vaultSoftDeleteDays int = 14

@description('Days for which log lines are kept.')
@minValue(30)
@maxValue(730)
param logDays int = 90

@description('Most GB of log lines a day; the alert log-quota tells when they are used up.')
@minValue(1)
param logQuotaGb int = 1

@description('Whether audit logs go to a storage account too in which nothing can be changed or deleted.')
param immutableAudit bool = false

@description('Days for which audit logs there cannot be changed or deleted.')
@minValue(1)
param auditDays int = 400

@description('Who is told of alerts by mail; empty: nobody.')
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

// azd keeps these in its environment; infra/set_up_sql.sh reads them.
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
