"""The books at the end: what was asked for, what the ledger says, and what the simulator did."""

import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field

from local.chaos.installation import Installation
from local.chaos.intake import Intake

#: States in which a broadcast stays.
_AT_REST = frozenset({"closed", "failed", "cancelled", "needs_operator"})


@dataclass(slots=True)
class Books:
    """What was found. Everything balances when all four are empty."""

    #: Communication Keys of people who were mailed more than once.
    mailed_twice: list[str] = field(default_factory=list)
    #: Broadcasts, people and responses that are missing, and ends that are not true.
    lost: list[str] = field(default_factory=list)
    #: Broadcasts and responses that there are too many of.
    doubled: list[str] = field(default_factory=list)
    #: Leases that nobody holds any more.
    leases_left: list[str] = field(default_factory=list)
    states: Counter[str] = field(default_factory=Counter)
    codes: Counter[str] = field(default_factory=Counter)
    mails: int = 0
    events: int = 0

    def balance(self) -> bool:
        """Whether everything balances."""
        return not (self.mailed_twice or self.lost or self.doubled or self.leases_left)

    def verdict(self) -> str:
        """The last line."""
        return (
            f"mailed twice {len(self.mailed_twice)}, lost {len(self.lost)}, doubled {len(self.doubled)}, "
            f"leases left {len(self.leases_left)}"
        )


def progress(installation: Installation) -> Counter[str]:
    """How many broadcasts are in each state."""
    with closing(sqlite3.connect(installation.ledger, timeout=60)) as ledger:
        return Counter(dict(ledger.execute("SELECT state, count(*) FROM broadcast GROUP BY state")))


def unfinished(states: Counter[str]) -> int:
    """How many of them are not at rest."""
    return sum(count for state, count in states.items() if state not in _AT_REST)


def responses(installation: Installation) -> tuple[Counter[str], Counter[str]]:
    """The events that recipients caused, and the rows in RS_DB, by type."""
    with closing(sqlite3.connect(installation.books, timeout=60)) as books:
        events = Counter(dict(books.execute("SELECT message_type, count(*) FROM event GROUP BY 1").fetchall()))
    with installation.bridge.rs_database.reading() as connection:
        return events, Counter(installation.bridge.rs_db.count_by_type(connection))


def close_books(installation: Installation, intake: Intake) -> Books:
    """Compare everything."""
    found = Books()
    with (
        closing(sqlite3.connect(installation.ledger, timeout=60)) as ledger,
        closing(sqlite3.connect(installation.books, timeout=60)) as books,
    ):
        ledger.row_factory = books.row_factory = sqlite3.Row
        twice = books.execute(
            "SELECT communication_key FROM mail_sent GROUP BY recipient_id, communication_key HAVING count(*) > 1"
        )
        found.mailed_twice = [row[0] for row in twice]
        _taken_in(ledger, intake, found)
        mailed = Counter(dict(books.execute("SELECT broadcast_key, count(*) FROM mail_sent GROUP BY 1").fetchall()))
        found.mails = mailed.total()
        for row in ledger.execute("SELECT * FROM broadcast"):
            found.states[row["state"]] += 1
            if row["error_code"]:
                found.codes[f"{row['state']}: {row['error_code']}"] += 1
            found.lost += _untrue(row, mailed[row["key"]])
        found.leases_left = [
            f"{row['name']} of {row['owner']}"
            for row in ledger.execute(
                "SELECT lease.* FROM lease LEFT JOIN broadcast ON broadcast.key = owner "
                "WHERE expires_at IS NULL AND coalesce(state, '') <> 'needs_operator'"
            )
        ]
    events, loaded = responses(installation)
    found.events = events.total()
    found.lost += [f"response {name}" for name in (events - loaded).elements()]
    found.doubled += [f"response {name}" for name in (loaded - events).elements()]
    return found


def _taken_in(ledger: sqlite3.Connection, intake: Intake, found: Books) -> None:
    """Everything that was asked for is a broadcast, once."""
    for asked, query in (
        (Counter(map(str, intake.jobs)), "SELECT job_id FROM broadcast WHERE source = 'job'"),
        (Counter(intake.files), "SELECT delivery_file FROM broadcast WHERE source = 'file'"),
        (Counter(intake.keys_of_deliveries()), "SELECT key FROM broadcast WHERE source = 'channel'"),
    ):
        taken_in = Counter(str(row[0]) for row in ledger.execute(query))
        found.lost += [f"{name} is no broadcast" for name in (asked - taken_in).elements()]
        found.doubled += [f"{name} is a broadcast too often" for name in (taken_in - asked).elements()]


def _untrue(row: sqlite3.Row, mails: int) -> Iterator[str]:
    """What the state of a broadcast promises and the simulator's books deny."""
    key, state = row["key"], row["state"]
    if state not in _AT_REST:
        yield f"{key} stays {state}"
    if state in {"failed", "cancelled"} and mails:
        yield f"{key} is {state}, and {mails} people were mailed"
    if state in {"failed", "needs_operator"} and not row["error_code"]:
        yield f"{key} is {state} without a code"
    if state == "closed" and row["send_mode"] != "upload only":
        # What is sent after its import is not counted in between.
        expected = row["rows_uploaded"] if row["imported"] is None else row["imported"]
        if mails != row["sent"]:
            yield f"{key} is closed, sent {row['sent']}, and {mails} people were mailed"
        elif mails < expected and not row["error_code"]:
            yield f"{key} is closed without a code: {expected} imported or uploaded, {mails} mailed"
