"""The SFTP client: sites with pinned host keys, uploads that resume, listings that are not trusted."""
