"""The side of Optimizely Campaign: REST, SFTP site, list files, response files, routes."""
