"""Simulates Optimizely Campaign: its SFTP site, REST API, import jobs, Smart Campaigns, recipients and response files.

Its own records verify the demo and the tests: which mails it sent to whom, and which events the
recipients caused. Behaviour that the vendor does not document is marked ASSUMPTION.
"""
