-- What a broadcast or response file waits for (docs/why/rules.md, rule 13), and since when a lease is held. While the
-- version before still runs, the columns that it does not know stay as they are: a wait that has ended may still be
-- shown until this version next changes the row.
ALTER TABLE broadcast ADD COLUMN waiting_for VARCHAR(2000)
GO

ALTER TABLE broadcast ADD COLUMN waiting_since DATETIME
GO

ALTER TABLE lease ADD COLUMN acquired_at DATETIME
GO

ALTER TABLE response_file ADD COLUMN waiting_for VARCHAR(2000)
GO

ALTER TABLE response_file ADD COLUMN waiting_since DATETIME
