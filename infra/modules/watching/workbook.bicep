// The workbook: broadcasts under way, their results, and errors at a glance.

param location string
param tags object
param baseName string
param applicationInsightsId string

resource workbook 'Microsoft.Insights/workbooks@2023-06-01' = {
  // A workbook's name must be a GUID.
  name: guid(resourceGroup().id, baseName, 'workbook')
  location: location
  tags: tags
  kind: 'shared'
  properties: {
    displayName: '${baseName}: Broadcast Bridge'
    category: 'workbook'
    version: '1.0'
    sourceId: applicationInsightsId
    serializedData: loadTextContent('../../watching/workbook.json')
  }
}
