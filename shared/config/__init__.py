"""Configuration: app settings, channels, response layouts."""
