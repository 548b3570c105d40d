"""Which rows of a load are known: events that are recorded already, however their files stated them (rule 6).

Most rows need no comparison: their event is recorded under the very key of the row, or nothing is recorded that could
be it. The others are compared here, some thousand at a time, and what they add to a recorded event is kept with it.
Everything works within the transaction of the load, which holds the lock of responses.
"""

from collections.abc import Iterator, Mapping
from itertools import batched
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    String,
    Subquery,
    Table,
    and_,
    cast,
    delete,
    exists,
    func,
    insert,
    literal,
    or_,
    select,
    union,
    update,
)

from shared.ledger.responses.same_event import Identity, Place, pair
from shared.ledger.tables import broadcast, recipient, response_event
from shared.ledger.tables import response_candidate as candidate
from shared.ledger.tables import response_staging as staging
from shared.response import RecipientKind, recipient_event

#: Rows and recorded events that are compared at a time, unless more have one type and one time.
_PAGE: Final = 5000
#: Rows in one INSERT: SQL Server takes 2,100 parameters.
_ROWS: Final = 400
_KEYS: Final = ("by_communication_key", "by_urn", "by_email")
_RECIPIENTS: Final = (
    (RecipientKind.URN, "by_urn", "urn_hash", "communication_key_hash"),
    (RecipientKind.COMMUNICATION_KEY, "by_communication_key", "communication_key_hash", "urn_hash"),
)


def find_recipients(connection: Connection, load_id: str) -> None:
    """Complete the keys of rows that have the URN or the Communication Key of a recipient, but not both.

    The recipients of the row's broadcast know the other one.
    """
    for kind, missing, found, given in _RECIPIENTS:
        lack = and_(
            staging.c.load_id == load_id,
            staging.c[missing].is_(None),
            staging.c[given].is_not(None),
            staging.c.broadcast_id.is_not(None),
        )
        first, last = connection.execute(select(func.min(staging.c.line), func.max(staging.c.line)).where(lack)).one()
        for start in range(first, last + 1, _PAGE) if first is not None else ():
            page = and_(lack, staging.c.line >= start, staging.c.line < start + _PAGE)
            its = and_(recipient.c.broadcast_id == staging.c.broadcast_id, recipient.c[given] == staging.c[given])
            least, most = func.min(recipient.c[found]), func.max(recipient.c[found])
            query = (
                select(staging.c.line, staging.c.event_core, least)
                .join_from(staging, recipient, its)
                .where(page, recipient.c[found].is_not(None))
                .group_by(staging.c.line, staging.c.event_core)
                .having(least == most)
            )
            keys = {line: recipient_event(core, kind, key) for line, core, key in connection.execute(query).all()}
            _set_keys(connection, load_id, missing, keys)


def _set_keys(connection: Connection, load_id: str, name: str, keys: Mapping[int, bytes]) -> None:
    """Set a key of staged rows, by line; `response_candidate` carries the keys to the server."""
    for some in batched(keys.items(), _ROWS, strict=False):
        values = [
            {"load_id": load_id, "event_core": key, "line": line, "event_key": key, "ordinal": 0} for line, key in some
        ]
        connection.execute(insert(candidate).values(values))
    its = (staging.c.load_id == load_id, candidate.c.load_id == load_id, candidate.c.line == staging.c.line)
    if keys:
        connection.execute(update(staging).where(*its).values({name: candidate.c.event_core}))
        forget_candidates(connection, load_id)


def covers(ranked: Subquery) -> ColumnElement[bool]:
    """Whether a recorded event has everything that a ranked row states, under the row's own key and rank."""
    return and_(
        response_event.c.event_key == ranked.c.event_key,
        response_event.c.ordinal == ranked.c.rank,
        *(or_(ranked.c[name].is_(None), ranked.c[name] == response_event.c[name]) for name in (*_KEYS, "url_hash")),
        or_(ranked.c.broadcast_id.is_(None), ranked.c.broadcast_id == response_event.c.broadcast_id),
        response_event.c.stated.op("&")(ranked.c.stated) == ranked.c.stated,
    )


