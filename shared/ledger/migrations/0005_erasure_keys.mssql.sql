CREATE TABLE bridge.erasure_key (
    erasure_id VARCHAR(36) NOT NULL,
    kind VARCHAR(20) NOT NULL,
    key_hash BINARY(16) NOT NULL,
    CONSTRAINT pk_erasure_key PRIMARY KEY (erasure_id, kind, key_hash)
)
