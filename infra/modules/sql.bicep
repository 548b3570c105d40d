// Azure SQL: a server that takes logins of Microsoft Entra only, with WS_DB and RS_DB.

param location string
param tags object
param name string

@description('Names of the databases; the first is RS_DB.')
param databases array

param administratorName string
param administratorObjectId string
param administratorType string
param privateNetworking bool

@description('The address from which the app comes where there is no private endpoint.')
param egressAddress string

@description('Days for which a database can be brought back to any moment; Azure SQL does it for 35 at most.')
param softDeleteDays int

param workspaceId string

@description('Storage account for audit logs; empty: none.')
param auditStorageId string

resource server 'Microsoft.Sql/servers@2023-08-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    version: '12.0'
    minimalTlsVersion: '1.2'
    publicNetworkAccess: privateNetworking ? 'Disabled' : 'Enabled'
    restrictOutboundNetworkAccess: 'Enabled'
    administrators: {
      administratorType: 'ActiveDirectory'
      azureADOnlyAuthentication: true
      login: administratorName
      sid: administratorObjectId
      principalType: administratorType
      tenantId: subscription().tenantId
    }
  }
}

resource app 'Microsoft.Sql/servers/firewallRules@2023-08-01' = if (!privateNetworking) {
  parent: server
  name: 'app'
  properties: {
    startIpAddress: egressAddress
    endIpAddress: egressAddress
  }
}

resource database 'Microsoft.Sql/servers/databases@2023-08-01' = [
  for one in databases: {
    parent: server
    name: one
    location: location
    tags: tags
    sku: {
      name: 'GP_S_Gen5'
      tier: 'GeneralPurpose'
      family: 'Gen5'
      capacity: 2
    }
    properties: {
      minCapacity: json('0.5')
      // Never: jobs are looked for every 15 seconds, so it would not sleep anyway.
      autoPauseDelay: -1
      zoneRedundant: false
      requestedBackupStorageRedundancy: 'Zone'
    }
  }
]

resource backups 'Microsoft.Sql/servers/databases/backupShortTermRetentionPolicies@2023-08-01' = [
  for (one, index) in databases: {
    parent: database[index]
    name: 'default'
    properties: {
      retentionDays: min(softDeleteDays, 35)
    }
  }
]

resource auditing 'Microsoft.Sql/servers/auditingSettings@2023-08-01' = {
  parent: server
  name: 'default'
  properties: {
    state: 'Enabled'
    isAzureMonitorTargetEnabled: true
    // Who logged in and who changed rights. Not every statement: a bulk load would fill the quota of the workspace.
    auditActionsAndGroups: [
      'SUCCESSFUL_DATABASE_AUTHENTICATION_GROUP'
      'FAILED_DATABASE_AUTHENTICATION_GROUP'
      'DATABASE_PRINCIPAL_CHANGE_GROUP'
      'DATABASE_ROLE_MEMBER_CHANGE_GROUP'
      'DATABASE_PERMISSION_CHANGE_GROUP'
      'SCHEMA_OBJECT_CHANGE_GROUP'
    ]
  }
}

// The auditing of a server is sent as the log of its database master.
resource master 'Microsoft.Sql/servers/databases@2023-08-01' existing = {
  parent: server
  name: 'master'
}

resource audit 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'audit'
  scope: master
  properties: {
    workspaceId: workspaceId
    storageAccountId: empty(auditStorageId) ? null : auditStorageId
    logs: [
      {
        category: 'SQLSecurityAuditEvents'
        enabled: true
      }
    ]
  }
  dependsOn: [auditing, database]
}

resource metrics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = [
  for (one, index) in databases: {
    name: 'metrics'
    scope: database[index]
    properties: {
      workspaceId: workspaceId
      logs: [
        {
          category: 'Errors'
          enabled: true
        }
        {
          category: 'Deadlocks'
          enabled: true
        }
      ]
      metrics: [
        {
          category: 'Basic'
          enabled: true
        }
      ]
    }
  }
]

output serverId string = server.id
