CREATE TABLE alert (
    kind VARCHAR(40) NOT NULL,
    subject VARCHAR(400) NOT NULL,
    text VARCHAR(2000) NOT NULL,
    raised_at DATETIME NOT NULL,
    seen_at DATETIME NOT NULL,
    cleared_at DATETIME,
    CONSTRAINT pk_alert PRIMARY KEY (kind, subject)
)
GO

CREATE TABLE erasure (
    id VARCHAR(36) NOT NULL,
    given_by VARCHAR(100) NOT NULL,
    operator VARCHAR(100) NOT NULL,
    planned_at DATETIME NOT NULL,
    finished_at DATETIME,
    salt BLOB,
    person_hash BLOB,
    CONSTRAINT pk_erasure PRIMARY KEY (id)
)
GO

CREATE TABLE erasure_step (
    erasure_id VARCHAR(36) NOT NULL,
    step VARCHAR(40) NOT NULL,
    found BIGINT NOT NULL,
    erased BIGINT,
    done_at DATETIME,
    CONSTRAINT pk_erasure_step PRIMARY KEY (erasure_id, step)
)
GO

CREATE TABLE removal (
    kind VARCHAR(40) NOT NULL,
    looked_at DATETIME NOT NULL,
    removed BIGINT NOT NULL,
    removed_ever BIGINT NOT NULL,
    CONSTRAINT pk_removal PRIMARY KEY (kind)
)
GO

CREATE TABLE report_comparison (
    broadcast_id BIGINT NOT NULL,
    due_at DATETIME,
    compared_at DATETIME,
    error_code VARCHAR(64),
    CONSTRAINT pk_report_comparison PRIMARY KEY (broadcast_id)
)
GO

CREATE INDEX ix_report_comparison_due_at ON report_comparison (due_at)
GO

CREATE TABLE report_gap (
    broadcast_id BIGINT NOT NULL,
    message_type VARCHAR(50) NOT NULL,
    reported BIGINT NOT NULL,
    loaded BIGINT NOT NULL,
    grown INTEGER NOT NULL,
    CONSTRAINT pk_report_gap PRIMARY KEY (broadcast_id, message_type)
)
GO

CREATE TABLE response_count (
    broadcast_id BIGINT NOT NULL,
    message_type VARCHAR(50) NOT NULL,
    rows BIGINT NOT NULL,
    CONSTRAINT pk_response_count PRIMARY KEY (broadcast_id, message_type)
)
GO

ALTER TABLE response_file ADD COLUMN layout VARCHAR(100)
GO

ALTER TABLE response_file ADD COLUMN left_rounds INTEGER DEFAULT '0' NOT NULL
GO

ALTER TABLE response_file ADD COLUMN left_code VARCHAR(64)
GO

ALTER TABLE response_file ADD COLUMN put_away_at DATETIME
GO

ALTER TABLE response_file ADD COLUMN removed_at DATETIME
