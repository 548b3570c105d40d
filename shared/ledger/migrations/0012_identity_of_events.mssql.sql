-- The identity of events: an event is recognised by each identifier of its recipient, whatever its file states of the
-- broadcast and of the URL. Nothing is hashed again: an event from before is known by its old key alone, until a file
-- states it under that key once more; then its new keys are added. The version before goes on with the old keys, which
-- this version records as well: while both run, each knows what the other loaded wherever the files have the same columns.
-- Where they differ, the version before loads the event a second time, as it always did; and responses that it matches
-- with a broadcast later do not pass the broadcast on to their events.
CREATE TABLE bridge.response_candidate (
    load_id VARCHAR(36) NOT NULL,
    event_core BINARY(16) NOT NULL,
    line BIGINT NOT NULL,
    event_key BINARY(16) NOT NULL,
    ordinal INTEGER NOT NULL,
    CONSTRAINT pk_response_candidate PRIMARY KEY (load_id, event_core, line, event_key, ordinal)
)
GO

ALTER TABLE bridge.response_event ADD by_communication_key BINARY(16) NULL
GO

ALTER TABLE bridge.response_event ADD by_urn BINARY(16) NULL
GO

ALTER TABLE bridge.response_event ADD by_email BINARY(16) NULL
GO

ALTER TABLE bridge.response_event ADD url_hash BINARY(8) NULL
GO

ALTER TABLE bridge.response_event ADD broadcast_id BIGINT NULL
GO

ALTER TABLE bridge.response_event ADD broadcast_key NVARCHAR(64) NULL
GO

ALTER TABLE bridge.response_event ADD mailing_id NVARCHAR(64) NULL
GO

ALTER TABLE bridge.response_event ADD stated SMALLINT NULL
GO

CREATE INDEX ix_response_event_by_communication_key ON bridge.response_event (by_communication_key) WHERE by_communication_key IS NOT NULL
GO

CREATE INDEX ix_response_event_by_email ON bridge.response_event (by_email) WHERE by_email IS NOT NULL
GO

CREATE INDEX ix_response_event_by_urn ON bridge.response_event (by_urn) WHERE by_urn IS NOT NULL
GO

ALTER TABLE bridge.response_staging ADD event_core BINARY(16) NULL
GO

ALTER TABLE bridge.response_staging ADD by_communication_key BINARY(16) NULL
GO

ALTER TABLE bridge.response_staging ADD by_urn BINARY(16) NULL
GO

ALTER TABLE bridge.response_staging ADD by_email BINARY(16) NULL
GO

ALTER TABLE bridge.response_staging ADD url_hash BINARY(8) NULL
GO

ALTER TABLE bridge.response_staging ADD stated SMALLINT NULL
GO

ALTER TABLE bridge.unmatched_response ADD event_key BINARY(16) NULL
GO

ALTER TABLE bridge.unmatched_response ADD ordinal INTEGER NULL
