-- The identity of events: an event is recognised by each identifier of its recipient, whatever its file states of the
-- broadcast and of the URL. Nothing is hashed again: an event from before is known by its old key alone, until a file
-- states it under that key once more; then its new keys are added. The version before goes on with the old keys, which
-- this version records as well: while both run, each knows what the other loaded wherever the files have the same columns.
-- Where they differ, the version before loads the event a second time, as it always did; and responses that it matches
-- with a broadcast later do not pass the broadcast on to their events.
CREATE TABLE response_candidate (
    load_id VARCHAR(36) NOT NULL,
    event_core BLOB NOT NULL,
    line BIGINT NOT NULL,
    event_key BLOB NOT NULL,
    ordinal INTEGER NOT NULL,
    CONSTRAINT pk_response_candidate PRIMARY KEY (load_id, event_core, line, event_key, ordinal)
)
GO

ALTER TABLE response_event ADD COLUMN by_communication_key BLOB
GO

ALTER TABLE response_event ADD COLUMN by_urn BLOB
GO

ALTER TABLE response_event ADD COLUMN by_email BLOB
GO

ALTER TABLE response_event ADD COLUMN url_hash BLOB
GO

ALTER TABLE response_event ADD COLUMN broadcast_id BIGINT
GO

ALTER TABLE response_event ADD COLUMN broadcast_key VARCHAR(64)
GO

ALTER TABLE response_event ADD COLUMN mailing_id VARCHAR(64)
GO

ALTER TABLE response_event ADD COLUMN stated SMALLINT
GO

CREATE INDEX ix_response_event_by_communication_key ON response_event (by_communication_key) WHERE by_communication_key IS NOT NULL
GO

CREATE INDEX ix_response_event_by_email ON response_event (by_email) WHERE by_email IS NOT NULL
GO

CREATE INDEX ix_response_event_by_urn ON response_event (by_urn) WHERE by_urn IS NOT NULL
GO

ALTER TABLE response_staging ADD COLUMN event_core BLOB
GO

ALTER TABLE response_staging ADD COLUMN by_communication_key BLOB
GO

ALTER TABLE response_staging ADD COLUMN by_urn BLOB
GO

ALTER TABLE response_staging ADD COLUMN by_email BLOB
GO

ALTER TABLE response_staging ADD COLUMN url_hash BLOB
GO

ALTER TABLE response_staging ADD COLUMN stated SMALLINT
GO

ALTER TABLE unmatched_response ADD COLUMN event_key BLOB
GO

ALTER TABLE unmatched_response ADD COLUMN ordinal INTEGER
