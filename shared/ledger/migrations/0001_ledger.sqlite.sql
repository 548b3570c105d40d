CREATE TABLE broadcast (
    id INTEGER NOT NULL,
    "key" VARCHAR(64) NOT NULL,
    source VARCHAR(20) NOT NULL,
    job_id BIGINT,
    held BOOLEAN NOT NULL,
    system VARCHAR(100) NOT NULL,
    list_name VARCHAR(255) NOT NULL,
    message_name VARCHAR(255) NOT NULL,
    delivery_file VARCHAR(400) NOT NULL,
    urn_column VARCHAR(255) NOT NULL,
    email_column VARCHAR(255) NOT NULL,
    communication_key_column VARCHAR(255) NOT NULL,
    step_id BIGINT,
    run BIGINT,
    parameters TEXT NOT NULL,
    channel VARCHAR(100) NOT NULL,
    route VARCHAR(20) NOT NULL,
    send_mode VARCHAR(20) NOT NULL,
    send_at DATETIME,
    state VARCHAR(20) NOT NULL,
    version INTEGER NOT NULL,
    created_at DATETIME NOT NULL,
    changed_at DATETIME NOT NULL,
    due_at DATETIME NOT NULL,
    attempts INTEGER NOT NULL,
    rows_read BIGINT,
    rows_uploaded BIGINT,
    rows_rejected BIGINT,
    rows_duplicate BIGINT,
    rows_suppressed BIGINT,
    list_id BIGINT,
    source_campaign_id BIGINT,
    source_mailing_id BIGINT,
    campaign_id BIGINT,
    mailing_id BIGINT,
    batch_id BIGINT,
    imported BIGINT,
    sent BIGINT,
    rs_broadcast_id BIGINT,
    ended_in VARCHAR(20),
    error_code VARCHAR(64),
    error VARCHAR(2000),
    cancel_requested_at DATETIME,
    reported_at DATETIME,
    released_at DATETIME,
    CONSTRAINT pk_broadcast PRIMARY KEY (id),
    CONSTRAINT uq_broadcast_key UNIQUE ("key")
)
GO

CREATE INDEX ix_broadcast_state_due_at ON broadcast (state, due_at)
GO

CREATE TABLE lease (
    name VARCHAR(450) NOT NULL,
    owner VARCHAR(100) NOT NULL,
    expires_at DATETIME,
    CONSTRAINT pk_lease PRIMARY KEY (name)
)
GO

CREATE TABLE migration (
    number INTEGER NOT NULL,
    name VARCHAR(100) NOT NULL,
    checksum VARCHAR(64) NOT NULL,
    breaking BOOLEAN NOT NULL,
    applied_at DATETIME NOT NULL,
    CONSTRAINT pk_migration PRIMARY KEY (number)
)
GO

CREATE TABLE response_event (
    event_key BLOB NOT NULL,
    ordinal INTEGER NOT NULL,
    response_id BIGINT NOT NULL,
    CONSTRAINT pk_response_event PRIMARY KEY (event_key, ordinal)
)
GO

CREATE TABLE response_file (
    id INTEGER NOT NULL,
    name VARCHAR(400) NOT NULL,
    size BIGINT NOT NULL,
    modified DATETIME NOT NULL,
    state VARCHAR(20) NOT NULL,
    sha256 VARCHAR(64),
    seen_at DATETIME NOT NULL,
    gathered_at DATETIME,
    loaded_at DATETIME,
    due_at DATETIME NOT NULL,
    attempts INTEGER NOT NULL,
    rows_read BIGINT,
    rows_loaded BIGINT,
    rows_known BIGINT,
    rows_rejected BIGINT,
    rows_unmatched BIGINT,
    by_type TEXT,
    error_code VARCHAR(64),
    error VARCHAR(2000),
    CONSTRAINT pk_response_file PRIMARY KEY (id),
    CONSTRAINT uq_response_file_name_size_modified UNIQUE (name, size, modified)
)
GO

CREATE INDEX ix_response_file_state_due_at ON response_file (state, due_at)
GO

