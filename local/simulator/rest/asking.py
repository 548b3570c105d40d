"""What a request asks for: IDs, pages, sorting, values of forms. What cannot be understood is refused."""

import re
import sqlite3
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from multidict import MultiDict, MultiMapping

_DEFAULT_LIMIT, _LIMIT = 100, 9999
_INT32, _INT64 = 2**31, 2**63
#: Later moments than these are not played.
_YEARS = range(2000, 2100)


class RefusedError(Exception):
    """The request is answered with an error.

    Args:
        status: status of the answer.
        message: its text.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def number(text: str, what: str, *, status: int = 400) -> int:
    """A number that fits into 64 bits.

    Args:
        text: what was given.
        what: what it stands for, for the error's text.
        status: status of the answer when it is none.
    """
    if not re.fullmatch(r"[0-9]{1,19}", text) or int(text) >= _INT64:
        raise RefusedError(status, f"{what} is not an ID")
    return int(text)


def one(connection: sqlite3.Connection, table: str, request: web.Request, name: str, *, missing: int) -> sqlite3.Row:
    """The row of `table` that the path names.

    Args:
        connection: of the store.
        table: a table with a column `id`.
        request: the request.
        name: the part of the path that holds the ID.
        missing: status of the answer when there is none.
    """
    found: sqlite3.Row | None = connection.execute(
        f"SELECT * FROM {table} WHERE id = ?",  # noqa: S608 - the names of tables, from the handlers
        (number(request.match_info[name], name, status=missing),),
    ).fetchone()
    if found is None:
        raise RefusedError(missing, f"there is no {name} with this ID")
    return found


def choice(request: web.Request, name: str, values: Collection[str], default: str) -> str:
    """A query parameter that is one of these values."""
    value = request.query.get(name, default)
    if value not in values:
        raise RefusedError(400, f"{name} is none of {', '.join(values)}")
    return value


def truth(given: Mapping[str, str], name: str, *, default: bool) -> bool:
    """A parameter that is true or false."""
    value = given.get(name, str(default).lower())
    if value not in {"true", "false"}:
        raise RefusedError(400, f"{name} is neither true nor false")
    return value == "true"


def values(given: MultiMapping[str], name: str) -> list[str]:
    """A parameter that is an array: comma-separated, or given several times."""
    return [value for text in given.getall(name, []) for value in text.split(",") if value]


async def form(request: web.Request) -> MultiMapping[str]:
    """The fields of a form, of one or several parts. Files are left out: no operation here takes one."""
    try:
        given = await request.post()
    except (ValueError, AssertionError, LookupError, HttpProcessingError):
        raise RefusedError(400, "the form cannot be read") from None
    return MultiDict((name, value) for name, value in given.items() if isinstance(value, str))


def moment(text: str, name: str) -> int:
    """A point in time in ISO 8601, in seconds since 1970. ASSUMPTION: one without offset is refused."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise RefusedError(400, f"{name} is not in ISO 8601") from None
    if found.tzinfo is None or found.year not in _YEARS:
        raise RefusedError(400, f"{name} has no offset, or is too far away")
    return int(found.timestamp())


def page(
    request: web.Request,
    connection: sqlite3.Connection,
    query: str,
    parameters: Sequence[object],
    shape: Callable[[sqlite3.Row], Mapping[str, Any]],
    *,
    largest: int = _LIMIT,
    offsets: bool = True,
) -> web.Response:
    """A page of a collection, with a link to the next.

    Args:
        request: its query says where the page begins and how long it is.
        connection: of the store.
        query: SQL that selects and sorts the whole collection.
        parameters: of `query`.
        shape: makes an element of a row.
        largest: longest page.
        offsets: whether the operation has pages; else what is beyond the first cannot be had.
    """
    offset = _part(request, "offset", 0) if offsets else 0
    limit = _part(request, "limit", _DEFAULT_LIMIT)
    if not 0 < limit <= largest:
        raise RefusedError(400, f"Invalid limit request. Change the limit to less than {largest + 1}.")
    rows = connection.execute(f"{query} LIMIT ? OFFSET ?", (*parameters, limit + 1, offset)).fetchall()
    links = []
    if offsets and len(rows) > limit:
        following = request.url.update_query(offset=str(offset + limit), limit=str(limit))
        links.append({"rel": "next", "href": str(following)})
    elements = [shape(row) for row in rows[:limit]]
    return web.json_response(
        {"elements": elements, "links": links, "count": len(elements), "offset": offset, "limit": limit}
    )


def _part(request: web.Request, name: str, default: int) -> int:
    text = request.query.get(name, str(default))
    if not re.fullmatch(r"[0-9]{1,10}", text) or int(text) >= _INT32:
        raise RefusedError(400, f"{name} is not a number that is possible")
    return int(text)
