"""The storage account: staged files and queues."""
