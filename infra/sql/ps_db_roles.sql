-- The role in PS_DB. Run in PS_DB as its owner; safe to run again. Needed only if the setting PS_DB is set.
--   sqlcmd -b -v FastStatsSchema="dbo" -i ps_db_roles.sql …

IF DATABASE_PRINCIPAL_ID(N'bridge_app') IS NULL CREATE ROLE bridge_app;
GO

-- The bridge reads delivery commands to find the delivery step and the run of a delivery file.
GRANT SELECT ON OBJECT::[$(FastStatsSchema)].[vDeliveryCommands] TO bridge_app;
GO
-- At start, the bridge compares the columns with the schema map.
GRANT VIEW DEFINITION ON OBJECT::[$(FastStatsSchema)].[vDeliveryCommands] TO bridge_app;
GO
