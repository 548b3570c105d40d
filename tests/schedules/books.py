"""What must be true of every schedule, by the simulator's own books and by the ledger's."""

import json
import sqlite3
from collections.abc import Iterator

from shared.broadcast import TRANSITIONS, State
from shared.errors import UnexpectedError
from tests.schedules.edges import decoded
from tests.schedules.world import World

#: What becomes of the rows of a response file.
_FILE_SUMS = ("rows_loaded", "rows_known", "rows_rejected")
#: States that promise that nobody was mailed.
_NOBODY = (State.FAILED, State.CANCELLED)


def check_now(world: World) -> None:
    """What must be true at any time."""
    problems = [*_mailed_twice(world), *_true_while_ended(world), *_silent_waits(world)]
    assert not problems, problems


def check_end(world: World) -> None:
    """What must be true once every fault has stopped and nothing is left to do."""
    problems = [
        *_mailed_twice(world),
        *_true_while_ended(world),
        *_transitions(world.ledger),
        *_leases(world.ledger),
        *_true_ends(world, world.ledger),
        *_taken_in(world, world.ledger),
    ]
    assert not problems, problems


def check_responses(world: World) -> None:
    """Every event that recipients caused is a row in RS_DB, once."""
    with world.records() as books:
        events = dict(books.execute("SELECT message_type, count(*) FROM event GROUP BY 1").fetchall())
    bridge = world.hosts[0]
    with bridge.rs_database.reading() as connection:
        rows = dict(bridge.rs_db.count_by_type(connection))
    assert rows == events, (rows, events)
    files = world.ledger.execute("SELECT * FROM response_file WHERE state = 'loaded'").fetchall()
    unbalanced = [file["name"] for file in files if file["rows_read"] != sum(file[part] for part in _FILE_SUMS)]
    assert not unbalanced, unbalanced


def _mailed_twice(world: World) -> Iterator[str]:
    with world.records() as books:
        rows = books.execute(
            "SELECT communication_key, count(*), group_concat(DISTINCT campaign_id), group_concat(DISTINCT "
            "broadcast_key) FROM mail_sent GROUP BY recipient_id, communication_key HAVING count(*) > 1"
        ).fetchall()
    for key, mails, campaigns, broadcasts in rows:
        yield f"{mails} mails for Communication Key {key} (campaigns {campaigns}, broadcasts {broadcasts})"


def _mails(books: sqlite3.Connection, key: str) -> int:
    row = books.execute("SELECT count(*) FROM mail_sent WHERE broadcast_key = ?", (key,)).fetchone()
    return int(row[0])


def _true_while_ended(world: World) -> Iterator[str]:
    """Nobody was, is or will be mailed by what has failed or is cancelled, and nothing comes after an end."""
    ended = world.ledger.execute(
        "SELECT key, state, campaign_id, batch_id, unixepoch(changed_at) AS since FROM broadcast "
        "WHERE state IN ('failed', 'cancelled', 'closed')"
    ).fetchall()
    if not ended:
        return
    with world.records() as books:
        for row in ended:
            key, state = row["key"], row["state"]
            if late := books.execute(
                "SELECT count(*) FROM import_run WHERE file LIKE ? AND started > ?", (f"%{key}%", row["since"])
            ).fetchone()[0]:
                yield f"{key} is {state}, and its list was imported {late} times afterwards"
            if state not in _NOBODY:
                continue
            if mails := _mails(books, key):
                yield f"{key} is {state}, and {mails} people were mailed"
            for (status,) in books.execute(
                "SELECT status FROM campaign WHERE id = ? AND status NOT IN ('activationRequired', 'canceled') UNION "
                "SELECT 'batch ' || state FROM sending_batch WHERE id = ? AND state = 'sent'",
                (row["campaign_id"], row["batch_id"]),
            ):
                yield f"{key} is {state}, and its Smart Campaign is {status}"
            for folder in ("import", "closedloop"):
                if list((world.folder / "simulator/site" / folder).glob(f"*{key}*.csv")):
                    yield f"{key} is {state}, and its list file waits for its import"


