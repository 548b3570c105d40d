// Alerts over what the bridge logs. The queries stand in infra/watching, one file a rule.
//
// Each rule looks at more time than lies between two looks, for lines arrive some minutes late. What it finds again and
// again is one alert, by its dimensions; it is over by itself when nothing is found any more.

param location string
param tags object
param baseName string

@description('Log Analytics workspace of Application Insights.')
param workspaceId string

@description('Application Insights component of the function app.')
param applicationInsightsId string

@description('Who is told.')
param actionGroupId string

@description('How often the rules look.')
param evaluationFrequency string = 'PT5M'

@description('How far back they look.')
param windowSize string = 'PT15M'

// The log lines with their fields; the rules ask for these.
var lines = loadTextContent('../../watching/lines.kql')

var rules = [
  {
    name: 'poison-messages'
    description: 'Messages failed too often and lie in a poison queue.'
    query: '${lines}\n${loadTextContent('../../watching/poison-messages.kql')}'
    severity: 2
    dimensions: ['queue']
  }
  {
    name: 'broadcast-stuck'
    description: 'A broadcast waits longer in its state than it should need.'
    query: '${lines}\n${loadTextContent('../../watching/broadcast-stuck.kql')}'
    severity: 2
    dimensions: ['broadcast', 'state']
  }
  {
    name: 'needs-operator'
    description: 'Nobody knows whether a message went out: its broadcast waits for a decision.'
    query: '${lines}\n${loadTextContent('../../watching/needs-operator.kql')}'
    severity: 1
    dimensions: ['broadcast']
  }
  {
    name: 'broadcast-failed'
    description: 'A broadcast ended with an error; nobody was mailed.'
    query: '${lines}\n${loadTextContent('../../watching/broadcast-failed.kql')}'
    severity: 3
    dimensions: ['broadcast', 'code']
  }
  {
    name: 'no-response-file'
    description: 'No response file came for longer than is set.'
    query: '${lines}\n${loadTextContent('../../watching/no-response-file.kql')}'
    severity: 2
    dimensions: ['subject']
  }
  {
    name: 'report-gap'
    description: 'The responses of a broadcast lag behind the report of Optimizely, more and more so.'
    query: '${lines}\n${loadTextContent('../../watching/report-gap.kql')}'
    severity: 2
    dimensions: ['subject']
  }
  {
    name: 'response-file-left'
    description: 'A response file cannot be gathered or loaded.'
    query: '${lines}\n${loadTextContent('../../watching/response-file-left.kql')}'
    severity: 2
    dimensions: ['subject']
  }
  {
    name: 'failed-functions'
    description: 'Invocations of a function fail again and again.'
    query: loadTextContent('../../watching/failed-functions.kql')
    severity: 2
    dimensions: ['operation_Name']
    threshold: 3
  }
  {
    name: 'work-put-off'
    description: 'Something could not be done for half an hour and more, and is tried again and again.'
    query: '${lines}\n${loadTextContent('../../watching/work-put-off.kql')}'
    severity: 2
    dimensions: ['what']
    // Each is as long as the time that a rule looks back.
    periods: 3
  }
  {
    name: 'host-key-refused'
    description: 'An SFTP site showed a host key that is not pinned.'
    query: '${lines}\n${loadTextContent('../../watching/host-key-refused.kql')}'
    severity: 1
    dimensions: []
  }
  {
    name: 'database-unavailable'
    description: 'The database does not answer, is full, or does not let the bridge in.'
    query: '${lines}\n${loadTextContent('../../watching/database-unavailable.kql')}'
    severity: 1
    dimensions: ['code']
    // A failover is over in less than that.
    threshold: 5
  }
  {
    name: 'optimizely-refuses'
    description: 'Optimizely refuses the login of the REST API or of the SFTP site.'
    query: '${lines}\n${loadTextContent('../../watching/optimizely-refuses.kql')}'
    severity: 1
    dimensions: ['code']
  }
  {
    name: 'bridge-silent'
    description: 'The bridge says nothing: no timer runs, or no line arrives.'
    query: '${lines}\n${loadTextContent('../../watching/bridge-silent.kql')}'
    severity: 1
    dimensions: []
    operator: 'LessThan'
    threshold: 1
  }
  {
    name: 'log-quota'
    description: 'The daily quota of the workspace is used up: the other rules see nothing any more.'
    query: loadTextContent('../../watching/log-quota.kql')
    severity: 1
    dimensions: []
    scope: workspaceId
  }
]

resource alerts 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = [
  for rule in rules: {
    name: '${baseName}-${rule.name}'
    location: location
    tags: tags
    kind: 'LogAlert'
    properties: {
      displayName: '${baseName}: ${rule.name}'
      description: '${rule.description} docs/how-to/watch.md says what to do.'
      enabled: true
      severity: rule.severity
      scopes: [rule.?scope ?? applicationInsightsId]
      evaluationFrequency: evaluationFrequency
      windowSize: windowSize
      autoMitigate: true
      criteria: {
        allOf: [
          {
            query: rule.query
            timeAggregation: 'Count'
            operator: rule.?operator ?? 'GreaterThan'
            threshold: rule.?threshold ?? 0
            dimensions: map(rule.dimensions, name => {
              name: name
              operator: 'Include'
              values: ['*']
            })
            failingPeriods: {
              numberOfEvaluationPeriods: rule.?periods ?? 1
              minFailingPeriodsToAlert: rule.?periods ?? 1
            }
          }
        ]
      }
      actions: {
        actionGroups: [actionGroupId]
      }
    }
  }
]
