"""The Apteco side: jobs of WS_DB, delivery files, the response database."""
