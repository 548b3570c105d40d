"""Where the ledger's tables hold data of a person who is to be erased."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import batched
from typing import Final

from sqlalchemy import ColumnElement, Connection, Table, delete, func, or_, select, update

from shared.database.connections import Database
from shared.ledger.person import Person, clear
from shared.ledger.responses.files import no_longer_unmatched
from shared.ledger.tables import recipient, response_event, unmatched_response
from shared.ledger.tables import response_staging as staging

#: Values in one statement (SQL Server takes 2,100 parameters), and rows read by one.
_VALUES: Final = 500
_PAGE: Final = 10_000


@dataclass(frozen=True, slots=True)
class RecipientKeys:
    """A recipient of a broadcast: the line in the list, and the hashed keys."""

    line: int
    urn: bytes | None
    communication_key: bytes | None


def broadcasts_of(database: Database, person: Person) -> set[int]:
    """Ids of the broadcasts whose lists hold them; the person learns the keys of these recipients."""
    broadcast_ids = set()
    with database.reading() as connection:
        for condition in _by_keys(recipient, person):
            query = select(recipient.c.broadcast_id, recipient.c.urn_hash, recipient.c.communication_key_hash)
            for broadcast_id, urn, key in connection.execute(query.where(condition)).all():
                broadcast_ids.add(broadcast_id)
                person.learn_hashes(urn, key)
    return broadcast_ids


def recipients_of(database: Database, broadcast_id: int) -> Iterator[RecipientKeys]:
    """Every recipient of a broadcast, in the order of its list."""
    after = -1
    while True:
        query = (
            select(recipient.c.line, recipient.c.urn_hash, recipient.c.communication_key_hash)
            .where(recipient.c.broadcast_id == broadcast_id, recipient.c.line > after)
            .order_by(recipient.c.line)
            .limit(_PAGE)
        )
        with database.reading() as connection:
            page = connection.execute(query).all()
        if not page:
            return
        for line, urn, key in page:
            yield RecipientKeys(line, urn, key)
        after = page[-1].line


def count_recipients(database: Database, person: Person) -> int:
    """How many lines of lists are remembered as theirs."""
    with database.reading() as connection:
        lines = {
            (row.broadcast_id, row.line)
            for condition in _by_keys(recipient, person)
            for row in connection.execute(select(recipient.c.broadcast_id, recipient.c.line).where(condition)).all()
        }
    return len(lines)


def remove_recipients(database: Database, person: Person) -> int:
    """Remove them from the remembered recipients; returns the number of rows."""
    with database.writing() as connection:
        conditions = _by_keys(recipient, person)
        return sum(connection.execute(delete(recipient).where(condition)).rowcount for condition in conditions)


def remove_unmatched(connection: Connection, person: Person) -> int:
    """Remove their responses that wait for a broadcast; returns the number of rows."""
    removed = 0
    for condition in _by_keys(unmatched_response, person):
        by_file = select(unmatched_response.c.response_file_id, func.count()).where(condition)
        for file_id, rows in connection.execute(by_file.group_by(unmatched_response.c.response_file_id)).all():
            no_longer_unmatched(connection, file_id, rows)
            removed += rows
        connection.execute(delete(unmatched_response).where(condition))
    return removed


def detach_events(connection: Connection, response_ids: Sequence[int]) -> None:
    """Forget which events these responses hold: no later file adds anything to them. The events stay known."""
    for batch in batched(response_ids, _VALUES, strict=False):
        detached = update(response_event).where(response_event.c.response_id.in_(batch)).values(response_id=0)
        connection.execute(detached)


def remove_staged(connection: Connection, person: Person) -> int:
    """Remove their rows that an interrupted load left staged; returns the number of rows."""
    unplaced = staging.c.place.is_(None)
    return sum(
        connection.execute(delete(staging).where(unplaced, condition)).rowcount
        for condition in (*_by_keys(staging, person), *_by_address(person))
    )


def files_waiting_with(database: Database, person: Person) -> int:
    """How many files for FERG that hold a row of theirs are not delivered yet."""
    files: set[int] = set()
    with database.reading() as connection:
        for condition in (*_by_keys(staging, person), *_by_address(person)):
            query = select(staging.c.response_file_id).where(staging.c.place.is_not(None), condition).distinct()
            files.update(connection.scalars(query))
    return len(files)


def _by_keys(rows: Table, person: Person) -> Iterator[ColumnElement[bool]]:
    """Conditions for the rows that are theirs by a key; each is for one statement."""
    known: Mapping[str, Mapping[bytes, str | None]] = {
        "urn_hash": person.urns,
        "communication_key_hash": person.communication_keys,
    }
    for column, hashes in known.items():
        for batch in batched(hashes, _VALUES, strict=False):
            yield rows.c[column].in_(batch)


def _by_address(person: Person) -> Iterator[ColumnElement[bool]]:
    without_keys = staging.c.urn_hash.is_(None) & staging.c.communication_key_hash.is_(None)
    given = func.lower(staging.c.email) == person.given.strip().lower()
    for batch in batched(clear(person.addresses), _VALUES, strict=False):
        theirs = func.lower(staging.c.email).in_([address.lower() for address in batch])
        yield theirs & or_(without_keys, given)
