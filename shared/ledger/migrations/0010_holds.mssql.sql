-- Holds, and the mark of the ledger. While the version before still runs, it heeds no hold and its attempts do not let
-- the mark grow; both begin with the first process of this version.
CREATE TABLE bridge.high_water_mark (
    id INTEGER NOT NULL,
    ledger VARCHAR(32) NOT NULL,
    number BIGINT NOT NULL,
    CONSTRAINT pk_high_water_mark PRIMARY KEY (id)
)
GO

CREATE TABLE bridge.hold (
    id BIGINT NOT NULL IDENTITY,
    code VARCHAR(64) NOT NULL,
    reason NVARCHAR(2000) NOT NULL,
    placed_by NVARCHAR(100) NOT NULL,
    placed_at DATETIME2(3) NOT NULL,
    lifted_by NVARCHAR(100) NULL,
    lifted_at DATETIME2(3) NULL,
    CONSTRAINT pk_hold PRIMARY KEY (id)
)
