"""Erasure: removes a person from everything that the bridge keeps."""
