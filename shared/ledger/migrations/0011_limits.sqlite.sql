-- What the limits of a channel need: since when a broadcast counts as late, and up to how many recipients an operator has
-- released it. While the version before still runs, it starts a broadcast whatever the limits are, and a retry by it does
-- not count as a new request.
ALTER TABLE broadcast ADD COLUMN requested_at DATETIME
GO

ALTER TABLE broadcast ADD COLUMN restarted_at DATETIME
GO

ALTER TABLE broadcast ADD COLUMN released_recipients BIGINT
