"""Files whose last line had no end: their rejects are withdrawn, or their layout or channel needs another setting."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Connection, delete, func, select

from shared.database.connections import Database
from shared.errors import BridgeError
from shared.ledger.responses.files import record_change
from shared.ledger.tables import broadcast, reject_count, response_file
from shared.rejects import RejectReason
from shared.response_file import ResponseFile

#: The reject of such a line.
_UNFINISHED = reject_count.c.reason == RejectReason.LINE_UNFINISHED


def find_unfinished(database: Database, name: str) -> list[int]:
    """The numbers of the response files of this name whose last line has no end, in their order."""
    files = response_file.join(reject_count, reject_count.c.response_file_id == response_file.c.id)
    query = select(response_file.c.id).select_from(files).where(response_file.c.name == name, _UNFINISHED)
    with database.reading() as connection:
        return list(connection.scalars(query.order_by(response_file.c.id)))


def get_rejects(database: Database, file: ResponseFile) -> dict[RejectReason, int]:
    """The rejected rows of a response file, by reason."""
    query = select(reject_count.c.reason, reject_count.c.rows).where(reject_count.c.response_file_id == file.id)
    with database.reading() as connection:
        return {RejectReason(row.reason): row.rows for row in connection.execute(query)}


def withdraw_reject(
    connection: Connection,
    file: ResponseFile,
    *,
    note: str,
    owner: str,
    now: datetime,
    refused: BridgeError | None,
) -> ResponseFile:
    """Withdraw the reject of a last line without end: its row is that of another file.

    Args:
        connection: the transaction that loads the other file.
        file: the loaded file with the reject.
        note: what its history says.
        owner: who withdraws it.
        now: the time.
        refused: the error that the file is still marked with, if it has other rejected rows.

    Raises:
        LeaseLost: somebody else changed the file; roll back.
    """
    connection.execute(delete(reject_count).where(reject_count.c.response_file_id == file.id, _UNFINISHED))
    columns = {
        "rows_read": response_file.c.rows_read - 1,
        "rows_rejected": response_file.c.rows_rejected - 1,
        "error_code": refused.code if refused else None,
        "error": refused.sentence[:2000] if refused else None,
    }
    return record_change(connection, file, note, owner=owner, now=now, columns=columns)


def count_unfinished(database: Database, *, since: datetime) -> tuple[Mapping[str, int], Mapping[str, int]]:
    """How many response files by layout, and delivery files by channel, have a last line without end.

    Raises:
        DatabaseUnavailable: the ledger could not be read.
    """
    by_layout = (
        select(response_file.c.layout, func.count())
        .join(reject_count, reject_count.c.response_file_id == response_file.c.id)
        .where(_UNFINISHED, response_file.c.gathered_at >= since, response_file.c.layout.is_not(None))
        .group_by(response_file.c.layout)
        .order_by(response_file.c.layout)
    )
    by_channel = (
        select(broadcast.c.channel, func.count())
        .join(reject_count, reject_count.c.broadcast_id == broadcast.c.id)
        .where(_UNFINISHED, broadcast.c.changed_at >= since)
        .group_by(broadcast.c.channel)
        .order_by(broadcast.c.channel)
    )
    with database.reading() as connection:
        layouts = {layout: count for layout, count in connection.execute(by_layout)}  # noqa: C416 - rows are no pairs
        channels = {channel: count for channel, count in connection.execute(by_channel)}  # noqa: C416
    return layouts, channels
