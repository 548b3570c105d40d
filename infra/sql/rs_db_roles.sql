-- Roles in RS_DB. Run in RS_DB as its owner; safe to run again.
--   sqlcmd -b -v FastStatsSchema="dbo" -i rs_db_roles.sql …

-- The bridge's own schema. Its tables come by `bridge db migrate`.
IF SCHEMA_ID(N'bridge') IS NULL EXEC(N'CREATE SCHEMA bridge AUTHORIZATION dbo');
GO

-- bridge_app: what the functions and the commands of operators do.
IF DATABASE_PRINCIPAL_ID(N'bridge_app') IS NULL CREATE ROLE bridge_app;
GO
GRANT SELECT ON SCHEMA::bridge TO bridge_app;
GRANT INSERT ON SCHEMA::bridge TO bridge_app;
GRANT UPDATE ON SCHEMA::bridge TO bridge_app;
GRANT DELETE ON SCHEMA::bridge TO bridge_app;
GO

-- Of FastStats' tables: rows are added, never removed. Changed is only what tells of an upload that was done anew, and
-- whose a response is that had found no broadcast. Read is what the database made up itself (their numbers) and what is
-- counted; addresses and keys of persons cannot be read back.
GRANT INSERT ON OBJECT::[$(FastStatsSchema)].[Broadcasts] TO bridge_app;
GRANT SELECT (Id) ON OBJECT::[$(FastStatsSchema)].[Broadcasts] TO bridge_app;
GRANT INSERT ON OBJECT::[$(FastStatsSchema)].[BroadcastsDetail] TO bridge_app;
GRANT SELECT (ActionType, BroadcastId, BroadcasterTransactionId, Id) ON OBJECT::[$(FastStatsSchema)].[BroadcastsDetail] TO bridge_app;
GRANT UPDATE (BroadcasterTransactionId, Parameters, RecipientsBroadcast, RecipientsRejected, RecipientsUploaded) ON OBJECT::[$(FastStatsSchema)].[BroadcastsDetail] TO bridge_app;
GRANT INSERT ON OBJECT::[$(FastStatsSchema)].[Response] TO bridge_app;
GRANT SELECT (Id, MessageType) ON OBJECT::[$(FastStatsSchema)].[Response] TO bridge_app;
GRANT UPDATE (BroadcastId, MessageName) ON OBJECT::[$(FastStatsSchema)].[Response] TO bridge_app;
GRANT INSERT ON OBJECT::[$(FastStatsSchema)].[ResponseDetails] TO bridge_app;
GO
-- The columns are compared with the schema map at start.
GRANT VIEW DEFINITION ON OBJECT::[$(FastStatsSchema)].[Broadcasts] TO bridge_app;
GRANT VIEW DEFINITION ON OBJECT::[$(FastStatsSchema)].[BroadcastsDetail] TO bridge_app;
GRANT VIEW DEFINITION ON OBJECT::[$(FastStatsSchema)].[Response] TO bridge_app;
GRANT VIEW DEFINITION ON OBJECT::[$(FastStatsSchema)].[ResponseDetails] TO bridge_app;
GO

-- bridge_migrations: who runs `bridge db migrate`. It makes and changes tables in the schema bridge, and nothing else:
-- without ALTER on a schema the right to create tables makes none.
IF DATABASE_PRINCIPAL_ID(N'bridge_migrations') IS NULL CREATE ROLE bridge_migrations;
GO
GRANT CREATE TABLE TO bridge_migrations;
GRANT ALTER ON SCHEMA::bridge TO bridge_migrations;
GRANT REFERENCES ON SCHEMA::bridge TO bridge_migrations;
GRANT SELECT ON SCHEMA::bridge TO bridge_migrations;
GRANT INSERT ON SCHEMA::bridge TO bridge_migrations;
GRANT UPDATE ON SCHEMA::bridge TO bridge_migrations;
GRANT DELETE ON SCHEMA::bridge TO bridge_migrations;
GO

-- bridge_erasure: for who runs `bridge erase`, together with bridge_app; the function app is no member. It finds a
-- person's responses, and anonymises or deletes them. Where ERASE_RESPONSES is `anonymise`, DELETE on Response may go.
IF DATABASE_PRINCIPAL_ID(N'bridge_erasure') IS NULL CREATE ROLE bridge_erasure;
GO
GRANT SELECT (CommunicationKey, Email, Id, Urn) ON OBJECT::[$(FastStatsSchema)].[Response] TO bridge_erasure;
GRANT UPDATE (ClickUrl, CommunicationKey, Email, Urn) ON OBJECT::[$(FastStatsSchema)].[Response] TO bridge_erasure;
GRANT DELETE ON OBJECT::[$(FastStatsSchema)].[Response] TO bridge_erasure;
GRANT SELECT (Id) ON OBJECT::[$(FastStatsSchema)].[ResponseDetails] TO bridge_erasure;
GRANT DELETE ON OBJECT::[$(FastStatsSchema)].[ResponseDetails] TO bridge_erasure;
GO
