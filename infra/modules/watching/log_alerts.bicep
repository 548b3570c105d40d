// Log search alerts over the bridge's log lines. The queries are in infra/watching, one file per rule.
//
// The window of each rule is longer than its evaluation interval, because log lines arrive some minutes late. Matches with
// the same dimensions in consecutive evaluations are one alert, which resolves when nothing matches any more.

param location string
param tags object
param baseName string

@description('Log Analytics workspace of Application Insights.')
param workspaceId string

@description('Application Insights component of the function app.')
param applicationInsightsId string

@description('The action group that the alerts notify.')
param actionGroupId string

@description('How often the rules are evaluated.')
param evaluationFrequency string = 'PT5M'

@description('The time range that each evaluation covers.')
param windowSize string = 'PT15M'

// The log lines with their fields: the common prefix of the queries.
var lines = loadTextContent('../../watching/lines.kql')

var rules = [
  {
    name: 'poison-messages'
    description: 'A poison queue contains messages that failed too often.'
    query: '${lines}\n${loadTextContent('../../watching/poison-messages.kql')}'
    severity: 2
    dimensions: ['queue']
  }
  {
    name: 'broadcast-stuck'
    description: 'A broadcast has been in its state for longer than expected.'
    query: '${lines}\n${loadTextContent('../../watching/broadcast-stuck.kql')}'
    severity: 2
    dimensions: ['broadcast', 'state']
  }
  {
    name: 'needs-operator'
    description: 'It is unknown whether a message was sent; its broadcast waits for a decision of an operator.'
    query: '${lines}\n${loadTextContent('../../watching/needs-operator.kql')}'
    severity: 1
    dimensions: ['broadcast']
  }
  {
    name: 'broadcast-failed'
    description: 'A broadcast failed; nobody was mailed.'
    query: '${lines}\n${loadTextContent('../../watching/broadcast-failed.kql')}'
    severity: 3
    dimensions: ['broadcast', 'code']
  }
  {
    name: 'no-response-file'
    description: 'No response file arrived within the time set for its layout.'
    query: '${lines}\n${loadTextContent('../../watching/no-response-file.kql')}'
    severity: 2
    dimensions: ['subject']
  }
  {
    name: 'hold'
    description: 'Everything is held: nothing new is started until the hold is lifted.'
    query: '${lines}\n${loadTextContent('../../watching/hold.kql')}'
    severity: 2
    dimensions: ['code']
  }
  {
    name: 'sent-short'
    description: 'A message was sent to fewer recipients than were imported.'
    query: '${lines}\n${loadTextContent('../../watching/sent-short.kql')}'
    severity: 1
    dimensions: ['subject']
  }
  {
    name: 'report-gap'
    description: 'RS_DB has fewer responses of a broadcast than Optimizely reports, and the gap is growing.'
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
    description: 'Invocations of a function fail repeatedly.'
    query: loadTextContent('../../watching/failed-functions.kql')
    severity: 2
    dimensions: ['operation_Name']
    threshold: 3
  }
  {
    name: 'work-put-off'
    description: 'The same work has been postponed for half an hour or more; the bridge keeps retrying.'
    query: '${lines}\n${loadTextContent('../../watching/work-put-off.kql')}'
    severity: 2
    dimensions: ['what']
    // Each period is one windowSize.
    periods: 3
  }
  {
    name: 'host-key-refused'
    description: 'An SFTP site presented a host key that is not pinned.'
    query: '${lines}\n${loadTextContent('../../watching/host-key-refused.kql')}'
    severity: 1
    dimensions: []
  }
  {
    name: 'database-unavailable'
    description: 'The database is unreachable or full, or refuses the login of the bridge.'
    query: '${lines}\n${loadTextContent('../../watching/database-unavailable.kql')}'
    severity: 1
    dimensions: ['code']
    // A failover causes fewer errors than that.
    threshold: 5
  }
  {
    name: 'optimizely-refuses'
    description: 'Optimizely rejects the login to the REST API or the SFTP site.'
    query: '${lines}\n${loadTextContent('../../watching/optimizely-refuses.kql')}'
    severity: 1
    dimensions: ['code']
  }
  {
    name: 'bridge-silent'
    description: 'No heartbeat of the bridge: no timer runs, or no log line arrives.'
    query: '${lines}\n${loadTextContent('../../watching/bridge-silent.kql')}'
    severity: 1
    dimensions: []
    operator: 'LessThan'
    threshold: 1
  }
  {
    name: 'log-quota'
    description: 'The daily quota of the workspace is used up; the other rules see no log lines until it is reset.'
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
      description: '${rule.description} What to do: docs/how-to/watch.md.'
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
