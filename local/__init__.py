"""What only a developer's machine runs: the Functions host, Azurite, the Optimizely Campaign simulator, the demo."""
