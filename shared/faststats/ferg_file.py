"""Files of responses that an existing FERG installation reads (docs/why/sources.md, Apteco 5.3 and 5.4).

Columns and the prefix of the name are FERG's documented defaults for Optimizely. Delimiter, encloser and date format
are FERG's parameters of these names. `MailingId` follows for its parameter SENDIDCOLUMNNAME, then the details for which
`Response` has no column. Times are those of RS_DB's server, for which FERG needs no DATEOFFSET.
"""

import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from itertools import batched
from typing import Any, Final
from zoneinfo import ZoneInfo

from pydantic import ValidationError
from sqlalchemy import Row

from shared.config.response_layouts import DATE_PART, DATE_PARTS, ResponseField, ResponseLayout
from shared.config.validation import problems
from shared.errors import SettingsInvalid

#: FERG's documented columns, then the one with the value that it looks up in `BroadcasterTransactionId`.
_COLUMNS: Final = (
    ResponseField.EMAIL,
    ResponseField.URN,
    ResponseField.COMMUNICATION_KEY,
    ResponseField.MESSAGE_TYPE,
    ResponseField.DELIVERY_DATE,
    ResponseField.CLICK_URL,
    ResponseField.CLICK_DATE,
    ResponseField.EVENT_TIME,
    ResponseField.MAILING_ID,
)
_DIRECTIVES: Final = dict(zip(DATE_PARTS, ("%Y", "%m", "%d", "%H", "%M", "%S"), strict=True))
_LINE_BREAKS: Final = re.compile(r"[\r\n]+")
#: Rows encoded at a time.
_ROWS: Final = 1000


class FergFiles:
    """The files of one FERG installation.

    Args:
        deliver: writes a file, by name and content, where its parameter FTPURL looks, and replaces one of this name.
        delimiter: its parameter DELIMITER.
        encloser: its parameter ENCLOSER.
        date_format: its parameter DATEFORMAT.
        zone: the time zone of local times.

    Raises:
        SettingsInvalid: the parameters cannot be used.
    """

    def __init__(
        self,
        deliver: Callable[[str, Iterable[bytes]], None],
        *,
        delimiter: str,
        encloser: str,
        date_format: str,
        zone: str,
    ) -> None:
        self._deliver = deliver
        try:
            self._layout = ResponseLayout.model_validate(
                {"DELIMITER": delimiter, "ENCLOSER": encloser, "DATEFORMAT": date_format, "LOCALTIMEZONE": zone}
            )
        except ValidationError as error:
            reason = f"FERG_DELIMITER, FERG_ENCLOSER or FERG_DATE_FORMAT: {problems(error)}"
            raise SettingsInvalid(reason=reason) from None
        self._date = _date_writer(self._layout.date_formats[0], ZoneInfo(zone))

    def deliver(self, name: str, columns: Sequence[str], rows: Iterable[Row[Any]]) -> None:
        """Write a file of staged responses; `columns` are the names of the details that get columns."""
        self._deliver(name, self._chunks(columns, rows))

    def _chunks(self, columns: Sequence[str], rows: Iterable[Row[Any]]) -> Iterator[bytes]:
        yield self._encoded([[*_COLUMNS, *columns]])
        for chunk in batched(rows, _ROWS, strict=False):
            yield self._encoded(self._cells(row, columns) for row in chunk)

    def _cells(self, row: Row[Any], columns: Sequence[str]) -> list[str]:
        details = json.loads(row.details)
        return [
            row.email,
            row.urn,
            row.communication_key,
            row.message_type,
            self._date(row.delivery_date),
            row.click_url,
            self._date(row.click_date),
            self._date(row.event_time),
            row.mailing_id if row.sent_id is None else str(row.sent_id),
            *(details.get(column, "") for column in columns),
        ]

    def _encoded(self, lines: Iterable[Iterable[str]]) -> bytes:
        delimiter, quote = self._layout.delimiter, self._layout.quote
        text = io.StringIO(newline="")
        if quote:
            writer = csv.writer(text, delimiter=delimiter, quotechar=quote, quoting=csv.QUOTE_ALL)
            writer.writerows([_LINE_BREAKS.sub(" ", cell) for cell in line] for line in lines)
        else:
            # Without quotes a value cannot hold the delimiter: a space replaces it.
            for line in lines:
                cells = (_LINE_BREAKS.sub(" ", cell).replace(delimiter, " ") for cell in line)
                text.write(delimiter.join(cells) + "\r\n")
        return text.getvalue().encode()


def _date_writer(date_format: str, zone: ZoneInfo) -> Callable[[datetime | None], str]:
    if "yyyy" not in date_format:
        reason = "FERG_DATE_FORMAT: only local times can be written, such as dd.MM.yyyy HH:mm:ss"
        raise SettingsInvalid(reason=reason)
    directives = DATE_PART.sub(lambda part: _DIRECTIVES[part[0]], date_format.replace("%", "%%"))
    return lambda time: "" if time is None else time.astimezone(zone).strftime(directives)
