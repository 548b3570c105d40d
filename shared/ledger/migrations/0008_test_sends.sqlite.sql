-- Test sends that were asked for with a GUID, so that one click sends one test (docs/how-to/peoplestage.md). While the
-- version before still runs, it ignores the GUID and sends as often as it is called.
CREATE TABLE test_send (
    request_id VARCHAR(36) NOT NULL,
    channel VARCHAR(100) NOT NULL,
    message_name VARCHAR(255) NOT NULL,
    tried_at DATETIME NOT NULL,
    mailing_id BIGINT,
    valid INTEGER,
    without_address INTEGER,
    blocklisted INTEGER,
    CONSTRAINT pk_test_send PRIMARY KEY (request_id)
)
