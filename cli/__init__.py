"""The `bridge` command: a thin shell over the operations."""
