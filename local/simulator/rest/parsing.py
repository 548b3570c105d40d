"""Parses requests: IDs, choices, lists, forms, times. Malformed input is refused."""

import re
import sqlite3
from collections.abc import Collection, Mapping
from datetime import datetime

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from multidict import MultiDict, MultiMapping

_INT64 = 2**63
#: Times outside these years are refused.
_YEARS = range(2000, 2100)


class RefusedError(Exception):
    """The request is answered with an error.

    Args:
        status: status of the response.
        message: its text.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def integer_id(text: str, what: str, *, status: int = 400) -> int:
    """Parse an ID: a number that fits into 64 bits.

    Args:
        text: the text to parse.
        what: the parameter's name, for the error message.
        status: status of the response when the text is not an ID.
    """
    if not re.fullmatch(r"[0-9]{1,19}", text) or int(text) >= _INT64:
        raise RefusedError(status, f"{what} is not an ID")
    return int(text)


def get_row(
    connection: sqlite3.Connection, table: str, request: web.Request, name: str, *, missing: int
) -> sqlite3.Row:
    """Get the row of `table` whose ID is in the path.

    Args:
        connection: of the store.
        table: a table with a column `id`.
        request: the request.
        name: the path parameter that holds the ID.
        missing: status of the response when there is no such row.
    """
    row: sqlite3.Row | None = connection.execute(
        f"SELECT * FROM {table} WHERE id = ?",  # noqa: S608 - the names of tables, from the handlers
        (integer_id(request.match_info[name], name, status=missing),),
    ).fetchone()
    if row is None:
        raise RefusedError(missing, f"there is no {name} with this ID")
    return row


def choice(request: web.Request, name: str, values: Collection[str], default: str) -> str:
    """A query parameter with a fixed set of values."""
    value = request.query.get(name, default)
    if value not in values:
        raise RefusedError(400, f"{name} is not one of {', '.join(values)}")
    return value


def boolean(parameters: Mapping[str, str], name: str, *, default: bool) -> bool:
    """A parameter that is true or false."""
    value = parameters.get(name, str(default).lower())
    if value not in {"true", "false"}:
        raise RefusedError(400, f"{name} is neither true nor false")
    return value == "true"


def items(parameters: MultiMapping[str], name: str) -> list[str]:
    """An array parameter: comma-separated, or repeated."""
    return [value for text in parameters.getall(name, []) for value in text.split(",") if value]


async def form(request: web.Request) -> MultiMapping[str]:
    """The fields of a URL-encoded or multipart form. Files are ignored: no operation here takes one."""
    try:
        fields = await request.post()
    except (ValueError, AssertionError, LookupError, HttpProcessingError):
        raise RefusedError(400, "the form cannot be read") from None
    return MultiDict((name, value) for name, value in fields.items() if isinstance(value, str))


def timestamp(text: str, name: str) -> int:
    """Parse a time in ISO 8601 into seconds since 1970. ASSUMPTION: a time without offset is refused."""
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        raise RefusedError(400, f"{name} is not in ISO 8601") from None
    if parsed.tzinfo is None or parsed.year not in _YEARS:
        raise RefusedError(400, f"{name} has no offset or is out of range")
    return int(parsed.timestamp())
