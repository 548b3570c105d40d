"""Erasures: what is planned and what is done, so that an interrupted erasure can resume, and a receipt of each.

A receipt says when, by whom, by what kind of key and how much was erased, and nothing about the person. Until the end
the ledger keeps a salted hash of the given value, by which the next call recognises the erasure, and hashes of the
person's keys, because the rows that led from one key to the other may be gone by then.
"""

import secrets
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import pbkdf2_hmac
from typing import Final

from sqlalchemy import Connection, delete, insert, select, update

from shared.database.connections import Database
from shared.ledger.person import Person
from shared.ledger.tables import erasure as table
from shared.ledger.tables import erasure_key as key_table
from shared.ledger.tables import erasure_step as step_table

#: The step that wipes histories at Optimizely. It repeats the same work, so its counts are not added up.
WIPE: Final = "optimizely"
#: Not a step: files that could not be searched because they cannot be read. Nothing of them is ever erased.
UNREAD: Final = "unread"
_SALT_BYTES: Final = 16
#: The cost of one guess: without it, addresses and URNs could be found by trying them all.
_ROUNDS: Final = 200_000
#: Attributes of a person, which are also the kinds of keys in the ledger.
_KINDS: Final = ("addresses", "urns", "communication_keys")


@dataclass(frozen=True, slots=True, kw_only=True)
class DoneStep:
    """What an erasure found in one kind of data, and what it has erased; None: nothing yet."""

    step: str
    found: int
    erased: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What was erased, without anything about the person."""

    id: str
    given_by: str
    operator: str
    planned_at: datetime
    #: None: it was interrupted, and the same command resumes it.
    finished_at: datetime | None
    steps: list[DoneStep]


def find_unfinished(database: Database, person: Person) -> str | None:
    """The interrupted erasure of this person, if there is one; the person learns the keys that it knew."""
    query = select(table).where(table.c.finished_at.is_(None), table.c.given_by == person.given_by)
    with database.reading() as connection:
        for row in connection.execute(query.order_by(table.c.planned_at)).all():
            if row.salt is not None and secrets.compare_digest(row.person_hash, _person_hash(person, row.salt)):
                keys = connection.execute(select(key_table).where(key_table.c.erasure_id == row.id)).all()
                person.recall(*([key.key_hash for key in keys if key.kind == kind] for kind in _KINDS))
                return str(row.id)
    return None


def begin(database: Database, person: Person, amounts: Mapping[str, int], *, operator: str, now: datetime) -> str:
    """Record the plan before anything is erased.

    Args:
        database: the database of the ledger.
        person: the person, with all keys.
        amounts: the number of rows or files to erase, by step.
        operator: who erases.
        now: the time.

    Returns:
        The id of the erasure: a new one, or that of the interrupted erasure that this resumes.
    """
    resumed = find_unfinished(database, person)
    erasure_id = resumed or str(uuid.uuid4())
    with database.writing() as connection:
        if resumed is None:
            salt = secrets.token_bytes(_SALT_BYTES)
            values = {"salt": salt, "person_hash": _person_hash(person, salt), "planned_at": now}
            connection.execute(
                insert(table).values(id=erasure_id, given_by=person.given_by, operator=operator, **values)
            )
            connection.execute(
                insert(step_table),
                [{"erasure_id": erasure_id, "step": step, "found": rows} for step, rows in amounts.items()],
            )
        else:
            _resume(connection, erasure_id, amounts)
        connection.execute(delete(key_table).where(key_table.c.erasure_id == erasure_id))
        connection.execute(
            insert(key_table),
            [
                {"erasure_id": erasure_id, "kind": kind, "key_hash": key_hash}
                for kind in _KINDS
                for key_hash in getattr(person, kind)
            ],
        )
    return erasure_id


def record_step(database: Database, erasure_id: str, step: str, erased: int, *, now: datetime) -> None:
    """Record that a step is done; what a repeated step erases is added."""
    its_row = (step_table.c.erasure_id == erasure_id, step_table.c.step == step)
    with database.writing() as connection:
        before = connection.scalar(select(step_table.c.erased).where(*its_row)) or 0
        total = max(before, erased) if step == WIPE else before + erased
        connection.execute(update(step_table).where(*its_row).values(erased=total, done_at=now))


def finish(database: Database, erasure_id: str, *, now: datetime) -> Receipt:
    """Record that all steps are done, and delete everything about the person."""
    with database.writing() as connection:
        connection.execute(delete(key_table).where(key_table.c.erasure_id == erasure_id))
        connection.execute(
            update(table).where(table.c.id == erasure_id).values(finished_at=now, salt=None, person_hash=None)
        )
    return next(receipt for receipt in receipts(database) if receipt.id == erasure_id)


def receipts(database: Database) -> list[Receipt]:
    """The receipts of all erasures, newest first."""
    with database.reading() as connection:
        steps = connection.execute(select(step_table)).all()
        rows = connection.execute(select(table).order_by(table.c.planned_at.desc(), table.c.id)).all()
    return [
        Receipt(
            id=row.id,
            given_by=row.given_by,
            operator=row.operator,
            planned_at=row.planned_at,
            finished_at=row.finished_at,
            steps=[
                DoneStep(step=step.step, found=step.found, erased=step.erased)
                for step in sorted(steps, key=lambda step: step.step)
                if step.erasure_id == row.id
            ],
        )
        for row in rows
    ]


def _resume(connection: Connection, erasure_id: str, amounts: Mapping[str, int]) -> None:
    """Account for what was erased before an interruption but not recorded: it is no longer found."""
    rows = connection.execute(select(step_table).where(step_table.c.erasure_id == erasure_id)).all()
    for row in rows:
        present = amounts[row.step]
        if row.step in {WIPE, UNREAD}:
            values = {"found": max(row.found, present)}
        else:
            erased = row.erased or 0
            if row.done_at is None:
                erased = max(erased, row.found - present)
            values = {"found": max(row.found, erased + present), "erased": erased or row.erased}
        connection.execute(
            update(step_table)
            .where(step_table.c.erasure_id == erasure_id, step_table.c.step == row.step)
            .values(**values)
        )


def _person_hash(person: Person, salt: bytes) -> bytes:
    given = f"{person.given_by}:{person.given.strip().casefold()}"
    return pbkdf2_hmac("sha256", given.encode(), salt, _ROUNDS, dklen=_SALT_BYTES)
