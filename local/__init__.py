"""Runs on a developer's machine only: the Functions host, Azurite, the Optimizely Campaign simulator, the demo."""
