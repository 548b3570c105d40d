-- While the version before still runs: it fills no new column, so its broadcasts are known by key and state alone. What
-- it prepares counts as sent, but is not compared itself; a file that it takes keeps its key for this version.
ALTER TABLE bridge.broadcast ADD content_digest BINARY(32) NULL
GO

ALTER TABLE bridge.broadcast ADD compared_at DATETIME2(3) NULL
GO

ALTER TABLE bridge.broadcast ADD repeats_key VARCHAR(64) NULL
GO

CREATE INDEX ix_broadcast_content_digest ON bridge.broadcast (content_digest)
GO

CREATE TABLE bridge.dropped_file (
    [key] VARCHAR(64) NOT NULL,
    broadcast_id BIGINT NOT NULL,
    seen_at DATETIME2(3) NOT NULL,
    CONSTRAINT pk_dropped_file PRIMARY KEY ([key]),
    CONSTRAINT fk_dropped_file_broadcast_id FOREIGN KEY(broadcast_id) REFERENCES bridge.broadcast (id)
)
GO

CREATE INDEX ix_dropped_file_broadcast_id ON bridge.dropped_file (broadcast_id)
