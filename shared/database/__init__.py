"""Databases: connections, types and locks of SQLite, SQL Server and Azure SQL."""
