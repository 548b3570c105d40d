// The function app on Flex Consumption, with every app setting that shared/config/settings.py declares.

param location string
param tags object
param name string
param privateNetworking bool

@description('Public addresses allowed to reach it from the internet despite private networking.')
param allowedAddresses array

@description('Subnet of all outbound traffic.')
param subnetId string

param identityId string
param identityClientId string
param storageAccountName string

@description('Container of the deployment package.')
param deploymentContainer string

param applicationInsightsConnection string
param keyVaultUri string
param workspaceId string
param maximumInstanceCount int
param instanceMemoryMB int
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
param stagedListsDays int
param rejectsDays int
param responseFilesDays int
param recipientKeysDays int
param historyDays int

var closed = privateNetworking && empty(allowedAddresses)
var blobUri = 'https://${storageAccountName}.blob.${environment().suffixes.storage}'
var queueUri = 'https://${storageAccountName}.queue.${environment().suffixes.storage}'

// Settings of the platform.
var platformSettings = {
  AzureWebJobsStorage__blobServiceUri: blobUri
  AzureWebJobsStorage__queueServiceUri: queueUri
  AzureWebJobsStorage__credential: 'managedidentity'
  AzureWebJobsStorage__clientId: identityClientId
  APPLICATIONINSIGHTS_CONNECTION_STRING: applicationInsightsConnection
  APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'ClientId=${identityClientId};Authorization=AAD'
}

// Empty: not set. docs/reference/settings.md describes each; settings without a parameter have their default.
var bridgeSettings = {
  STAGING_CONTAINER: 'staging'
  REJECTS_CONTAINER: 'rejects'
  RESPONSES_CONTAINER: 'responses'
  UPLOAD_LIST_QUEUE: 'upload-list'
  MONITOR_IMPORT_QUEUE: 'monitor-import'
  LOAD_RESPONSES_QUEUE: 'load-responses'
  POLL_JOBS_SCHEDULE: '*/15 * * * * *'
  GATHER_RESPONSES_SCHEDULE: '0 */5 * * * *'
  HOUSEKEEPING_SCHEDULE: '0 * * * * *'
  DRAW_SUPPRESSIONS_SCHEDULE: '0 */10 * * * *'
  SYSTEM_NAME: systemName
  WS_DB: wsDb
  RS_DB: rsDb
  PS_DB: psDb
  SCHEMA_MAP_FILE: ''
  BULK_LOAD: 'auto'
  BULK_INSERT_DATA_SOURCE: ''
  DATABASE_TIME_ZONE: databaseTimeZone
  DELIVERY_FILES: deliveryFiles
  CHANNELS_FILE: ''
  BRIDGE_NAME: 'Broadcast Bridge'
  JOBS_PER_POLL: '20'
  OPTIMIZELY_REST_URL: 'https://api.campaign.episerver.net/rest'
  OPTIMIZELY_CLIENT_ID: optimizelyClientId
  OPTIMIZELY_API_USER: optimizelyApiUser
  OPTIMIZELY_API_PASSWORD: ''
  OPTIMIZELY_CONNECTIONS: '8'
  SFTP_HOST: sftpHost
  SFTP_PORT: '22'
  SFTP_USER: sftpUser
  SFTP_PRIVATE_KEY: ''
  SFTP_PRIVATE_KEY_PASSPHRASE: ''
  SFTP_PASSWORD: ''
  SFTP_HOST_KEYS: sftpHostKeys
  SFTP_DIRECT: 'False'
  SFTP_DIRECT_MARKER: ''
  SFTP_RESPONSE_FOLDER: '/responses'
  MONITOR_INTERVAL_SECONDS: '30'
  IMPORT_TIMEOUT_MINUTES: '1560'
  SEND_TIMEOUT_MINUTES: '60'
  START_SETTLE_SECONDS: '120'
  LEASE_SECONDS: '60'
  MAX_ATTEMPTS: '8'
  RETRY_SECONDS: '10'
  RESPONSE_FILE_MARKER: ''
  UNFINISHED_NAMES: ''
  RESPONSE_FILE_ROUNDS: '6'
  RESPONSE_FILE_SETTLE_SECONDS: '60'
  KEEP_STAGED_LISTS_DAYS: string(stagedListsDays)
  KEEP_REJECTS_DAYS: string(rejectsDays)
  KEEP_RESPONSE_FILES_DAYS: string(responseFilesDays)
  KEEP_RECIPIENT_KEYS_DAYS: string(recipientKeysDays)
  KEEP_HISTORY_DAYS: string(historyDays)
  RESPONSES_TO: 'tables'
  ONLY_MAIL: ''
  FERG_FILES: ''
  FERG_DELIMITER: 'TAB'
  FERG_ENCLOSER: 'DOUBLEQUOTE'
  FERG_DATE_FORMAT: 'dd.MM.yyyy HH:mm:ss'
  ERASE_RESPONSES: 'anonymise'
}

