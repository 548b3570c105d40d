ALTER TABLE bridge.response_file ADD version INTEGER NOT NULL CONSTRAINT df_response_file_version DEFAULT '1'
GO

CREATE TABLE bridge.response_file_history (
    id BIGINT NOT NULL IDENTITY,
    response_file_id BIGINT NOT NULL,
    at DATETIME2(3) NOT NULL,
    from_state VARCHAR(20) NULL,
    to_state VARCHAR(20) NOT NULL,
    owner NVARCHAR(100) NOT NULL,
    note NVARCHAR(2000) NOT NULL,
    CONSTRAINT pk_response_file_history PRIMARY KEY (id),
    CONSTRAINT fk_response_file_history_response_file_id FOREIGN KEY(response_file_id) REFERENCES bridge.response_file (id) ON DELETE CASCADE
)
GO

CREATE INDEX ix_response_file_history_response_file_id ON bridge.response_file_history (response_file_id)
