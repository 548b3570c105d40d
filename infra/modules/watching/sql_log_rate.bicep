// The Azure SQL database writes its log as fast as its tier lets it: loads of responses wait for it.

param tags object
param baseName string
param sqlDatabaseId string

@description('Who is told.')
param actionGroupId string

@description('Percent of the log rate of the tier, on average over 15 minutes.')
param threshold int = 90

resource logRate 'Microsoft.Insights/metricAlerts@2018-03-01' = {
  name: '${baseName}-sql-log-rate'
  location: 'global'
  tags: tags
  properties: {
    description: 'The database writes its log as fast as its tier lets it. docs/how-to/watch.md says what to do.'
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
