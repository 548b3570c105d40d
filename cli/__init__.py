"""The `bridge` command: a thin shell over the bridge's own verbs."""
