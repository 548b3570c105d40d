"""Routes: how a list gets in and a message gets out."""
