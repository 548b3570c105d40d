"""Erasures: what is to be erased and what was, so that an interrupted one can resume, and a receipt of each.

A receipt tells when, by whom, by what kind of key and how much, and nothing of whom. Until the end the ledger keeps a
salted hash of what was given, by which the next call knows the erasure again, and hashes of the person's keys, for the
rows that led from one to the other may be gone by then.
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

#: The step that wipes histories at Optimizely. It does the same again, so what it did is not added up.
WIPE: Final = "optimizely"
#: No step: what could not be looked through, because it cannot be read. Nothing of it is ever erased.
UNREAD: Final = "unread"
_SALT_BYTES: Final = 16
#: Work of one guess: an address or a URN could be found by trying them all.
_ROUNDS: Final = 200_000
#: Attributes of a person, as the ledger calls their keys.
_KINDS: Final = ("addresses", "urns", "communication_keys")


@dataclass(frozen=True, slots=True, kw_only=True)
class DoneStep:
    """What an erasure found in one place, and what it has erased there; None: nothing yet."""

    step: str
    found: int
    erased: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What was done for a person, without anything that tells who it was."""

    id: str
    given_by: str
    operator: str
    planned_at: datetime
    #: None: it was interrupted, and the same command goes on with it.
    finished_at: datetime | None
    steps: list[DoneStep]


def unfinished(database: Database, person: Person) -> str | None:
    """The erasure of this person that was interrupted; what it knew of them is recalled."""
    wanted = select(table).where(table.c.finished_at.is_(None), table.c.given_by == person.given_by)
    with database.reading() as connection:
        for row in connection.execute(wanted.order_by(table.c.planned_at)).all():
            if row.salt is not None and secrets.compare_digest(row.person_hash, _person_hash(person, row.salt)):
                keys = connection.execute(select(key_table).where(key_table.c.erasure_id == row.id)).all()
                person.recall(*([one.key_hash for one in keys if one.kind == kind] for kind in _KINDS))
                return str(row.id)
    return None


def begin(database: Database, person: Person, amounts: Mapping[str, int], *, operator: str, now: datetime) -> str:
    """Record what is to be done, before anything is.

    Args:
        database: of the ledger.
        person: whose keys are all known by now.
        amounts: how much there is now, by step.
        operator: who erases.
        now: the time.

    Returns:
        The erasure's id: a new one, or that of the interrupted one which this goes on with.
    """
    going_on = unfinished(database, person)
    erasure_id = going_on or str(uuid.uuid4())
    with database.writing() as connection:
        if going_on is None:
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
                {"erasure_id": erasure_id, "kind": kind, "key_hash": one}
                for kind in _KINDS
                for one in getattr(person, kind)
            ],
        )
    return erasure_id


def done(database: Database, erasure_id: str, step: str, erased: int, *, now: datetime) -> None:
    """Record that a step is done; of one that is done once more, that so much more was erased."""
    this = (step_table.c.erasure_id == erasure_id, step_table.c.step == step)
    with database.writing() as connection:
        before = connection.scalar(select(step_table.c.erased).where(*this)) or 0
        ever = max(before, erased) if step == WIPE else before + erased
        connection.execute(update(step_table).where(*this).values(erased=ever, done_at=now))


def finish(database: Database, erasure_id: str, *, now: datetime) -> Receipt:
    """Record that all steps are done; from now on nothing tells who it was."""
    with database.writing() as connection:
        connection.execute(delete(key_table).where(key_table.c.erasure_id == erasure_id))
        connection.execute(
            update(table).where(table.c.id == erasure_id).values(finished_at=now, salt=None, person_hash=None)
        )
    return next(one for one in receipts(database) if one.id == erasure_id)


def receipts(database: Database) -> list[Receipt]:
    """Of every erasure, newest first."""
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
                DoneStep(step=one.step, found=one.found, erased=one.erased)
                for one in sorted(steps, key=lambda one: one.step)
                if one.erasure_id == row.id
            ],
        )
        for row in rows
    ]


def _resume(connection: Connection, erasure_id: str, amounts: Mapping[str, int]) -> None:
    """Account for what was erased before an interruption and not recorded: it is not found any more."""
    rows = connection.execute(select(step_table).where(step_table.c.erasure_id == erasure_id)).all()
    for row in rows:
        here = amounts[row.step]
        if row.step in {WIPE, UNREAD}:
            values = {"found": max(row.found, here)}
        else:
            erased = row.erased or 0
            if row.done_at is None:
                erased = max(erased, row.found - here)
            values = {"found": max(row.found, erased + here), "erased": erased or row.erased}
        connection.execute(
            update(step_table)
            .where(step_table.c.erasure_id == erasure_id, step_table.c.step == row.step)
            .values(**values)
        )


def _person_hash(person: Person, salt: bytes) -> bytes:
    given = f"{person.given_by}:{person.given.strip().casefold()}"
    return pbkdf2_hmac("sha256", given.encode(), salt, _ROUNDS, dklen=_SALT_BYTES)
