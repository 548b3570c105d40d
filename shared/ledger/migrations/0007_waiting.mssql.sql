-- What a broadcast or response file waits for (docs/why/rules.md, rule 13), and since when a lease is held. While the
-- version before still runs, the columns that it does not know stay as they are: a wait that has ended may still be
-- shown until this version next changes the row.
ALTER TABLE bridge.broadcast ADD waiting_for NVARCHAR(2000) NULL
GO

ALTER TABLE bridge.broadcast ADD waiting_since DATETIME2(3) NULL
GO

ALTER TABLE bridge.lease ADD acquired_at DATETIME2(3) NULL
GO

ALTER TABLE bridge.response_file ADD waiting_for NVARCHAR(2000) NULL
GO

ALTER TABLE bridge.response_file ADD waiting_since DATETIME2(3) NULL
