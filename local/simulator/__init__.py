"""Plays Optimizely Campaign: its SFTP site, REST API, import jobs, Smart Campaigns, recipients and response files.

Its own records are the referee of the demo and of the tests: which mails it sent to whom, and which
events the recipients caused. Behaviour of the vendor that is not documented is marked ASSUMPTION.
"""
