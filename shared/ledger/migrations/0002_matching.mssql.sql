CREATE TABLE bridge.ferg_file (
    response_file_id BIGINT NOT NULL,
    load_id VARCHAR(36) NOT NULL,
    name NVARCHAR(400) NOT NULL,
    columns NVARCHAR(max) NOT NULL,
    rows BIGINT NOT NULL,
    made_at DATETIME2(3) NOT NULL,
    put_at DATETIME2(3) NULL,
    CONSTRAINT pk_ferg_file PRIMARY KEY (response_file_id)
)
GO

CREATE INDEX ix_ferg_file_put_at ON bridge.ferg_file (put_at)
GO

CREATE TABLE bridge.matched_broadcast (
    broadcast_id BIGINT NOT NULL,
    state VARCHAR(20) NOT NULL,
    CONSTRAINT pk_matched_broadcast PRIMARY KEY (broadcast_id)
)
GO

CREATE TABLE bridge.recipient (
    broadcast_id BIGINT NOT NULL,
    line INTEGER NOT NULL,
    communication_key_hash BINARY(16) NULL,
    urn_hash BINARY(16) NULL,
    CONSTRAINT pk_recipient PRIMARY KEY (broadcast_id, line)
)
GO

CREATE INDEX ix_recipient_communication_key_hash ON bridge.recipient (communication_key_hash)
GO

CREATE INDEX ix_recipient_urn_hash ON bridge.recipient (urn_hash)
GO

ALTER TABLE bridge.response_staging ADD place BIGINT NULL
GO

ALTER TABLE bridge.response_staging ADD broadcast_id BIGINT NULL
GO

ALTER TABLE bridge.response_staging ADD urn_hash BINARY(16) NULL
GO

ALTER TABLE bridge.response_staging ADD communication_key_hash BINARY(16) NULL
GO

ALTER TABLE bridge.response_staging ADD event_wall DATETIME2(3) NULL
GO

ALTER TABLE bridge.response_staging ADD delivery_wall DATETIME2(3) NULL
GO

ALTER TABLE bridge.response_staging ADD click_wall DATETIME2(3) NULL
GO

CREATE TABLE bridge.unmatched_response (
    response_id BIGINT NOT NULL,
    response_file_id BIGINT NOT NULL,
    broadcast_key NVARCHAR(64) NOT NULL,
    mailing_id NVARCHAR(64) NOT NULL,
    communication_key_hash BINARY(16) NULL,
    urn_hash BINARY(16) NULL,
    event_time DATETIME2(3) NOT NULL,
    delivery_date DATETIME2(3) NULL,
    loaded_at DATETIME2(3) NOT NULL,
    looked_at DATETIME2(3) NULL,
    broadcast_id BIGINT NULL,
    CONSTRAINT pk_unmatched_response PRIMARY KEY (response_id)
)
GO

CREATE INDEX ix_unmatched_response_loaded_at ON bridge.unmatched_response (loaded_at)
GO

CREATE INDEX ix_unmatched_response_looked_at ON bridge.unmatched_response (looked_at)
