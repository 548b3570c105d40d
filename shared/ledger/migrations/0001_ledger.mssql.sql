IF SCHEMA_ID('bridge') IS NULL EXEC('CREATE SCHEMA bridge')
GO

CREATE TABLE bridge.broadcast (
    id BIGINT NOT NULL IDENTITY,
    [key] VARCHAR(64) NOT NULL,
    source VARCHAR(20) NOT NULL,
    job_id BIGINT NULL,
    held BIT NOT NULL,
    system NVARCHAR(100) NOT NULL,
    list_name NVARCHAR(255) NOT NULL,
    message_name NVARCHAR(255) NOT NULL,
    delivery_file NVARCHAR(400) NOT NULL,
    urn_column NVARCHAR(255) NOT NULL,
    email_column NVARCHAR(255) NOT NULL,
    communication_key_column NVARCHAR(255) NOT NULL,
    step_id BIGINT NULL,
    run BIGINT NULL,
    parameters NVARCHAR(max) NOT NULL,
    channel NVARCHAR(100) NOT NULL,
    route VARCHAR(20) NOT NULL,
    send_mode VARCHAR(20) NOT NULL,
    send_at DATETIME2(3) NULL,
    state VARCHAR(20) NOT NULL,
    version INTEGER NOT NULL,
    created_at DATETIME2(3) NOT NULL,
    changed_at DATETIME2(3) NOT NULL,
    due_at DATETIME2(3) NOT NULL,
    attempts INTEGER NOT NULL,
    rows_read BIGINT NULL,
    rows_uploaded BIGINT NULL,
    rows_rejected BIGINT NULL,
    rows_duplicate BIGINT NULL,
    rows_suppressed BIGINT NULL,
    list_id BIGINT NULL,
    source_campaign_id BIGINT NULL,
    source_mailing_id BIGINT NULL,
    campaign_id BIGINT NULL,
    mailing_id BIGINT NULL,
    batch_id BIGINT NULL,
    imported BIGINT NULL,
    sent BIGINT NULL,
    rs_broadcast_id BIGINT NULL,
    ended_in VARCHAR(20) NULL,
    error_code VARCHAR(64) NULL,
    error NVARCHAR(2000) NULL,
    cancel_requested_at DATETIME2(3) NULL,
    reported_at DATETIME2(3) NULL,
    released_at DATETIME2(3) NULL,
    CONSTRAINT pk_broadcast PRIMARY KEY (id),
    CONSTRAINT uq_broadcast_key UNIQUE ([key])
)
GO

CREATE INDEX ix_broadcast_state_due_at ON bridge.broadcast (state, due_at)
GO

CREATE TABLE bridge.lease (
    name NVARCHAR(450) NOT NULL,
    owner NVARCHAR(100) NOT NULL,
    expires_at DATETIME2(3) NULL,
    CONSTRAINT pk_lease PRIMARY KEY (name)
)
GO

CREATE TABLE bridge.migration (
    number INTEGER NOT NULL,
    name VARCHAR(100) NOT NULL,
    checksum VARCHAR(64) NOT NULL,
    breaking BIT NOT NULL,
    applied_at DATETIME2(3) NOT NULL,
    CONSTRAINT pk_migration PRIMARY KEY (number)
)
GO

CREATE TABLE bridge.response_event (
    event_key BINARY(16) NOT NULL,
    ordinal INTEGER NOT NULL,
    response_id BIGINT NOT NULL,
    CONSTRAINT pk_response_event PRIMARY KEY (event_key, ordinal)
)
GO

CREATE TABLE bridge.response_file (
    id BIGINT NOT NULL IDENTITY,
    name NVARCHAR(400) NOT NULL,
    size BIGINT NOT NULL,
    modified DATETIME2(3) NOT NULL,
    state VARCHAR(20) NOT NULL,
    sha256 VARCHAR(64) NULL,
    seen_at DATETIME2(3) NOT NULL,
    gathered_at DATETIME2(3) NULL,
    loaded_at DATETIME2(3) NULL,
    due_at DATETIME2(3) NOT NULL,
    attempts INTEGER NOT NULL,
    rows_read BIGINT NULL,
    rows_loaded BIGINT NULL,
    rows_known BIGINT NULL,
    rows_rejected BIGINT NULL,
    rows_unmatched BIGINT NULL,
    by_type NVARCHAR(max) NULL,
    error_code VARCHAR(64) NULL,
    error NVARCHAR(2000) NULL,
    CONSTRAINT pk_response_file PRIMARY KEY (id),
    CONSTRAINT uq_response_file_name_size_modified UNIQUE (name, size, modified)
)
GO

CREATE INDEX ix_response_file_state_due_at ON bridge.response_file (state, due_at)
GO

