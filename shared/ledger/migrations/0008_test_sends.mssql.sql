-- Test sends that were asked for with a GUID, so that one click sends one test (docs/how-to/peoplestage.md). While the
-- version before still runs, it ignores the GUID and sends as often as it is called.
CREATE TABLE bridge.test_send (
    request_id VARCHAR(36) NOT NULL,
    channel NVARCHAR(100) NOT NULL,
    message_name NVARCHAR(255) NOT NULL,
    tried_at DATETIME2(3) NOT NULL,
    mailing_id BIGINT NULL,
    valid INTEGER NULL,
    without_address INTEGER NULL,
    blocklisted INTEGER NULL,
    CONSTRAINT pk_test_send PRIMARY KEY (request_id)
)
