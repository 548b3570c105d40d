-- The role in PS_DB. Run in PS_DB as its owner; safe to run again. Needed only where the setting PS_DB is given.
--   sqlcmd -b -v FastStatsSchema="dbo" -i ps_db_roles.sql …

IF DATABASE_PRINCIPAL_ID(N'bridge_app') IS NULL CREATE ROLE bridge_app;
GO

-- Delivery commands are read, to find the delivery step and the run of a delivery file.
GRANT SELECT ON OBJECT::[$(FastStatsSchema)].[vDeliveryCommands] TO bridge_app;
GO
-- The columns are compared with the schema map at start.
GRANT VIEW DEFINITION ON OBJECT::[$(FastStatsSchema)].[vDeliveryCommands] TO bridge_app;
GO