def ranked_rows(load_id: str) -> Subquery:
    """The rows of a load, each with its rank among those with the same key."""
    rank = func.row_number().over(partition_by=staging.c.event_key, order_by=staging.c.line)
    names = ("line", "event_key", "event_core", "place", "broadcast_id", *_KEYS, "url_hash", "stated")
    return (
        select(*(staging.c[name] for name in names), rank.label("rank"))
        .where(staging.c.load_id == load_id)
        .subquery("ranked")
    )


def pair_with_recorded(connection: Connection, load_id: str) -> None:
    """Take the rows that are recorded events out of those that are new.

    The rows that have a place and an ordinal are not recorded under their own key. Those among them that are known lose
    both; the others, if some are known, get them anew. What is known remains in `response_candidate`: line, key and
    ordinal of the recorded event.
    """
    new = and_(staging.c.load_id == load_id, staging.c.place.is_not(None))
    if not _find_candidates(connection, load_id, new):
        return
    lost = []
    for rows, recorded in _pages(connection, load_id):
        pairs: list[dict[str, object]] = []
        for core, lines in rows.items():
            found = pair([row[:3] for row in lines], recorded.get(core, {}))
            pairs += (
                {"load_id": load_id, "event_core": core, "line": line, "event_key": key, "ordinal": ordinal}
                for line, (key, ordinal) in found.items()
            )
            lost += [line for line, _, _, is_new in lines if not is_new and line not in found]
        among = candidate.c.event_core.between(min(rows), max(rows))
        connection.execute(delete(candidate).where(candidate.c.load_id == load_id, among))
        for some in batched(pairs, _ROWS, strict=False):
            connection.execute(insert(candidate).values(list(some)))
    connection.execute(update(staging).where(new, _is_candidate(load_id, staging)).values(place=None, ordinal=None))
    for chunk in batched(lost, _ROWS, strict=False):
        connection.execute(
            update(staging).where(staging.c.load_id == load_id, staging.c.line.in_(chunk)).values(place=0)
        )
    _number_again(connection, load_id, new)


def forget_candidates(connection: Connection, load_id: str) -> None:
    """Empty `response_candidate` of this load."""
    connection.execute(delete(candidate).where(candidate.c.load_id == load_id))


def _find_candidates(connection: Connection, load_id: str, new: ColumnElement[bool]) -> bool:
    """Write the new rows to `response_candidate` that may be recorded events, and those events; False: there are none.

    A row that is recorded under its own key is among them if its event could be another row as well.
    """
    if not any(_has_linked(connection, new, link) for link in _links(staging)):
        return False
    some = or_(*(exists().where(link) for link in _links(staging)))
    names = list(candidate.c.keys())
    fields = (literal(load_id), staging.c.event_core, staging.c.line, staging.c.event_key, staging.c.ordinal)
    connection.execute(insert(candidate).from_select(names, select(*fields).where(new, some)))
    while True:
        _add_recorded(connection, load_id)
        ranked = ranked_rows(load_id)
        is_recorded = and_(
            candidate.c.load_id == load_id,
            candidate.c.line == 0,
            candidate.c.event_key == ranked.c.event_key,
            candidate.c.ordinal == ranked.c.rank,
        )
        held = select(literal(load_id), ranked.c.event_core, ranked.c.line, ranked.c.event_key, ranked.c.rank).where(
            ranked.c.place.is_(None), exists().where(is_recorded), ~_is_candidate(load_id, ranked)
        )
        if connection.execute(insert(candidate).from_select(names, held)).rowcount == 0:
            return True


def _has_linked(connection: Connection, rows: ColumnElement[bool], link: ColumnElement[bool]) -> bool:
    linked = select(staging.c.line).join_from(staging, response_event, link).where(rows)
    query = linked.order_by(staging.c.line).limit(1)
    return connection.execute(query).first() is not None


