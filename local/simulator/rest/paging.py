"""Pages of collections."""

import re
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from aiohttp import web

from local.simulator.rest.parsing import RefusedError

_DEFAULT_LIMIT, _LIMIT = 100, 9999
_INT32 = 2**31


def page(
    request: web.Request,
    connection: sqlite3.Connection,
    query: str,
    parameters: Sequence[object],
    serialise: Callable[[sqlite3.Row], Mapping[str, Any]],
    *,
    largest: int = _LIMIT,
    offsets: bool = True,
) -> web.Response:
    """A page of a collection, with a link to the next one.

    Args:
        request: its query has the offset and the limit.
        connection: of the store.
        query: SQL that selects and sorts the entire collection.
        parameters: of `query`.
        serialise: turns a row into an element.
        largest: the highest limit.
        offsets: whether the operation has an offset; without one only the first page can be read.
    """
    offset = _parse_int32(request, "offset", 0) if offsets else 0
    limit = _parse_int32(request, "limit", _DEFAULT_LIMIT)
    if not 0 < limit <= largest:
        raise RefusedError(400, f"Invalid limit request. Change the limit to less than {largest + 1}.")
    rows = connection.execute(f"{query} LIMIT ? OFFSET ?", (*parameters, limit + 1, offset)).fetchall()
    links = []
    if offsets and len(rows) > limit:
        following = request.url.update_query(offset=str(offset + limit), limit=str(limit))
        links.append({"rel": "next", "href": str(following)})
    elements = [serialise(row) for row in rows[:limit]]
    return web.json_response(
        {"elements": elements, "links": links, "count": len(elements), "offset": offset, "limit": limit}
    )


def _parse_int32(request: web.Request, name: str, default: int) -> int:
    text = request.query.get(name, str(default))
    if not re.fullmatch(r"[0-9]{1,10}", text) or int(text) >= _INT32:
        raise RefusedError(400, f"{name} is not a valid number")
    return int(text)
