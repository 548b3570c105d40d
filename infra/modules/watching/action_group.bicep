// Who is told when an alert fires.

param tags object
param baseName string

@description('Who is told by mail; empty: nobody.')
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
    // At most 12 characters: they stand in the subject of a mail.
    groupShortName: 'bridge'
    emailReceivers: empty(alertEmail) ? [] : operators
  }
}

output id string = actionGroup.id
