-- What the limits of a channel need: since when a broadcast counts as late, and up to how many recipients an operator has
-- released it. While the version before still runs, it starts a broadcast whatever the limits are, and a retry by it does
-- not count as a new request.
ALTER TABLE bridge.broadcast ADD requested_at DATETIME2(3) NULL
GO

ALTER TABLE bridge.broadcast ADD restarted_at DATETIME2(3) NULL
GO

ALTER TABLE bridge.broadcast ADD released_recipients BIGINT NULL
