// The action group: who is notified when an alert fires.

param tags object
param baseName string

@description('Address that is notified by mail; empty: none.')
param alertEmail string

var operators = [
  {
    name: 'operators'
    emailAddress: alertEmail
    useCommonAlertSchema: true
  }
]

resource actionGroup 'Microsoft.Insights/actionGroups@2023-01-01' = {
  name: '${baseName}-operators'
  location: 'global'
  tags: tags
  properties: {
    enabled: true
    // At most 12 characters; shown in the subject of each mail.
    groupShortName: 'bridge'
    emailReceivers: empty(alertEmail) ? [] : operators
  }
}

output id string = actionGroup.id
