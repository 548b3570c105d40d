ALTER TABLE response_file ADD COLUMN version INTEGER DEFAULT '1' NOT NULL
GO

CREATE TABLE response_file_history (
    id INTEGER NOT NULL,
    response_file_id INTEGER NOT NULL,
    at DATETIME NOT NULL,
    from_state VARCHAR(20),
    to_state VARCHAR(20) NOT NULL,
    owner VARCHAR(100) NOT NULL,
    note VARCHAR(2000) NOT NULL,
    CONSTRAINT pk_response_file_history PRIMARY KEY (id),
    CONSTRAINT fk_response_file_history_response_file_id FOREIGN KEY(response_file_id) REFERENCES response_file (id) ON DELETE CASCADE
)
GO

CREATE INDEX ix_response_file_history_response_file_id ON response_file_history (response_file_id)
