// Azure SQL: a server with WS_DB and RS_DB that accepts Microsoft Entra logins only.

param location string
param tags object
param name string

@description('Names of the databases; the first is RS_DB.')
param databases array

param administratorName string
param administratorObjectId string
param administratorType string
param privateNetworking bool

@description('The outbound address of the app, allowed by the firewall without private networking.')
param egressAddress string

@description('Days for which a database can be restored to any point in time; Azure SQL allows at most 35.')
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
  for databaseName in databases: {
    parent: server
    name: databaseName
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
      // Never: jobs are polled every 15 seconds, so the database would not pause anyway.
      autoPauseDelay: -1
      zoneRedundant: false
      requestedBackupStorageRedundancy: 'Zone'
    }
  }
]

resource backups 'Microsoft.Sql/servers/databases/backupShortTermRetentionPolicies@2023-08-01' = [
  for (databaseName, index) in databases: {
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
    // Logins and changes of permissions. Not every statement: a bulk load would use up the quota of the workspace.
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

// The audit log of a server is that of its database master.
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
  for (databaseName, index) in databases: {
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
