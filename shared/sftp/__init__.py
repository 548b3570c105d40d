"""The SFTP client: one site with pinned host keys, uploads that are resumed, listings that are not trusted."""
