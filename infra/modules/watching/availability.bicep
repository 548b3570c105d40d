// An availability test: requests the health endpoint every five minutes from five locations.

param location string
param tags object
param baseName string
param applicationInsightsId string
param functionAppHostName string

@description('The action group that the alert notifies.')
param actionGroupId string

@description('Test locations, by their Azure names.')
param places array = [
  'emea-nl-ams-azr'
  'emea-gb-db3-azr'
  'emea-fr-pra-edge'
  'emea-se-sto-edge'
  'emea-ru-msa-edge'
]

resource test 'Microsoft.Insights/webtests@2022-06-15' = {
  name: '${baseName}-health'
  location: location
  // The portal links the test to its Application Insights component by this tag.
  tags: union(tags, {
    'hidden-link:${applicationInsightsId}': 'Resource'
  })
  kind: 'standard'
  properties: {
    SyntheticMonitorId: '${baseName}-health'
    Name: '${baseName}: health'
    Kind: 'standard'
    Enabled: true
    Frequency: 300
    Timeout: 60
    RetryEnabled: true
    Locations: [
      for testLocation in places: {
        Id: testLocation
      }
    ]
    Request: {
      RequestUrl: 'https://${functionAppHostName}/api/health'
      HttpVerb: 'GET'
      FollowRedirects: false
      ParseDependentRequests: false
    }
    ValidationRules: {
      ExpectedHttpStatusCode: 200
      SSLCheck: true
      SSLCertRemainingLifetimeCheck: 7
    }
  }
}

resource unhealthy 'Microsoft.Insights/metricAlerts@2018-03-01' = {
  name: '${baseName}-unhealthy'
  location: 'global'
  tags: union(tags, {
    'hidden-link:${applicationInsightsId}': 'Resource'
    'hidden-link:${test.id}': 'Resource'
  })
  properties: {
    description: 'The health endpoint did not return 200 to two or more test locations. What to do: docs/how-to/watch.md.'
    enabled: true
    severity: 1
    scopes: [
      test.id
      applicationInsightsId
    ]
    evaluationFrequency: 'PT1M'
    windowSize: 'PT5M'
    autoMitigate: true
    criteria: {
      'odata.type': 'Microsoft.Azure.Monitor.WebtestLocationAvailabilityCriteria'
      webTestId: test.id
      componentId: applicationInsightsId
      failedLocationCount: 2
    }
    actions: [
      {
        actionGroupId: actionGroupId
      }
    ]
  }
}
