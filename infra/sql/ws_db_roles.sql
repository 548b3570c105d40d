-- The role in WS_DB. Run in WS_DB as its owner; safe to run again. Not needed where the setting WS_DB is left out.
--   sqlcmd -b -v FastStatsSchema="dbo" -i ws_db_roles.sql …

IF DATABASE_PRINCIPAL_ID(N'bridge_app') IS NULL CREATE ROLE bridge_app;
GO

-- The queue is read and claimed; of a job only what tells how it stands can be changed.
GRANT SELECT ON OBJECT::[$(FastStatsSchema)].[JobQueue] TO bridge_app;
GRANT UPDATE (State, Server, TimeSent, TimeFinished) ON OBJECT::[$(FastStatsSchema)].[JobQueue] TO bridge_app;
GRANT SELECT ON OBJECT::[$(FastStatsSchema)].[JobQueueCommands] TO bridge_app;
-- A job's results are written, in place of earlier ones.
GRANT SELECT (JobId) ON OBJECT::[$(FastStatsSchema)].[JobQueueResults] TO bridge_app;
GRANT INSERT ON OBJECT::[$(FastStatsSchema)].[JobQueueResults] TO bridge_app;
GRANT DELETE ON OBJECT::[$(FastStatsSchema)].[JobQueueResults] TO bridge_app;
GRANT INSERT ON OBJECT::[$(FastStatsSchema)].[DeliveryJobSummary] TO bridge_app;
GO
-- The columns are compared with the schema map at start.
GRANT VIEW DEFINITION ON OBJECT::[$(FastStatsSchema)].[JobQueue] TO bridge_app;
GRANT VIEW DEFINITION ON OBJECT::[$(FastStatsSchema)].[JobQueueCommands] TO bridge_app;
GRANT VIEW DEFINITION ON OBJECT::[$(FastStatsSchema)].[JobQueueResults] TO bridge_app;
GRANT VIEW DEFINITION ON OBJECT::[$(FastStatsSchema)].[DeliveryJobSummary] TO bridge_app;
GO
