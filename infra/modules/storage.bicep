// The storage account: queues between the functions, staged lists, reject files, response files, deployment package.

param location string
param tags object
param name string
param privateNetworking bool

@description('Public addresses allowed to reach it from the internet despite private networking.')
param allowedAddresses array

@description('The identity that reads and writes the account.')
param userPrincipalId string

param stagedListsDays int
param rejectsDays int
param responseFilesDays int
param deliveryFilesDays int
param softDeleteDays int
param workspaceId string

@description('Storage account for audit logs; empty: none.')
param auditStorageId string

var closed = privateNetworking && empty(allowedAddresses)

// STAGING_CONTAINER, REJECTS_CONTAINER and RESPONSES_CONTAINER name the first three. Housekeeping deletes their contents
// when their retention ends; the lifecycle rules apply later, to blobs that housekeeping does not know.
@description('Days by which the lifecycle rules apply later than housekeeping.')
param spareDays int = 30

var containers = [
  {
    name: 'staging'
    days: stagedListsDays + spareDays
  }
  {
    name: 'rejects'
    days: rejectsDays + spareDays
  }
  {
    name: 'responses'
    days: responseFilesDays + spareDays
  }
  // For FastStats on premises: delivery files that AzCopy uploads, and files for FERG (docs/how-to/deploy.md).
  {
    name: 'deliveries'
    days: deliveryFilesDays
  }
  {
    name: 'ferg'
    days: deliveryFilesDays
  }
]

// Deployment packages: the app runs from the newest, so only older versions of a blob are deleted.
var deploymentContainer = 'deployment'

var queueNames = [
  'upload-list'
  'upload-list-poison'
  'monitor-import'
  'monitor-import-poison'
  'load-responses'
  'load-responses-poison'
]

// Storage Blob Data Contributor, Storage Queue Data Contributor
var blobRole = 'ba92f5b4-2d11-453d-a403-e96b0029c9fe'
var queueRole = '974c5e8b-45b9-4653-ba55-5f855dd0fb88'

resource account 'Microsoft.Storage/storageAccounts@2024-01-01' = {
  name: name
  location: location
  tags: tags
  kind: 'StorageV2'
  sku: {
    name: 'Standard_ZRS'
  }
  properties: {
    accessTier: 'Hot'
    allowBlobPublicAccess: false
    allowCrossTenantReplication: false
    allowSharedKeyAccess: false
    defaultToOAuthAuthentication: true
    isLocalUserEnabled: false
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
    publicNetworkAccess: closed ? 'Disabled' : 'Enabled'
    networkAcls: {
      defaultAction: privateNetworking ? 'Deny' : 'Allow'
      bypass: 'None'
      ipRules: [
        for address in allowedAddresses: {
          action: 'Allow'
          value: address
        }
      ]
    }
    sasPolicy: {
      // The signed upload address for PeopleStage's channel is valid for an hour.
      sasExpirationPeriod: '0.02:00:00'
      expirationAction: 'Log'
    }
    encryption: {
      keySource: 'Microsoft.Storage'
      requireInfrastructureEncryption: true
      services: {
        blob: {
          enabled: true
          keyType: 'Account'
        }
        queue: {
          enabled: true
          keyType: 'Account'
        }
      }
    }
  }
}

resource blobs 'Microsoft.Storage/storageAccounts/blobServices@2024-01-01' = {
  parent: account
  name: 'default'
  properties: {
    isVersioningEnabled: true
    deleteRetentionPolicy: {
      enabled: true
      days: softDeleteDays
    }
    containerDeleteRetentionPolicy: {
      enabled: true
      days: softDeleteDays
    }
  }
}

resource container 'Microsoft.Storage/storageAccounts/blobServices/containers@2024-01-01' = [
  for item in containers: {
    parent: blobs
    name: item.name
    properties: {
      publicAccess: 'None'
    }
  }
]

resource deployment 'Microsoft.Storage/storageAccounts/blobServices/containers@2024-01-01' = {
  parent: blobs
  name: deploymentContainer
  properties: {
    publicAccess: 'None'
  }
}

resource queues 'Microsoft.Storage/storageAccounts/queueServices@2024-01-01' = {
  parent: account
  name: 'default'
}

resource queue 'Microsoft.Storage/storageAccounts/queueServices/queues@2024-01-01' = [
  for queueName in queueNames: {
    parent: queues
    name: queueName
  }
]

var contentRules = [
  for item in containers: {
    name: 'remove-${item.name}'
    enabled: true
    type: 'Lifecycle'
    definition: {
      filters: {
        blobTypes: ['blockBlob']
        prefixMatch: ['${item.name}/']
      }
      actions: {
        baseBlob: {
          delete: {
            daysAfterModificationGreaterThan: item.days
          }
        }
      }
    }
  }
]

// Rows for BULK INSERT: a load deletes its file, so a remaining file was left by a crash.
var bulkRule = {
  name: 'remove-bulk'
  enabled: true
  type: 'Lifecycle'
  definition: {
    filters: {
      blobTypes: ['blockBlob']
      prefixMatch: ['staging/bulk/']
    }
    actions: {
      baseBlob: {
        delete: {
          daysAfterModificationGreaterThan: 1
        }
      }
    }
  }
}

// Overwritten and deleted blobs in every container, including those that the host creates for itself.
var versionRule = {
  name: 'remove-old-versions'
  enabled: true
  type: 'Lifecycle'
  definition: {
    filters: {
      blobTypes: ['blockBlob']
    }
    actions: {
      version: {
        delete: {
          daysAfterCreationGreaterThan: softDeleteDays
        }
      }
    }
  }
}

resource lifecycle 'Microsoft.Storage/storageAccounts/managementPolicies@2024-01-01' = {
  parent: account
  name: 'default'
  properties: {
    policy: {
      rules: concat(contentRules, [bulkRule, versionRule])
    }
  }
  dependsOn: [blobs]
}

resource blobUser 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(account.id, userPrincipalId, blobRole)
  scope: account
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', blobRole)
    principalId: userPrincipalId
    principalType: 'ServicePrincipal'
  }
}

resource queueUser 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(account.id, userPrincipalId, queueRole)
  scope: account
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', queueRole)
    principalId: userPrincipalId
    principalType: 'ServicePrincipal'
  }
}

// Writes and deletions of blobs. Not reads: the host reads its queues and locks every second.
resource blobAudit 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'audit'
  scope: blobs
  properties: {
    workspaceId: workspaceId
    storageAccountId: empty(auditStorageId) ? null : auditStorageId
    logs: [
      {
        category: 'StorageWrite'
        enabled: true
      }
      {
        category: 'StorageDelete'
        enabled: true
      }
    ]
    metrics: [
      {
        category: 'Transaction'
        enabled: true
      }
    ]
  }
}

resource queueMetrics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'metrics'
  scope: queues
  properties: {
    workspaceId: workspaceId
    metrics: [
      {
        category: 'Transaction'
        enabled: true
      }
    ]
  }
}

output id string = account.id
output name string = account.name
output deploymentContainer string = deploymentContainer
