// Azure itself says that something of the bridge is not available.

param tags object
param baseName string

@description('What is watched.')
param resourceIds array

@description('Who is told.')
param actionGroupId string

resource health 'Microsoft.Insights/activityLogAlerts@2020-10-01' = {
  name: '${baseName}-resource-health'
  location: 'global'
  tags: tags
  properties: {
    description: 'Azure reports that a resource of the bridge is unavailable or degraded.'
    enabled: true
    scopes: resourceIds
    condition: {
      allOf: [
        {
          field: 'category'
          equals: 'ResourceHealth'
        }
        {
          anyOf: [
            {
              field: 'properties.currentHealthStatus'
              equals: 'Unavailable'
            }
            {
              field: 'properties.currentHealthStatus'
              equals: 'Degraded'
            }
          ]
        }
      ]
    }
    actions: {
      actionGroups: [
        {
          actionGroupId: actionGroupId
        }
      ]
    }
  }
}
