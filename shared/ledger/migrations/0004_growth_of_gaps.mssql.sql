ALTER TABLE bridge.report_gap ADD judged_at DATETIME2(3) NULL
GO

ALTER TABLE bridge.report_gap ADD judged_gap BIGINT NULL