def _add_recorded(connection: Connection, load_id: str) -> None:
    """Write the recorded events that could be the rows which are candidates."""
    of_load = and_(candidate.c.load_id == load_id, candidate.c.line > 0)
    place = (response_event.c.event_key, response_event.c.ordinal)
    own = select(candidate.c.event_core, *place).join_from(candidate, response_event, _own(candidate)).where(of_load)
    found = union(own, *(_recorded_by(name, load_id, of_load) for name in _KEYS)).subquery("found")
    known = exists().where(
        candidate.c.load_id == load_id,
        candidate.c.event_core == found.c.event_core,
        candidate.c.line == 0,
        candidate.c.event_key == found.c.event_key,
        candidate.c.ordinal == found.c.ordinal,
    )
    fields = (literal(load_id), found.c.event_core, literal(0), found.c.event_key, found.c.ordinal)
    connection.execute(insert(candidate).from_select(list(candidate.c.keys()), select(*fields).where(~known)))


def _recorded_by(name: str, load_id: str, of_load: ColumnElement[bool]) -> Select[Any]:
    # Distinct first: equal rows have equal events, and each pair of them would be one too many.
    keys = (
        select(staging.c.event_core, staging.c[name])
        .join_from(candidate, staging, and_(staging.c.load_id == load_id, staging.c.line == candidate.c.line))
        .where(of_load)
        .distinct()
        .subquery(f"keys_{name}")
    )
    return select(keys.c.event_core, response_event.c.event_key, response_event.c.ordinal).join_from(
        keys, response_event, _by(name, keys)
    )


def _links(rows: Any) -> Iterator[ColumnElement[bool]]:  # noqa: ANN401 - a table or a subquery
    """The ways in which a recorded event can be a row; each by an index."""
    yield _own(rows)
    yield from (_by(name, rows) for name in _KEYS)


def _own(rows: Any) -> ColumnElement[bool]:  # noqa: ANN401
    return and_(response_event.c.event_key == rows.c.event_key, response_event.c.ordinal == rows.c.ordinal)


def _by(name: str, rows: Any) -> ColumnElement[bool]:  # noqa: ANN401
    # The second condition lets SQL Server use the index of the events that have this key.
    return and_(response_event.c[name] == rows.c[name], response_event.c[name].is_not(None))


type _Rows = dict[bytes, list[tuple[int, Place, Identity, bool]]]
type _Recorded = dict[bytes, dict[Place, Identity | None]]


def _pages(connection: Connection, load_id: str) -> Iterator[tuple[_Rows, _Recorded]]:
    """The candidates some thousand at a time: rows and recorded events, by type and time."""
    of_load = candidate.c.load_id == load_id
    sizes = select(candidate.c.event_core, func.count()).where(of_load).group_by(candidate.c.event_core)
    cores = [(core, size) for core, size in connection.execute(sizes.order_by(candidate.c.event_core)).all()]
    first, total = 0, 0
    for last, (_, size) in enumerate(cores):
        total += size
        if total >= _PAGE or last == len(cores) - 1:
            among = and_(of_load, candidate.c.event_core.between(cores[first][0], cores[last][0]))
            yield _rows_among(connection, among), _recorded_among(connection, among)
            first, total = last + 1, 0


def _rows_among(connection: Connection, among: ColumnElement[bool]) -> _Rows:
    query = _identified(
        staging,
        and_(staging.c.load_id == candidate.c.load_id, staging.c.line == candidate.c.line),
        candidate.c.line,
        staging.c.place,
    ).where(among, candidate.c.line > 0)
    rows: _Rows = {}
    for row in connection.execute(query).all():
        line = (row.line, (row.event_key, row.ordinal), _identity(row), row.place is not None)
        rows.setdefault(row.event_core, []).append(line)
    return rows


def _recorded_among(connection: Connection, among: ColumnElement[bool]) -> _Recorded:
    query = _identified(response_event, _own(candidate)).where(among, candidate.c.line == 0)
    recorded: _Recorded = {}
    for row in connection.execute(query).all():
        identity = _identity(row)
        is_known = any(key is not None for key in identity.recipient)
        recorded.setdefault(row.event_core, {})[row.event_key, row.ordinal] = identity if is_known else None
    return recorded


def _identified(source: Table, of_candidate: ColumnElement[bool], *more: ColumnElement[Any]) -> Select[Any]:
    """Candidates with what identifies them in a table."""
    names = (*_KEYS, "url_hash", "broadcast_id", "broadcast_key", "mailing_id")
    sent = cast(func.coalesce(broadcast.c.mailing_id, broadcast.c.campaign_id), String(64))
    return select(
        candidate.c.event_core,
        candidate.c.event_key,
        candidate.c.ordinal,
        *more,
        *(source.c[name] for name in names),
        broadcast.c.key.label("key_in_ledger"),
        sent.label("mailing_in_ledger"),
    ).select_from(candidate.join(source, of_candidate).outerjoin(broadcast, broadcast.c.id == source.c.broadcast_id))


