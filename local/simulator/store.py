"""The simulator's records in one SQLite file: they survive a restart and verify the tests.

Times are simulated, in whole seconds since 1970.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

_TABLES = """
CREATE TABLE fact (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE recipient_list (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL, test_list INTEGER NOT NULL,
    created INTEGER NOT NULL, modified INTEGER NOT NULL
);
CREATE TABLE list_field (
    list_id INTEGER NOT NULL, position INTEGER NOT NULL, internal_name TEXT NOT NULL, display_name TEXT NOT NULL,
    type TEXT NOT NULL, required INTEGER NOT NULL, PRIMARY KEY (list_id, position)
);
CREATE TABLE recipient (
    list_id INTEGER NOT NULL, recipient_id TEXT NOT NULL, urn TEXT NOT NULL, communication_key TEXT NOT NULL,
    broadcast_key TEXT NOT NULL, PRIMARY KEY (list_id, recipient_id)
) WITHOUT ROWID;
CREATE TABLE pool_list (list_id INTEGER PRIMARY KEY, importing INTEGER NOT NULL, campaign_id INTEGER, taken INTEGER);
CREATE TABLE sending_batch (
    id INTEGER PRIMARY KEY, campaign_id INTEGER NOT NULL, list_id INTEGER NOT NULL, tag TEXT NOT NULL,
    state TEXT NOT NULL, run_id INTEGER
);
CREATE TABLE batch_chunk (
    id INTEGER PRIMARY KEY, batch_id INTEGER NOT NULL REFERENCES sending_batch, name TEXT NOT NULL,
    UNIQUE (batch_id, name)
);
CREATE TABLE batch_recipient (
    id INTEGER PRIMARY KEY, chunk_id INTEGER NOT NULL REFERENCES batch_chunk, row TEXT NOT NULL
);
CREATE INDEX batch_recipient_chunk ON batch_recipient (chunk_id);
CREATE TABLE campaign (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL, status TEXT NOT NULL, list_id INTEGER NOT NULL,
    source_id INTEGER, created INTEGER NOT NULL, modified INTEGER NOT NULL, activated INTEGER, started INTEGER,
    finished INTEGER, recipients INTEGER, sends_from INTEGER, takes INTEGER, paused INTEGER,
    repeated INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE wait_node (
    id INTEGER PRIMARY KEY, campaign_id INTEGER NOT NULL REFERENCES campaign, position INTEGER NOT NULL,
    scheduled_at INTEGER, after_import INTEGER NOT NULL, at_time TEXT
);
CREATE TABLE message (
    mailing_id INTEGER PRIMARY KEY, campaign_id INTEGER NOT NULL REFERENCES campaign, name TEXT NOT NULL
);
CREATE TABLE import_run (
    id INTEGER PRIMARY KEY, list_id INTEGER NOT NULL, file TEXT NOT NULL, started INTEGER NOT NULL,
    ends INTEGER NOT NULL, state TEXT NOT NULL, kind TEXT NOT NULL DEFAULT 'job', rows_read INTEGER NOT NULL DEFAULT 0,
    imported INTEGER NOT NULL DEFAULT 0, skipped TEXT NOT NULL DEFAULT '{}', error TEXT
);
CREATE TABLE mail_waiting (
    campaign_id INTEGER NOT NULL, due INTEGER NOT NULL, recipient_id TEXT NOT NULL, mailing_id INTEGER NOT NULL,
    urn TEXT NOT NULL, communication_key TEXT NOT NULL, broadcast_key TEXT NOT NULL,
    PRIMARY KEY (campaign_id, due, recipient_id)
) WITHOUT ROWID;
CREATE TABLE mail_sent (
    id INTEGER PRIMARY KEY, campaign_id INTEGER NOT NULL, mailing_id INTEGER NOT NULL, recipient_id TEXT NOT NULL,
    urn TEXT NOT NULL, communication_key TEXT NOT NULL, broadcast_key TEXT NOT NULL, sent_at INTEGER NOT NULL
);
CREATE INDEX mail_sent_campaign ON mail_sent (campaign_id);
CREATE INDEX mail_sent_recipient ON mail_sent (broadcast_key, recipient_id);
CREATE INDEX mail_sent_key ON mail_sent (communication_key, recipient_id, broadcast_key);
CREATE TABLE test_mailing (
    id INTEGER PRIMARY KEY, campaign_id INTEGER NOT NULL, mailing_id INTEGER NOT NULL, started INTEGER NOT NULL
);
CREATE TABLE test_mail (test_id INTEGER NOT NULL, recipient_id TEXT NOT NULL, PRIMARY KEY (test_id, recipient_id));
CREATE TABLE event (
    id INTEGER PRIMARY KEY, campaign_id INTEGER NOT NULL, mailing_id INTEGER NOT NULL, recipient_id TEXT NOT NULL,
    urn TEXT NOT NULL, communication_key TEXT NOT NULL, broadcast_key TEXT NOT NULL, message_type TEXT NOT NULL,
    bounce_type TEXT NOT NULL, url TEXT NOT NULL, sent_at INTEGER NOT NULL, happened_at INTEGER NOT NULL,
    registered_at INTEGER NOT NULL
);
CREATE INDEX event_registered ON event (registered_at);
CREATE INDEX event_recipient ON event (recipient_id);
CREATE INDEX event_campaign ON event (campaign_id, message_type, bounce_type, registered_at);
CREATE TABLE unsubscribe (
    recipient_id TEXT PRIMARY KEY, list_id INTEGER, mailing_id INTEGER, reason TEXT NOT NULL, created INTEGER NOT NULL
);
CREATE TABLE wipe (recipient_id TEXT NOT NULL, reason TEXT NOT NULL, created INTEGER NOT NULL);
CREATE TABLE response_file (boundary INTEGER PRIMARY KEY, name TEXT, rows INTEGER NOT NULL);
"""

#: Ids are longer than 32 bits, as the vendor's are.
FIRST_LIST_ID = 40_291_413_820
FIRST_CAMPAIGN_ID = 50_118_200_100
FIRST_MAILING_ID = 60_733_900_500
CLIENT_ID = 10_246_810_121

_FIELDS = (
    ("Email", "STRING", True),
    ("Urn", "STRING", False),
    ("CommunicationKey", "STRING", False),
    ("BroadcastKey", "STRING", False),
    ("Title", "STRING", False),
    ("FirstName", "STRING", False),
    ("LastName", "STRING", False),
    ("Company", "STRING", False),
    ("City", "STRING", False),
    ("Postcode", "STRING", False),
    ("Country", "STRING", False),
    ("Language", "STRING", False),
    ("CustomerSince", "DATE", False),
    ("LoyaltyPoints", "INTEGER", False),
    ("Segment", "STRING", False),
    ("LastStore", "STRING", False),
    ("VoucherCode", "STRING", False),
    ("created", "TIMESTAMP", False),
    ("modified", "TIMESTAMP", False),
)
#: Two lists share a name, and two Smart Campaigns hold messages of one name: the cases of ambiguity.
_LISTS = ("Customers", "Prospects", "Duplicate name", "Duplicate name", "Seed list")
_SEEDS = 5
#: The recipient list pool, for sending batches and closed-loop imports.
_POOL = ("Pool 1", "Pool 2", "Pool 3", "Pool 4")
_CAMPAIGNS = (
    ("Spring Newsletter", "Spring Newsletter", "activationRequired"),
    ("Welcome Series", "Welcome", "activationRequired"),
    ("Twice A", "Same message", "activationRequired"),
    ("Twice B", "Same message", "activationRequired"),
    ("Autumn Newsletter", "Autumn Newsletter", "finished"),
    ("Evening Newsletter", "Evening Newsletter", "activationRequired"),
)
#: The Smart Campaign with a Wait node, and the seconds from the beginning to the node's time.
_WAITING, _WAITS = "Evening Newsletter", 9 * 3600


class Store:
    """The simulator's records.

    Args:
        path: the SQLite file; created with lists and Smart Campaigns if it is missing.
        now: creation time of the lists and Smart Campaigns, in simulated time.
    """

    def __init__(self, path: Path, *, now: int) -> None:
        self._path = path
        if not path.exists():
            new = path.with_suffix(".new")
            new.unlink(missing_ok=True)
            with closing(sqlite3.connect(new)) as connection:
                connection.executescript("PRAGMA journal_mode = WAL;" + _TABLES)
                with connection:
                    _fill(connection, now)
            new.rename(path)

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A connection for reading."""
        with closing(self._connect()) as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A connection in one transaction, committed at the end of the block."""
        with closing(self._connect()) as connection:
            connection.execute("BEGIN IMMEDIATE")
            with connection:
                yield connection

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, timeout=60, isolation_level=None, check_same_thread=False)
        connection.row_factory = sqlite3.Row
        # A killed process loses nothing. A power cut could, which does not matter here.
        connection.execute("PRAGMA synchronous = NORMAL")
        return connection


def fact(connection: sqlite3.Connection, name: str) -> str | None:
    """A single value stored under a name."""
    row = connection.execute("SELECT value FROM fact WHERE name = ?", (name,)).fetchone()
    return None if row is None else str(row["value"])


def set_fact(connection: sqlite3.Connection, name: str, value: object) -> None:
    """Store a single value under a name."""
    connection.execute("INSERT OR REPLACE INTO fact VALUES (?, ?)", (name, str(value)))


def _fill(connection: sqlite3.Connection, now: int) -> None:
    for number, name in enumerate((*_LISTS, *_POOL)):
        list_id = FIRST_LIST_ID + number
        connection.execute(
            "INSERT INTO recipient_list VALUES (?, ?, ?, ?, ?)", (list_id, name, name == "Seed list", now, now)
        )
        connection.executemany(
            "INSERT INTO list_field VALUES (?, ?, ?, ?, ?, ?)",
            [
                (list_id, position, name, name, kind, required)
                for position, (name, kind, required) in enumerate(_FIELDS)
            ],
        )
        if name == "Seed list":
            connection.executemany(
                "INSERT INTO recipient VALUES (?, ?, ?, ?, '')",
                [(list_id, f"seed{n}@bridge.example", f"seed{n}", f"seed{n}") for n in range(1, _SEEDS + 1)],
            )
        if name in _POOL:
            connection.execute("INSERT INTO pool_list VALUES (?, 0, NULL, NULL)", (list_id,))
    for number, (name, message, status) in enumerate(_CAMPAIGNS):
        campaign_id, passed = FIRST_CAMPAIGN_ID + number, now if status == "finished" else None
        connection.execute(
            "INSERT INTO campaign (id, name, status, list_id, created, modified, started, finished, repeated) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, 1)",
            (campaign_id, name, status, FIRST_LIST_ID, now, now, passed, passed),
        )
        connection.execute("INSERT INTO message VALUES (?, ?, ?)", (FIRST_MAILING_ID + number, campaign_id, message))
        if name == _WAITING:
            connection.execute(
                "INSERT INTO wait_node (campaign_id, position, scheduled_at, after_import) VALUES (?, 1, ?, 0)",
                (campaign_id, now + _WAITS),
            )
