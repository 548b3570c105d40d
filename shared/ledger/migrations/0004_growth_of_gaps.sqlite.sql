ALTER TABLE report_gap ADD COLUMN judged_at DATETIME
GO

ALTER TABLE report_gap ADD COLUMN judged_gap BIGINT
