CREATE TABLE bridge.alert (
    kind VARCHAR(40) NOT NULL,
    subject NVARCHAR(400) NOT NULL,
    text NVARCHAR(2000) NOT NULL,
    raised_at DATETIME2(3) NOT NULL,
    seen_at DATETIME2(3) NOT NULL,
    cleared_at DATETIME2(3) NULL,
    CONSTRAINT pk_alert PRIMARY KEY (kind, subject)
)
GO

CREATE TABLE bridge.erasure (
    id VARCHAR(36) NOT NULL,
    given_by VARCHAR(100) NOT NULL,
    operator NVARCHAR(100) NOT NULL,
    planned_at DATETIME2(3) NOT NULL,
    finished_at DATETIME2(3) NULL,
    salt BINARY(16) NULL,
    person_hash BINARY(16) NULL,
    CONSTRAINT pk_erasure PRIMARY KEY (id)
)
GO

CREATE TABLE bridge.erasure_step (
    erasure_id VARCHAR(36) NOT NULL,
    step VARCHAR(40) NOT NULL,
    found BIGINT NOT NULL,
    erased BIGINT NULL,
    done_at DATETIME2(3) NULL,
    CONSTRAINT pk_erasure_step PRIMARY KEY (erasure_id, step)
)
GO

CREATE TABLE bridge.removal (
    kind VARCHAR(40) NOT NULL,
    looked_at DATETIME2(3) NOT NULL,
    removed BIGINT NOT NULL,
    removed_ever BIGINT NOT NULL,
    CONSTRAINT pk_removal PRIMARY KEY (kind)
)
GO

CREATE TABLE bridge.report_comparison (
    broadcast_id BIGINT NOT NULL,
    due_at DATETIME2(3) NULL,
    compared_at DATETIME2(3) NULL,
    error_code VARCHAR(64) NULL,
    CONSTRAINT pk_report_comparison PRIMARY KEY (broadcast_id)
)
GO

CREATE INDEX ix_report_comparison_due_at ON bridge.report_comparison (due_at)
GO

CREATE TABLE bridge.report_gap (
    broadcast_id BIGINT NOT NULL,
    message_type VARCHAR(50) NOT NULL,
    reported BIGINT NOT NULL,
    loaded BIGINT NOT NULL,
    grown INTEGER NOT NULL,
    CONSTRAINT pk_report_gap PRIMARY KEY (broadcast_id, message_type)
)
GO

CREATE TABLE bridge.response_count (
    broadcast_id BIGINT NOT NULL,
    message_type NVARCHAR(50) NOT NULL,
    rows BIGINT NOT NULL,
    CONSTRAINT pk_response_count PRIMARY KEY (broadcast_id, message_type)
)
GO

ALTER TABLE bridge.response_file ADD layout NVARCHAR(100) NULL
GO

ALTER TABLE bridge.response_file ADD left_rounds INTEGER NOT NULL CONSTRAINT df_response_file_left_rounds DEFAULT '0'
GO

ALTER TABLE bridge.response_file ADD left_code VARCHAR(64) NULL
GO

ALTER TABLE bridge.response_file ADD put_away_at DATETIME2(3) NULL
GO

ALTER TABLE bridge.response_file ADD removed_at DATETIME2(3) NULL