// References have no version, so a new version of a secret takes effect within a day or when the app restarts.
var secretReferences = toObject(
  secretSettings,
  setting => setting,
  setting => '@Microsoft.KeyVault(SecretUri=${keyVaultUri}secrets/${toLower(replace(setting, '_', '-'))})'
)

resource plan 'Microsoft.Web/serverfarms@2024-04-01' = {
  name: 'plan-${name}'
  location: location
  tags: tags
  kind: 'functionapp'
  sku: {
    tier: 'FlexConsumption'
    name: 'FC1'
  }
  properties: {
    reserved: true
  }
}

resource app 'Microsoft.Web/sites@2024-04-01' = {
  name: name
  location: location
  // azd finds the target of its service by this tag.
  tags: union(tags, {
    'azd-service-name': 'bridge'
  })
  kind: 'functionapp,linux'
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${identityId}': {}
    }
  }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    publicNetworkAccess: closed ? 'Disabled' : 'Enabled'
    virtualNetworkSubnetId: subnetId
    keyVaultReferenceIdentity: identityId
    siteConfig: {
      ftpsState: 'Disabled'
      minTlsVersion: '1.2'
      scmMinTlsVersion: '1.2'
      http20Enabled: true
      remoteDebuggingEnabled: false
      // These do not apply to the private endpoint. The deployment site (SCM) has the same restrictions.
      ipSecurityRestrictionsDefaultAction: privateNetworking ? 'Deny' : 'Allow'
      scmIpSecurityRestrictionsUseMain: true
      ipSecurityRestrictions: [
        for (address, index) in allowedAddresses: {
          name: 'allowed-${index}'
          priority: 100 + index
          action: 'Allow'
          ipAddress: contains(address, '/') ? address : '${address}/32'
        }
      ]
    }
    functionAppConfig: {
      runtime: {
        name: 'python'
        version: '3.13'
      }
      deployment: {
        storage: {
          type: 'blobContainer'
          value: '${blobUri}/${deploymentContainer}'
          authentication: {
            type: 'UserAssignedIdentity'
            userAssignedIdentityResourceId: identityId
          }
        }
      }
      scaleAndConcurrency: {
        maximumInstanceCount: maximumInstanceCount
        instanceMemoryMB: instanceMemoryMB
      }
    }
  }
}

resource appSettings 'Microsoft.Web/sites/config@2024-04-01' = {
  parent: app
  name: 'appsettings'
  properties: union(bridgeSettings, settings, secretReferences, platformSettings)
}

// Deployment requires a Microsoft Entra token; passwords are off.
resource noFtpPassword 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2024-04-01' = {
  parent: app
  name: 'ftp'
  properties: {
    allow: false
  }
}

resource noScmPassword 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2024-04-01' = {
  parent: app
  name: 'scm'
  properties: {
    allow: false
  }
}

// Log lines go to Application Insights; platform logs would be billed a second time.
resource metrics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'metrics'
  scope: app
  properties: {
    workspaceId: workspaceId
    metrics: [
      {
        category: 'AllMetrics'
        enabled: true
      }
    ]
  }
}

output id string = app.id
output name string = app.name
output hostName string = app.properties.defaultHostName
