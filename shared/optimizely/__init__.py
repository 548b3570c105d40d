"""Optimizely Campaign: its REST API, list files, response files, and names resolved to ids."""
