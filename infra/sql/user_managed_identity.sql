-- A user for a managed identity, and its role. Run in WS_DB and in RS_DB, as the server's Microsoft Entra administrator;
-- safe to run again. Azure SQL, or SQL Server with Microsoft Entra authentication.
--   sqlcmd --authentication-method ActiveDirectoryDefault -b \
--       -v UserName="broadcast-bridge" ObjectId="<object id>" Role="bridge_app" -i user_managed_identity.sql …
-- ObjectId is that of the identity's service principal: display names are not unique, so a name alone could admit another
-- identity. Use `none` if the server does not support WITH OBJECT_ID.

IF DATABASE_PRINCIPAL_ID(N'$(UserName)') IS NULL AND N'$(ObjectId)' = N'none'
    CREATE USER [$(UserName)] FROM EXTERNAL PROVIDER;
GO
IF DATABASE_PRINCIPAL_ID(N'$(UserName)') IS NULL
    EXEC(N'CREATE USER [$(UserName)] FROM EXTERNAL PROVIDER WITH OBJECT_ID = ''$(ObjectId)''');
GO
ALTER ROLE [$(Role)] ADD MEMBER [$(UserName)];
GO
