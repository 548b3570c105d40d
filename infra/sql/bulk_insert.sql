-- Optional, for BULK_LOAD = bulk insert on Azure SQL: the database itself reads the staging container. Run in RS_DB as
-- its owner, after rs_db_roles.sql; safe to run again.
--   sqlcmd -b -v DataSource="bridge_staging" Container="https://<account>.blob.core.windows.net/staging" \
--       -i bulk_insert.sql …
-- Prerequisites: the database has a master key (CREATE MASTER KEY), and the managed identity of the logical server, not that
-- of the app, has the role Storage Blob Data Reader on the container.

IF NOT EXISTS (SELECT 1 FROM sys.database_scoped_credentials WHERE name = N'$(DataSource)')
    CREATE DATABASE SCOPED CREDENTIAL [$(DataSource)] WITH IDENTITY = 'Managed Identity';
GO
IF NOT EXISTS (SELECT 1 FROM sys.external_data_sources WHERE name = N'$(DataSource)')
    CREATE EXTERNAL DATA SOURCE [$(DataSource)]
    WITH (TYPE = BLOB_STORAGE, LOCATION = '$(Container)', CREDENTIAL = [$(DataSource)]);
GO
GRANT REFERENCES ON DATABASE SCOPED CREDENTIAL::[$(DataSource)] TO bridge_app;
-- It applies to the whole database, but only to tables that the role can insert into.
GRANT ADMINISTER DATABASE BULK OPERATIONS TO bridge_app;
GO
