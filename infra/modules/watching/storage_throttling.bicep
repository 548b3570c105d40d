// The storage account turns requests away.

param tags object
param baseName string
param storageAccountId string
param storageAccountName string

@description('Who is told.')
param actionGroupId string

@description('Requests turned away in 15 minutes that nobody is told of: the clients ask again.')
param threshold int = 10

resource throttling 'Microsoft.Insights/metricAlerts@2018-03-01' = {
  name: '${baseName}-storage-throttling'
  location: 'global'
  tags: tags
  properties: {
    description: 'The storage account ${storageAccountName} turns requests away. docs/how-to/watch.md says what to do.'
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
