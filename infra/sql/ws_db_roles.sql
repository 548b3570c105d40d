-- The role in WS_DB. Run in WS_DB as its owner; safe to run again. Not needed if the setting WS_DB is not set.
--   sqlcmd -b -v FastStatsSchema="dbo" -i ws_db_roles.sql …

IF DATABASE_PRINCIPAL_ID(N'bridge_app') IS NULL CREATE ROLE bridge_app;
GO

-- The bridge reads the queue and claims jobs; of a job it can update only the state, the server and the times.
GRANT SELECT ON OBJECT::[$(FastStatsSchema)].[JobQueue] TO bridge_app;
GRANT UPDATE (State, Server, TimeSent, TimeFinished) ON OBJECT::[$(FastStatsSchema)].[JobQueue] TO bridge_app;
GRANT SELECT ON OBJECT::[$(FastStatsSchema)].[JobQueueCommands] TO bridge_app;
-- Results of a job replace earlier ones.
GRANT SELECT (JobId) ON OBJECT::[$(FastStatsSchema)].[JobQueueResults] TO bridge_app;
GRANT INSERT ON OBJECT::[$(FastStatsSchema)].[JobQueueResults] TO bridge_app;
GRANT DELETE ON OBJECT::[$(FastStatsSchema)].[JobQueueResults] TO bridge_app;
GRANT INSERT ON OBJECT::[$(FastStatsSchema)].[DeliveryJobSummary] TO bridge_app;
GO
-- At start, the bridge compares the columns with the schema map.
GRANT VIEW DEFINITION ON OBJECT::[$(FastStatsSchema)].[JobQueue] TO bridge_app;
GRANT VIEW DEFINITION ON OBJECT::[$(FastStatsSchema)].[JobQueueCommands] TO bridge_app;
GRANT VIEW DEFINITION ON OBJECT::[$(FastStatsSchema)].[JobQueueResults] TO bridge_app;
GRANT VIEW DEFINITION ON OBJECT::[$(FastStatsSchema)].[DeliveryJobSummary] TO bridge_app;
GO
