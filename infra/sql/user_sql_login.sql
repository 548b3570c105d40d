-- A user for a SQL login (login.sql), and its role. Run in WS_DB and in RS_DB as their owner; safe to run again.
--   sqlcmd -b -v UserName="broadcast_bridge" Role="bridge_app" -i user_sql_login.sql …

IF DATABASE_PRINCIPAL_ID(N'$(UserName)') IS NULL
    CREATE USER [$(UserName)] FOR LOGIN [$(UserName)];
GO
ALTER ROLE [$(Role)] ADD MEMBER [$(UserName)];
GO
