"""What the installation is set to: app settings, channels, response layouts."""
