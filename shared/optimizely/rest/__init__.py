"""The REST API of Optimizely Campaign."""