CREATE TABLE bridge.response_staging (
    load_id VARCHAR(36) NOT NULL,
    line BIGINT NOT NULL,
    response_file_id BIGINT NOT NULL,
    event_key BINARY(16) NOT NULL,
    ordinal INTEGER NULL,
    broadcast_key NVARCHAR(64) NOT NULL,
    mailing_id NVARCHAR(64) NOT NULL,
    email NVARCHAR(320) NOT NULL,
    urn NVARCHAR(255) NOT NULL,
    communication_key NVARCHAR(64) NOT NULL,
    message_type NVARCHAR(50) NOT NULL,
    event_time DATETIME2(3) NOT NULL,
    delivery_date DATETIME2(3) NULL,
    click_url NVARCHAR(2000) NOT NULL,
    click_date DATETIME2(3) NULL,
    details NVARCHAR(max) NOT NULL,
    CONSTRAINT pk_response_staging PRIMARY KEY (load_id, line)
)
GO

CREATE INDEX ix_response_staging_response_file_id ON bridge.response_staging (response_file_id)
GO

CREATE TABLE bridge.suppression (
    address_hash BINARY(16) NOT NULL,
    list_id BIGINT NOT NULL,
    kind VARCHAR(20) NOT NULL,
    since DATETIME2(3) NULL,
    draw INTEGER NOT NULL,
    CONSTRAINT pk_suppression PRIMARY KEY (address_hash, list_id, kind)
)
GO

CREATE INDEX ix_suppression_kind_draw ON bridge.suppression (kind, draw)
GO

CREATE TABLE bridge.suppression_bounce (
    mailing_id BIGINT NOT NULL,
    address_hash BINARY(16) NOT NULL,
    asked_at DATETIME2(3) NOT NULL,
    CONSTRAINT pk_suppression_bounce PRIMARY KEY (mailing_id, address_hash)
)
GO

CREATE INDEX ix_suppression_bounce_asked_at ON bridge.suppression_bounce (asked_at)
GO

CREATE TABLE bridge.suppression_pattern (
    pattern_hash BINARY(16) NOT NULL,
    pattern NVARCHAR(510) NOT NULL,
    draw INTEGER NOT NULL,
    CONSTRAINT pk_suppression_pattern PRIMARY KEY (pattern_hash)
)
GO

CREATE TABLE bridge.suppression_source (
    kind VARCHAR(20) NOT NULL,
    newest DATETIME2(3) NULL,
    draws INTEGER NOT NULL,
    whole_at DATETIME2(3) NULL,
    drawn_at DATETIME2(3) NULL,
    entries BIGINT NOT NULL,
    error_code VARCHAR(64) NULL,
    failed_at DATETIME2(3) NULL,
    CONSTRAINT pk_suppression_source PRIMARY KEY (kind)
)
GO

CREATE TABLE bridge.effect (
    id BIGINT NOT NULL IDENTITY,
    broadcast_id BIGINT NOT NULL,
    kind VARCHAR(20) NOT NULL,
    natural_key NVARCHAR(400) NOT NULL,
    intended_at DATETIME2(3) NOT NULL,
    tried_at DATETIME2(3) NULL,
    tries INTEGER NOT NULL,
    done_at DATETIME2(3) NULL,
    evidence NVARCHAR(max) NOT NULL,
    CONSTRAINT pk_effect PRIMARY KEY (id),
    CONSTRAINT uq_effect_broadcast_id_kind UNIQUE (broadcast_id, kind),
    CONSTRAINT fk_effect_broadcast_id FOREIGN KEY(broadcast_id) REFERENCES bridge.broadcast (id)
)
GO

CREATE TABLE bridge.history (
    id BIGINT NOT NULL IDENTITY,
    broadcast_id BIGINT NOT NULL,
    at DATETIME2(3) NOT NULL,
    from_state VARCHAR(20) NULL,
    to_state VARCHAR(20) NOT NULL,
    owner NVARCHAR(100) NOT NULL,
    note NVARCHAR(2000) NOT NULL,
    CONSTRAINT pk_history PRIMARY KEY (id),
    CONSTRAINT fk_history_broadcast_id FOREIGN KEY(broadcast_id) REFERENCES bridge.broadcast (id)
)
GO

CREATE INDEX ix_history_broadcast_id ON bridge.history (broadcast_id)
GO

CREATE TABLE bridge.reject_count (
    id BIGINT NOT NULL IDENTITY,
    broadcast_id BIGINT NULL,
    response_file_id BIGINT NULL,
    reason VARCHAR(64) NOT NULL,
    rows BIGINT NOT NULL,
    CONSTRAINT pk_reject_count PRIMARY KEY (id),
    CONSTRAINT fk_reject_count_broadcast_id FOREIGN KEY(broadcast_id) REFERENCES bridge.broadcast (id),
    CONSTRAINT fk_reject_count_response_file_id FOREIGN KEY(response_file_id) REFERENCES bridge.response_file (id)
)
GO

CREATE INDEX ix_reject_count_broadcast_id ON bridge.reject_count (broadcast_id)
GO

CREATE INDEX ix_reject_count_response_file_id ON bridge.reject_count (response_file_id)
