-- Roles in RS_DB. Run in RS_DB as its owner; safe to run again.
--   sqlcmd -b -v FastStatsSchema="dbo" -i rs_db_roles.sql …

-- The bridge's own schema. `bridge db migrate` creates its tables.
IF SCHEMA_ID(N'bridge') IS NULL EXEC(N'CREATE SCHEMA bridge AUTHORIZATION dbo');
GO

-- bridge_app: for the function app and the commands of operators.
IF DATABASE_PRINCIPAL_ID(N'bridge_app') IS NULL CREATE ROLE bridge_app;
GO
GRANT SELECT ON SCHEMA::bridge TO bridge_app;
GRANT INSERT ON SCHEMA::bridge TO bridge_app;
GRANT UPDATE ON SCHEMA::bridge TO bridge_app;
GRANT DELETE ON SCHEMA::bridge TO bridge_app;
GO

-- FastStats' tables: rows are inserted, never deleted. Updated are only the figures of an upload that was repeated, and of
-- a response its broadcast, if it was unmatched when it was loaded, what a later file states and its own did not, and its
-- type, if its layout was corrected. Read are only ids that the database generated and columns
-- that are counted; addresses and keys of persons cannot be read back.
GRANT INSERT ON OBJECT::[$(FastStatsSchema)].[Broadcasts] TO bridge_app;
GRANT SELECT (Id) ON OBJECT::[$(FastStatsSchema)].[Broadcasts] TO bridge_app;
GRANT INSERT ON OBJECT::[$(FastStatsSchema)].[BroadcastsDetail] TO bridge_app;
GRANT SELECT (ActionType, BroadcastId, BroadcasterTransactionId, Id) ON OBJECT::[$(FastStatsSchema)].[BroadcastsDetail] TO bridge_app;
GRANT UPDATE (BroadcasterTransactionId, Parameters, RecipientsBroadcast, RecipientsRejected, RecipientsUploaded) ON OBJECT::[$(FastStatsSchema)].[BroadcastsDetail] TO bridge_app;
GRANT INSERT ON OBJECT::[$(FastStatsSchema)].[Response] TO bridge_app;
GRANT SELECT (Id, MessageType) ON OBJECT::[$(FastStatsSchema)].[Response] TO bridge_app;
GRANT UPDATE (BroadcastId, ClickDate, ClickUrl, CommunicationKey, DeliveryDate, Email, MessageName, MessageType, Urn) ON OBJECT::[$(FastStatsSchema)].[Response] TO bridge_app;
GRANT INSERT ON OBJECT::[$(FastStatsSchema)].[ResponseDetails] TO bridge_app;
GO
-- At start, the bridge compares the columns with the schema map.
GRANT VIEW DEFINITION ON OBJECT::[$(FastStatsSchema)].[Broadcasts] TO bridge_app;
GRANT VIEW DEFINITION ON OBJECT::[$(FastStatsSchema)].[BroadcastsDetail] TO bridge_app;
GRANT VIEW DEFINITION ON OBJECT::[$(FastStatsSchema)].[Response] TO bridge_app;
GRANT VIEW DEFINITION ON OBJECT::[$(FastStatsSchema)].[ResponseDetails] TO bridge_app;
GO

-- bridge_migrations: for whoever runs `bridge db migrate`. It creates and alters tables in the schema bridge only: CREATE
-- TABLE is of no use in a schema without ALTER on it.
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

-- bridge_erasure: for whoever runs `bridge erase`, together with bridge_app; the function app is not a member. It finds a
-- person's responses, and anonymises or deletes them. If ERASE_RESPONSES is `anonymise`, DELETE on Response is not needed.
IF DATABASE_PRINCIPAL_ID(N'bridge_erasure') IS NULL CREATE ROLE bridge_erasure;
GO
GRANT SELECT (CommunicationKey, Email, Id, Urn) ON OBJECT::[$(FastStatsSchema)].[Response] TO bridge_erasure;
GRANT UPDATE (ClickUrl, CommunicationKey, Email, Urn) ON OBJECT::[$(FastStatsSchema)].[Response] TO bridge_erasure;
GRANT DELETE ON OBJECT::[$(FastStatsSchema)].[Response] TO bridge_erasure;
GRANT SELECT (Id) ON OBJECT::[$(FastStatsSchema)].[ResponseDetails] TO bridge_erasure;
GRANT DELETE ON OBJECT::[$(FastStatsSchema)].[ResponseDetails] TO bridge_erasure;
GO
