"""What the bridge says about itself over HTTP."""