def _identity(row: Row[Any]) -> Identity:
    is_stated = row.broadcast_key or row.mailing_id
    return Identity(
        by_communication_key=row.by_communication_key,
        by_urn=row.by_urn,
        by_email=row.by_email,
        url_hash=row.url_hash,
        broadcast_id=row.broadcast_id,
        # A broadcast that was inferred from the recipient says nothing of the one that a file states.
        broadcast_key=(row.broadcast_key or row.key_in_ledger) if is_stated else None,
        mailing_id=(row.mailing_id or row.mailing_in_ledger) if is_stated else None,
    )


def _is_candidate(load_id: str, rows: Any) -> ColumnElement[bool]:  # noqa: ANN401
    return exists().where(
        candidate.c.load_id == load_id, candidate.c.event_core == rows.c.event_core, candidate.c.line == rows.c.line
    )


def _number_again(connection: Connection, load_id: str, new: ColumnElement[bool]) -> None:
    """Give places without a gap to the new rows, and ordinals that no recorded event has."""
    last = (
        select(func.max(response_event.c.ordinal))
        .where(response_event.c.event_key == staging.c.event_key)
        .correlate(staging)
        .scalar_subquery()
    )
    rank = func.row_number().over(partition_by=staging.c.event_key, order_by=staging.c.line)
    place = func.row_number().over(order_by=staging.c.line)
    fresh = (
        select(staging.c.line, place.label("place"), (rank + func.coalesce(last, 0)).label("ordinal"))
        .where(new)
        .subquery("fresh")
    )
    connection.execute(
        update(staging)
        .where(staging.c.load_id == load_id, staging.c.line == fresh.c.line)
        .values(place=fresh.c.place, ordinal=fresh.c.ordinal)
    )


# What the rows add to the recorded events


def pairs(load_id: str) -> tuple[ColumnElement[bool], ...]:
    """Conditions that join the known rows of `response_staging` with their events in `response_event`."""
    return (
        candidate.c.load_id == load_id,
        candidate.c.line > 0,
        staging.c.load_id == load_id,
        staging.c.line == candidate.c.line,
        _own(candidate),
    )


def has_pairs(connection: Connection, load_id: str) -> bool:
    """Whether rows of the load were recognised as events that are recorded under other keys."""
    rows = select(candidate.c.line).where(candidate.c.load_id == load_id)
    return connection.execute(rows.order_by(candidate.c.line).limit(1)).first() is not None


def count_matched(connection: Connection, load_id: str) -> list[tuple[int, str, int]]:
    """How many events have a broadcast by these rows and had none before: broadcast id, message type, rows."""
    # Of an event without keys by recipient nobody knows whether it had one.
    had_none = (response_event.c.broadcast_id.is_(None), or_(*(response_event.c[name].is_not(None) for name in _KEYS)))
    query = (
        select(staging.c.broadcast_id, staging.c.message_type, func.count())
        .where(*pairs(load_id), *had_none, staging.c.broadcast_id.is_not(None))
        .group_by(staging.c.broadcast_id, staging.c.message_type)
    )
    return [(broadcast_id, kind, rows) for broadcast_id, kind, rows in connection.execute(query).all()]


def complete_events(connection: Connection, load_id: str) -> None:
    """Keep with the recorded events what their files did not state, and the known rows of this load do."""
    columns = (*_KEYS, "url_hash", "broadcast_id")
    texts = ("broadcast_key", "mailing_id")
    values: dict[str, ColumnElement[Any]] = {
        **{name: func.coalesce(response_event.c[name], staging.c[name]) for name in columns},
        **{name: func.coalesce(response_event.c[name], func.nullif(staging.c[name], "")) for name in texts},
        "stated": func.coalesce(response_event.c.stated, 0).op("|")(staging.c.stated),
    }
    connection.execute(update(response_event).where(*pairs(load_id)).values(values))
