"""Erasure: a person is removed from everything that the bridge keeps."""
