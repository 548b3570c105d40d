"""The backlog: what is under way, by state and age (docs/how-to/watch.md)."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select

from shared.broadcast import ENDED, State
from shared.database.connections import Database
from shared.ledger.tables import broadcast, ferg_file, response_file
from shared.response_file import FileState


@dataclass(frozen=True, slots=True)
class Waiting:
    """Broadcasts or files in one state."""

    number: int
    #: Since when the oldest waits; None if none waits.
    since: datetime | None = None
    #: Key of the oldest, if they are broadcasts.
    oldest: str | None = None


def broadcasts_under_way(database: Database, *, now: datetime) -> dict[State, Waiting]:
    """The broadcasts that have not ended, by state; states without any are left out.

    A broadcast waits since its last change of state, or since the time at which it was to be sent. A
    broadcast that its source holds is counted, but has no age.

    Raises:
        DatabaseUnavailable: the ledger could not be read.
    """
    query = select(
        broadcast.c.key,
        broadcast.c.state,
        broadcast.c.changed_at,
        broadcast.c.send_at,
        broadcast.c.held,
        broadcast.c.released_at,
    ).where(broadcast.c.state.not_in(ENDED))
    ages: dict[State, list[tuple[datetime, str] | None]] = {}
    with database.reading() as connection:
        for row in connection.execute(query).all():
            since = max(row.changed_at, row.send_at or row.changed_at)
            held = row.held and row.released_at is None and row.state == State.STAGED
            age = None if held or since > now else (since, row.key)
            ages.setdefault(State(row.state), []).append(age)
    return {state: _waiting(of_state) for state, of_state in ages.items()}


def response_files_under_way(database: Database) -> dict[FileState, Waiting]:
    """The response files that are not loaded, by state: seen ones wait to be gathered, gathered ones to be loaded.

    Raises:
        DatabaseUnavailable: the ledger could not be read.
    """
    columns = response_file.c
    query = (
        select(columns.state, func.count(), func.min(columns.seen_at), func.min(columns.gathered_at))
        .where(columns.state.in_((FileState.SEEN, FileState.GATHERED, FileState.FAILED)))
        .group_by(columns.state)
    )
    with database.reading() as connection:
        return {
            FileState(state): Waiting(number, seen_at if state == FileState.SEEN else gathered_at)
            for state, number, seen_at, gathered_at in connection.execute(query).all()
        }


def ferg_files_under_way(database: Database) -> Waiting:
    """The files for FERG that are not delivered yet.

    Raises:
        DatabaseUnavailable: the ledger could not be read.
    """
    query = select(func.count(), func.min(ferg_file.c.made_at)).where(ferg_file.c.put_at.is_(None))
    with database.reading() as connection:
        number, since = connection.execute(query).one()
    return Waiting(number, since)


def _waiting(ages: Iterable[tuple[datetime, str] | None]) -> Waiting:
    every = list(ages)
    since, oldest = min((age for age in every if age is not None), default=(None, None))
    return Waiting(len(every), since, oldest)
