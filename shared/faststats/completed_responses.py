"""What later files add to the rows of `Response` that are there, and correct in them."""

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Table, case, exists, func, select, update

from shared.ledger.responses.known import pairs
from shared.ledger.tables import response_event, unmatched_response
from shared.ledger.tables import response_staging as staging
from shared.response import Stated

#: Columns of `Response` that are completed, and their values.
_COLUMNS: Final[Mapping[Stated, tuple[str, ColumnElement[Any]]]] = {
    Stated.EMAIL: ("email", staging.c.email),
    Stated.URN: ("urn", staging.c.urn),
    Stated.COMMUNICATION_KEY: ("communication_key", staging.c.communication_key),
    Stated.DELIVERY_DATE: ("delivery_date", staging.c.delivery_wall),
    Stated.CLICK_DATE: ("click_date", staging.c.click_wall),
    Stated.CLICK_URL: ("click_url", staging.c.click_url),
}


def complete(connection: Connection, response: Table, load_id: str) -> None:
    """Write what the known rows of a load state, and no file stated before, to their rows of `Response`."""
    both = response_event.c.stated.op("&")(staging.c.stated)
    added = (staging.c.stated - both).label("added")
    query = select(added).where(*pairs(load_id), response_event.c.stated.is_not(None)).distinct()
    sums = connection.scalars(query).all()
    for flag, (name, value) in _COLUMNS.items():
        if name in response.c and any(flag & of_row for of_row in sums):
            its = (*pairs(load_id), response.c.id == response_event.c.response_id, added.op("&")(int(flag)) != 0)
            connection.execute(update(response).where(*its).values({name: value}))


def correct_types(connection: Connection, response: Table, load_id: str) -> list[tuple[int, str, int]]:
    """Write the message types of the known rows of a load where `Response` has others.

    Returns:
        What changes of the counts of responses: broadcast id, message type, rows more or less.
    """
    changed = (
        *pairs(load_id),
        response.c.id == response_event.c.response_id,
        response.c.message_type != staging.c.message_type,
    )
    waits = exists().where(unmatched_response.c.response_id == response.c.id)
    broadcast_id = func.coalesce(response_event.c.broadcast_id, staging.c.broadcast_id)
    rows = (
        select(
            case((waits, None), else_=broadcast_id).label("counted"),
            response.c.message_type.label("before"),
            staging.c.message_type.label("after"),
        )
        .where(*changed)
        .subquery("rows")
    )
    columns = (rows.c.counted, rows.c.before, rows.c.after)
    corrected = connection.execute(select(*columns, func.count()).group_by(*columns)).all()
    if corrected:
        connection.execute(update(response).where(*changed).values(message_type=staging.c.message_type))
    return [
        change
        for id_, before, after, number in corrected
        if id_ is not None
        for change in ((id_, str(before), -number), (id_, str(after), number))
    ]
