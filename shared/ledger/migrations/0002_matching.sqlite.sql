CREATE TABLE ferg_file (
    response_file_id BIGINT NOT NULL,
    load_id VARCHAR(36) NOT NULL,
    name VARCHAR(400) NOT NULL,
    columns TEXT NOT NULL,
    rows BIGINT NOT NULL,
    made_at DATETIME NOT NULL,
    put_at DATETIME,
    CONSTRAINT pk_ferg_file PRIMARY KEY (response_file_id)
)
GO

CREATE INDEX ix_ferg_file_put_at ON ferg_file (put_at)
GO

CREATE TABLE matched_broadcast (
    broadcast_id BIGINT NOT NULL,
    state VARCHAR(20) NOT NULL,
    CONSTRAINT pk_matched_broadcast PRIMARY KEY (broadcast_id)
)
GO

CREATE TABLE recipient (
    broadcast_id BIGINT NOT NULL,
    line INTEGER NOT NULL,
    communication_key_hash BLOB,
    urn_hash BLOB,
    CONSTRAINT pk_recipient PRIMARY KEY (broadcast_id, line)
)
GO

CREATE INDEX ix_recipient_communication_key_hash ON recipient (communication_key_hash)
GO

CREATE INDEX ix_recipient_urn_hash ON recipient (urn_hash)
GO

ALTER TABLE response_staging ADD COLUMN place BIGINT
GO

ALTER TABLE response_staging ADD COLUMN broadcast_id BIGINT
GO

ALTER TABLE response_staging ADD COLUMN urn_hash BLOB
GO

ALTER TABLE response_staging ADD COLUMN communication_key_hash BLOB
GO

ALTER TABLE response_staging ADD COLUMN event_wall DATETIME
GO

ALTER TABLE response_staging ADD COLUMN delivery_wall DATETIME
GO

ALTER TABLE response_staging ADD COLUMN click_wall DATETIME
GO

CREATE TABLE unmatched_response (
    response_id BIGINT NOT NULL,
    response_file_id BIGINT NOT NULL,
    broadcast_key VARCHAR(64) NOT NULL,
    mailing_id VARCHAR(64) NOT NULL,
    communication_key_hash BLOB,
    urn_hash BLOB,
    event_time DATETIME NOT NULL,
    delivery_date DATETIME,
    loaded_at DATETIME NOT NULL,
    looked_at DATETIME,
    broadcast_id BIGINT,
    CONSTRAINT pk_unmatched_response PRIMARY KEY (response_id)
)
GO

CREATE INDEX ix_unmatched_response_loaded_at ON unmatched_response (loaded_at)
GO

CREATE INDEX ix_unmatched_response_looked_at ON unmatched_response (looked_at)
