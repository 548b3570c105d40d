-- Holds, and the mark of the ledger. While the version before still runs, it heeds no hold and its attempts do not let
-- the mark grow; both begin with the first process of this version.
CREATE TABLE high_water_mark (
    id INTEGER NOT NULL,
    ledger VARCHAR(32) NOT NULL,
    number BIGINT NOT NULL,
    CONSTRAINT pk_high_water_mark PRIMARY KEY (id)
)
GO

CREATE TABLE hold (
    id INTEGER NOT NULL,
    code VARCHAR(64) NOT NULL,
    reason VARCHAR(2000) NOT NULL,
    placed_by VARCHAR(100) NOT NULL,
    placed_at DATETIME NOT NULL,
    lifted_by VARCHAR(100),
    lifted_at DATETIME,
    CONSTRAINT pk_hold PRIMARY KEY (id)
)
