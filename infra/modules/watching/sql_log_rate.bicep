// Alerts when the Azure SQL database reaches the log rate limit of its tier, which slows down the loads of responses.

param tags object
param baseName string
param sqlDatabaseId string

@description('The action group that the alert notifies.')
param actionGroupId string

@description('Percentage of the tier\'s log rate limit, averaged over 15 minutes.')
param threshold int = 90

resource logRate 'Microsoft.Insights/metricAlerts@2018-03-01' = {
  name: '${baseName}-sql-log-rate'
  location: 'global'
  tags: tags
  properties: {
    description: 'The database has reached the log rate limit of its tier. What to do: docs/how-to/watch.md.'
    enabled: true
    severity: 3
    scopes: [sqlDatabaseId]
    evaluationFrequency: 'PT5M'
    windowSize: 'PT15M'
    autoMitigate: true
    criteria: {
      'odata.type': 'Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria'
      allOf: [
        {
          criterionType: 'StaticThresholdCriterion'
          name: 'log-rate'
          metricNamespace: 'Microsoft.Sql/servers/databases'
          metricName: 'log_write_percent'
          timeAggregation: 'Average'
          operator: 'GreaterThan'
          threshold: threshold
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