CREATE TABLE response_staging (
    load_id VARCHAR(36) NOT NULL,
    line BIGINT NOT NULL,
    response_file_id BIGINT NOT NULL,
    event_key BLOB NOT NULL,
    ordinal INTEGER,
    broadcast_key VARCHAR(64) NOT NULL,
    mailing_id VARCHAR(64) NOT NULL,
    email VARCHAR(320) NOT NULL,
    urn VARCHAR(255) NOT NULL,
    communication_key VARCHAR(64) NOT NULL,
    message_type VARCHAR(50) NOT NULL,
    event_time DATETIME NOT NULL,
    delivery_date DATETIME,
    click_url VARCHAR(2000) NOT NULL,
    click_date DATETIME,
    details TEXT NOT NULL,
    CONSTRAINT pk_response_staging PRIMARY KEY (load_id, line)
)
GO

CREATE INDEX ix_response_staging_response_file_id ON response_staging (response_file_id)
GO

CREATE TABLE suppression (
    address_hash BLOB NOT NULL,
    list_id BIGINT NOT NULL,
    kind VARCHAR(20) NOT NULL,
    since DATETIME,
    draw INTEGER NOT NULL,
    CONSTRAINT pk_suppression PRIMARY KEY (address_hash, list_id, kind)
)
GO

CREATE INDEX ix_suppression_kind_draw ON suppression (kind, draw)
GO

CREATE TABLE suppression_bounce (
    mailing_id BIGINT NOT NULL,
    address_hash BLOB NOT NULL,
    asked_at DATETIME NOT NULL,
    CONSTRAINT pk_suppression_bounce PRIMARY KEY (mailing_id, address_hash)
)
GO

CREATE INDEX ix_suppression_bounce_asked_at ON suppression_bounce (asked_at)
GO

CREATE TABLE suppression_pattern (
    pattern_hash BLOB NOT NULL,
    pattern VARCHAR(510) NOT NULL,
    draw INTEGER NOT NULL,
    CONSTRAINT pk_suppression_pattern PRIMARY KEY (pattern_hash)
)
GO

CREATE TABLE suppression_source (
    kind VARCHAR(20) NOT NULL,
    newest DATETIME,
    draws INTEGER NOT NULL,
    whole_at DATETIME,
    drawn_at DATETIME,
    entries BIGINT NOT NULL,
    error_code VARCHAR(64),
    failed_at DATETIME,
    CONSTRAINT pk_suppression_source PRIMARY KEY (kind)
)
GO

CREATE TABLE effect (
    id INTEGER NOT NULL,
    broadcast_id INTEGER NOT NULL,
    kind VARCHAR(20) NOT NULL,
    natural_key VARCHAR(400) NOT NULL,
    intended_at DATETIME NOT NULL,
    tried_at DATETIME,
    tries INTEGER NOT NULL,
    done_at DATETIME,
    evidence TEXT NOT NULL,
    CONSTRAINT pk_effect PRIMARY KEY (id),
    CONSTRAINT fk_effect_broadcast_id FOREIGN KEY(broadcast_id) REFERENCES broadcast (id),
    CONSTRAINT uq_effect_broadcast_id_kind UNIQUE (broadcast_id, kind)
)
GO

CREATE TABLE history (
    id INTEGER NOT NULL,
    broadcast_id INTEGER NOT NULL,
    at DATETIME NOT NULL,
    from_state VARCHAR(20),
    to_state VARCHAR(20) NOT NULL,
    owner VARCHAR(100) NOT NULL,
    note VARCHAR(2000) NOT NULL,
    CONSTRAINT pk_history PRIMARY KEY (id),
    CONSTRAINT fk_history_broadcast_id FOREIGN KEY(broadcast_id) REFERENCES broadcast (id)
)
GO

CREATE INDEX ix_history_broadcast_id ON history (broadcast_id)
GO

CREATE TABLE reject_count (
    id INTEGER NOT NULL,
    broadcast_id INTEGER,
    response_file_id INTEGER,
    reason VARCHAR(64) NOT NULL,
    rows BIGINT NOT NULL,
    CONSTRAINT pk_reject_count PRIMARY KEY (id),
    CONSTRAINT fk_reject_count_response_file_id FOREIGN KEY(response_file_id) REFERENCES response_file (id),
    CONSTRAINT fk_reject_count_broadcast_id FOREIGN KEY(broadcast_id) REFERENCES broadcast (id)
)
GO

CREATE INDEX ix_reject_count_broadcast_id ON reject_count (broadcast_id)
GO

CREATE INDEX ix_reject_count_response_file_id ON reject_count (response_file_id)
