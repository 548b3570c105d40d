"""How responses find their broadcast: four ways, each one statement over all rows (docs/reference/responses.md).

The rows are those of a table with the columns `broadcast_key`, `mailing_id`, `communication_key_hash`, `urn_hash`,
`event_time`, `delivery_date` and `broadcast_id`, which is set where exactly one broadcast is found. Only broadcasts
that are in RS_DB are looked at. Nothing is guessed.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    FunctionElement,
    String,
    Subquery,
    Table,
    Update,
    and_,
    cast,
    func,
    or_,
    select,
    update,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler

from shared.broadcast import State
from shared.database.types import UtcDateTime
from shared.ledger.effects import Kind
from shared.ledger.tables import broadcast, effect, history, recipient

#: Maximum difference between a time of Optimizely and ours: its clock, and truncated minutes.
_MINUTES: Final = 5

#: Sets `broadcast_id` of the rows of a table that meet a condition and have none.
type Matcher = Callable[[Table, ColumnElement[bool]], Update]


def match(
    connection: Connection, rows: Table, scope: ColumnElement[bool], matchers: "Sequence[Matcher] | None" = None
) -> int:
    """Match rows to their broadcasts, within the caller's transaction.

    Args:
        connection: the transaction.
        rows: their table.
        scope: which of its rows.
        matchers: the matchers to use, in this order; all by default.

    Returns:
        How many rows match.
    """
    left = connection.scalar(select(func.count()).select_from(rows).where(scope, rows.c.broadcast_id.is_(None))) or 0
    found = 0
    for matcher in MATCHERS if matchers is None else matchers:
        if found == left:
            break
        found += connection.execute(matcher(rows, scope)).rowcount
    return found


def by_broadcast_key(rows: Table, scope: ColumnElement[bool]) -> Update:
    """By the key that the list carried."""
    return (
        update(rows)
        .where(
            scope,
            rows.c.broadcast_id.is_(None),
            broadcast.c.key == rows.c.broadcast_key,
            broadcast.c.rs_broadcast_id.is_not(None),
        )
        .values(broadcast_id=broadcast.c.id)
    )


def by_mailing(rows: Table, scope: ColumnElement[bool]) -> Update:
    """By the mailing, or by the Smart Campaign where that holds several (a split): the id of the `Delivered` row."""
    mailing = cast(func.coalesce(broadcast.c.mailing_id, broadcast.c.campaign_id), String(64))
    sent = (
        select(mailing.label("mailing_id"), func.min(broadcast.c.id).label("broadcast_id"))
        .where(broadcast.c.rs_broadcast_id.is_not(None), mailing.is_not(None))
        .group_by(mailing)
        .having(func.count() == 1)
        .subquery("sent")
    )
    return (
        update(rows)
        .where(scope, rows.c.broadcast_id.is_(None), rows.c.mailing_id == sent.c.mailing_id)
        .values(broadcast_id=sent.c.broadcast_id)
    )


def by_communication_key(rows: Table, scope: ColumnElement[bool]) -> Update:
    """By the Communication Key, which FastStats gives to one recipient of one delivery."""
    return _by_recipient(
        rows,
        scope,
        and_(
            recipient.c.communication_key_hash == rows.c.communication_key_hash,
            recipient.c.broadcast_id == broadcast.c.id,
            broadcast.c.rs_broadcast_id.is_not(None),
        ),
        broadcast.c.id,
    )


def by_urn(rows: Table, scope: ColumnElement[bool]) -> Update:
    """By the URN, among the broadcasts that went to it and had begun to be sent before the event.

    Where the delivery date is known, among those whose sending covers it. A row that names the key of a broadcast which
    is not known is left alone: it is another's.
    """
    sending = _sendings()
    moment = func.coalesce(rows.c.delivery_date, rows.c.event_time)
    return _by_recipient(
        rows,
        scope,
        and_(
            rows.c.broadcast_key == "",
            recipient.c.urn_hash == rows.c.urn_hash,
            recipient.c.broadcast_id == sending.c.broadcast_id,
            moment >= sending.c.begun_at,
            or_(sending.c.send_at.is_(None), moment >= sending.c.send_at),
            or_(
                rows.c.delivery_date.is_(None),
                sending.c.ended_at.is_(None),
                rows.c.delivery_date <= sending.c.ended_at,
            ),
        ),
        sending.c.broadcast_id,
    )


#: Every matcher, in the order in which they are used.
MATCHERS: Final[tuple[Matcher, ...]] = (by_broadcast_key, by_mailing, by_communication_key, by_urn)


def _by_recipient(
    rows: Table, scope: ColumnElement[bool], fits: ColumnElement[bool], broadcast_id: ColumnElement[Any]
) -> Update:
    keys = list(rows.primary_key.columns)
    found = (
        select(*keys, func.min(broadcast_id).label("found"))
        .where(scope, rows.c.broadcast_id.is_(None), fits)
        .group_by(*keys)
        .having(func.min(broadcast_id) == func.max(broadcast_id))
        .subquery("found")
    )
    return update(rows).where(*(key == found.c[key.key] for key in keys)).values(broadcast_id=found.c.found)


def _sendings() -> Subquery:
    """When the broadcasts whose message may have reached somebody were sent: at the earliest, and at the latest.

    The start is intended before it takes effect; that Optimizely has sent everything is seen afterwards.
    """
    seen = (
        select(history.c.broadcast_id, func.max(history.c.at).label("sent_at"))
        .where(history.c.to_state == State.SENT)
        .group_by(history.c.broadcast_id)
        .subquery("seen")
    )
    return (
        select(
            broadcast.c.id.label("broadcast_id"),
            _ShiftedTime(effect.c.intended_at, minutes=-_MINUTES).label("begun_at"),
            _ShiftedTime(broadcast.c.send_at, minutes=-_MINUTES).label("send_at"),
            _ShiftedTime(seen.c.sent_at, minutes=_MINUTES).label("ended_at"),
        )
        .select_from(
            broadcast.join(
                effect, and_(effect.c.broadcast_id == broadcast.c.id, effect.c.kind == Kind.START)
            ).outerjoin(seen, seen.c.broadcast_id == broadcast.c.id)
        )
        .where(broadcast.c.rs_broadcast_id.is_not(None), broadcast.c.state.not_in((State.FAILED, State.CANCELLED)))
        .subquery("sending")
    )


class _ShiftedTime(FunctionElement[Any]):
    """A time of the ledger some minutes later, or earlier; the two databases write it differently."""

    type = UtcDateTime()
    inherit_cache = False

    def __init__(self, time: ColumnElement[Any], *, minutes: int) -> None:
        super().__init__(time)
        self.minutes = minutes


@compiles(_ShiftedTime)
def _in_sqlite(element: _ShiftedTime, compiler: SQLCompiler, **how: Any) -> str:  # noqa: ANN401 - theirs
    # With as many digits as the times have with which it is compared, as texts.
    return f"strftime('%Y-%m-%d %H:%M:%f000', {compiler.process(element.clauses, **how)}, '{element.minutes} minutes')"


@compiles(_ShiftedTime, "mssql")
def _in_sql_server(element: _ShiftedTime, compiler: SQLCompiler, **how: Any) -> str:  # noqa: ANN401 - theirs
    return f"DATEADD(minute, {element.minutes}, {compiler.process(element.clauses, **how)})"
