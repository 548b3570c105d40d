// Alerts when the storage account throttles requests.

param tags object
param baseName string
param storageAccountId string
param storageAccountName string

@description('The action group that the alert notifies.')
param actionGroupId string

@description('Throttled requests per 15 minutes that raise no alert: the clients retry.')
param threshold int = 10

resource throttling 'Microsoft.Insights/metricAlerts@2018-03-01' = {
  name: '${baseName}-storage-throttling'
  location: 'global'
  tags: tags
  properties: {
    description: 'The storage account ${storageAccountName} throttles requests. What to do: docs/how-to/watch.md.'
    enabled: true
    severity: 3
    scopes: [storageAccountId]
    evaluationFrequency: 'PT5M'
    windowSize: 'PT15M'
    autoMitigate: true
    criteria: {
      'odata.type': 'Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria'
      allOf: [
        {
          criterionType: 'StaticThresholdCriterion'
          name: 'turned-away'
          metricNamespace: 'Microsoft.Storage/storageAccounts'
          metricName: 'Transactions'
          timeAggregation: 'Total'
          operator: 'GreaterThan'
          threshold: threshold
          dimensions: [
            {
              name: 'ResponseType'
              operator: 'Include'
              values: [
                'ServerBusyError'
                'ServerTimeoutError'
                'ClientThrottlingError'
                'ClientAccountBandwidthThrottlingError'
                'ClientAccountRequestThrottlingError'
                'SuccessWithThrottling'
              ]
            }
          ]
        }
      ]
    }
    actions: [
      {
        actionGroupId: actionGroupId
      }
    ]
  }
}
