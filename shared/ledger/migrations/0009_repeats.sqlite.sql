-- While the version before still runs: it fills no new column, so its broadcasts are known by key and state alone. What
-- it prepares counts as sent, but is not compared itself; a file that it takes keeps its key for this version.
ALTER TABLE broadcast ADD COLUMN content_digest BLOB
GO

ALTER TABLE broadcast ADD COLUMN compared_at DATETIME
GO

ALTER TABLE broadcast ADD COLUMN repeats_key VARCHAR(64)
GO

CREATE INDEX ix_broadcast_content_digest ON broadcast (content_digest)
GO

CREATE TABLE dropped_file (
    "key" VARCHAR(64) NOT NULL,
    broadcast_id INTEGER NOT NULL,
    seen_at DATETIME NOT NULL,
    CONSTRAINT pk_dropped_file PRIMARY KEY ("key"),
    CONSTRAINT fk_dropped_file_broadcast_id FOREIGN KEY(broadcast_id) REFERENCES broadcast (id)
)
GO

CREATE INDEX ix_dropped_file_broadcast_id ON dropped_file (broadcast_id)
