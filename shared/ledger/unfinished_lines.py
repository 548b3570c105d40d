"""Files whose last line had no end: a layout or channel that often has them needs another setting."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import func, select

from shared.database.connections import Database
from shared.ledger.tables import broadcast, reject_count, response_file
from shared.rejects import RejectReason


def count_unfinished(database: Database, *, since: datetime) -> tuple[Mapping[str, int], Mapping[str, int]]:
    """How many response files by layout, and delivery files by channel, have a last line without end.

    Raises:
        DatabaseUnavailable: the ledger could not be read.
    """
    is_unfinished = reject_count.c.reason == RejectReason.LINE_UNFINISHED
    by_layout = (
        select(response_file.c.layout, func.count())
        .join(reject_count, reject_count.c.response_file_id == response_file.c.id)
        .where(is_unfinished, response_file.c.gathered_at >= since, response_file.c.layout.is_not(None))
        .group_by(response_file.c.layout)
        .order_by(response_file.c.layout)
    )
    by_channel = (
        select(broadcast.c.channel, func.count())
        .join(reject_count, reject_count.c.broadcast_id == broadcast.c.id)
        .where(is_unfinished, broadcast.c.changed_at >= since)
        .group_by(broadcast.c.channel)
        .order_by(broadcast.c.channel)
    )
    with database.reading() as connection:
        layouts = {layout: count for layout, count in connection.execute(by_layout)}  # noqa: C416 - rows are no pairs
        channels = {channel: count for channel, count in connection.execute(by_channel)}  # noqa: C416
    return layouts, channels
