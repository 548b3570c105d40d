-- A SQL login, for servers without Microsoft Entra. Run in master; safe to run again: it changes no password.
--   sqlcmd -b -v UserName="broadcast_bridge" -i login.sql …
-- The password comes from the environment variable BridgePassword, so no process list and no shell history shows it.

IF NOT EXISTS (SELECT 1 FROM sys.sql_logins WHERE name = N'$(UserName)')
    CREATE LOGIN [$(UserName)] WITH PASSWORD = N'$(BridgePassword)';
GO