def _silent_waits(world: World) -> Iterator[str]:
    """A broadcast whose next message is delayed, though nothing has failed, says what it waits for.

    After its upload it may wait for Optimizely, as its state says.
    """
    now = world.clock.now()
    delayed = [message for message in world.queues.messages if message.visible_at > now and not message.deliveries]
    if not delayed:
        return
    waiting = [json.loads(decoded(message)) for message in delayed]
    for body in waiting:
        row = world.ledger.execute(
            "SELECT key, state FROM broadcast WHERE key = ? AND version = ? AND attempts = 0 "
            "AND state IN ('claimed', 'staged', 'prepared') AND waiting_for IS NULL",
            (body.get("broadcast"), body.get("version")),
        ).fetchone()
        if row is not None:
            yield f"{row['key']} waits in {row['state']} and does not say for what"


def _transitions(ledger: sqlite3.Connection) -> Iterator[str]:
    last: dict[int, str] = {}
    for row in ledger.execute("SELECT * FROM history ORDER BY id"):
        was, to = row["from_state"], row["to_state"]
        if was != last.get(row["broadcast_id"]):
            yield f"history {row['id']}: from {was}, but it was {last.get(row['broadcast_id'])}"
        if was is not None and was != to and State(to) not in TRANSITIONS[State(was)]:
            yield f"history {row['id']}: from {was} to {to}"
        last[row["broadcast_id"]] = to
    for row in ledger.execute("SELECT id, state FROM broadcast"):
        if last.get(row["id"]) != row["state"]:
            yield f"broadcast {row['id']} is {row['state']}, its history ends with {last.get(row['id'])}"


def _leases(ledger: sqlite3.Connection) -> Iterator[str]:
    """A lease without an end belongs to a broadcast that is parked."""
    for row in ledger.execute(
        "SELECT lease.*, state FROM lease LEFT JOIN broadcast ON broadcast.key = owner WHERE expires_at IS NULL"
    ):
        if row["state"] != State.NEEDS_OPERATOR:
            yield f"the lease {row['name']} of {row['owner']} ({row['state']}) has no end"


def _true_ends(world: World, ledger: sqlite3.Connection) -> Iterator[str]:
    with world.records() as books:
        for row in ledger.execute("SELECT * FROM broadcast"):
            yield from _true_end(row, _mails(books, row["key"]))


def _true_end(row: sqlite3.Row, mails: int) -> Iterator[str]:
    state, key = State(row["state"]), row["key"]
    if state in {State.FAILED, State.NEEDS_OPERATOR} and not row["error_code"]:
        yield f"{key} is {state} without a code"
    if row["error_code"] == UnexpectedError.code:
        yield f"{key} is {state}: {row['error']}"
    parts = ("rows_uploaded", "rows_rejected", "rows_duplicate", "rows_suppressed")
    if row["rows_read"] is not None and row["rows_read"] != sum(row[part] for part in parts):
        yield f"the rows of {key} do not add up"
    if state is State.CLOSED:
        if row["send_mode"] == "upload only":
            if mails:
                yield f"{key} is upload only, and {mails} people were mailed"
        elif row["sent"] != mails:
            yield f"{key} is closed, sent {row['sent']}; {mails} people were mailed"
        elif mails < (row["imported"] or 0) and row["error_code"] is None:
            yield f"{key} is closed without a code: {row['imported']} imported, {mails} mailed"


def _taken_in(world: World, ledger: sqlite3.Connection) -> Iterator[str]:
    """Everything that was asked for is a broadcast, once."""
    jobs = [row[0] for row in ledger.execute("SELECT job_id FROM broadcast WHERE source = 'job'")]
    if sorted(jobs) != sorted(world.jobs):
        yield f"jobs {world.jobs}, broadcasts of jobs {jobs}"
    files = [row[0] for row in ledger.execute("SELECT delivery_file FROM broadcast WHERE source = 'file'")]
    if sorted(files) != sorted(world.dropped):
        yield f"files {world.dropped}, broadcasts of files {files}"
    keys = {row[0] for row in ledger.execute("SELECT key FROM broadcast WHERE source = 'channel'")}
    for delivery in world.deliveries:
        if delivery["accepted"] and delivery["key"] not in keys:
            yield f"the delivery {delivery['key']} was accepted and is no broadcast"
