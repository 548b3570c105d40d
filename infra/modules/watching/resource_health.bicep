// Alerts when Azure Resource Health reports a resource of the bridge as unavailable or degraded.

param tags object
param baseName string

@description('The resources to watch.')
param resourceIds array

@description('The action group that the alert notifies.')
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
