"""Response files: read row by row into responses, every row accounted for.

Columns and date format are FERG's documented defaults (`apteco.md` 5.3), with the list field
`BroadcastKey` and the column `MailingId` beside them. Nothing is guessed: a row that does not fit is
rejected with a reason.
"""

import csv
import re
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

from shared.errors import ResponseFileLayout
from shared.rejects import RejectReason
from shared.response import Response

#: Longest value in characters; most bytes and lines that a quoted value may spread over.
_LONGEST_VALUE = 4000
_LONGEST_ROW = 1024 * 1024
_MOST_LINES = 100
_TYPE, _TIME = "messagetype", "eventtriggereddate"
#: Columns with a place of their own, as they are compared, and the field of `Response` they fill.
_TEXTS = {
    "email": "email",
    "urn": "urn",
    "communicationkey": "communication_key",
    "broadcastkey": "broadcast_key",
    "mailingid": "mailing_id",
    "clickurl": "click_url",
    _TYPE: "message_type",
}
_TIMES = {"deliverydate": "delivery_date", "clickdate": "click_date", _TIME: "event_time"}
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")
#: Parts of a date format as FERG writes it.
_PARTS = {"yyyy": r"(?P<Y>[0-9]{4})", "MM": r"(?P<M>[0-9]{2})", "dd": r"(?P<d>[0-9]{2})", "HH": r"(?P<H>[0-9]{2})"}
_PARTS |= {"mm": r"(?P<m>[0-9]{2})", "ss": r"(?P<s>[0-9]{2})"}


@dataclass(frozen=True, slots=True)
class ResponseLayout:
    """How response files are written."""

    delimiter: str
    #: Python's name of the encoding.
    encoding: str
    #: As FERG writes it, e.g. `dd.MM.yyyy HH:mm`.
    date_format: str
    #: Zone of the local times.
    time_zone: str


class _RowError(Exception):
    def __init__(self, reason: RejectReason) -> None:
        self.reason = reason


class ResponseReader:
    """Reads one response file.

    Iterating gives the good rows as `(line number, Response)`. When it is through,
    `rows_read == rows_good + rejects.total()`.

    Args:
        chunks: its bytes, in pieces of any size.
        layout: how it is written.
        name: for errors.
    """

    def __init__(self, chunks: Iterable[bytes], layout: ResponseLayout, *, name: str) -> None:
        self._lines = _lines(chunks)
        self._layout = layout
        self._name = name
        self._moment = date_reader(layout.date_format, layout.time_zone)
        #: Data rows so far, good ones among them, and the others by reason.
        self.rows_read = 0
        self.rows_good = 0
        self.rejects: Counter[RejectReason] = Counter()

    def __iter__(self) -> Iterator[tuple[int, Response]]:
        """The good rows.

        Raises:
            ResponseFileLayout: there is no header, or it lacks what every response needs.
        """
        columns = self._header()
        for number, raw in self._records():
            if not raw.strip():
                continue
            self.rows_read += 1
            try:
                response = self._response(raw, columns)
            except _RowError as error:
                self.rejects[error.reason] += 1
            else:
                self.rows_good += 1
                yield number, response

    def _header(self) -> list[str]:
        _number, raw = next(self._records(), (0, b""))
        try:
            names = self._cells(raw)
        except _RowError:
            names = []
        columns = [re.sub(r"[\s_]", "", name).casefold() for name in names]
        for wanted, shown in ((_TYPE, "MessageType"), (_TIME, "EventTriggeredDate")):
            if wanted not in columns:
                raise ResponseFileLayout(file=self._name, reason=f"its header has no column {shown}")
        self._names = names
        return columns

    def _records(self) -> Iterator[tuple[int, bytes]]:
        """Rows with the number of their first line; a quoted value can spread over several lines."""
        ahead = deque[tuple[int, bytes]]()  # lines that a quote seemed to claim, and did not
        while (first := ahead.popleft() if ahead else next(self._lines, None)) is not None:
            number, line = first
            if line.count(b'"') % 2 == 0:
                yield number, line
                continue
            # A line that opens a quote and has none that closes it is broken alone: the lines after it are
            # rows of their own, and must not be lost with it.
            more = self._until_closed(len(line), ahead)
            yield number, line + b"".join(ahead.popleft()[1] for _ in range(more))

    def _until_closed(self, size: int, ahead: deque[tuple[int, bytes]]) -> int:
        """How many lines more an open quote takes; 0 when nothing within reach closes it."""
        for position in range(_MOST_LINES - 1):
            if position == len(ahead):
                following = next(self._lines, None)
                if following is None:
                    return 0
                ahead.append(following)
            line = ahead[position][1]
            size += len(line)
            if size > _LONGEST_ROW:
                return 0
            if line.count(b'"') % 2:
                return position + 1
        return 0

    def _response(self, raw: bytes, columns: list[str]) -> Response:
        cells = self._cells(raw)
        if len(cells) != len(columns):
            raise _RowError(RejectReason.WRONG_FIELD_COUNT)
        values: dict[str, str] = {}
        times: dict[str, datetime] = {}
        details: dict[str, str] = {}
        for column, name, cell in zip(columns, self._names, cells, strict=True):
            if column in _TEXTS:
                values[_TEXTS[column]] = cell
            elif column in _TIMES:
                if cell:
                    times[_TIMES[column]] = self._moment(cell)
            elif cell:
                details[name] = cell
        if "event_time" not in times:
            raise _RowError(RejectReason.DATE_INVALID)
        if not values["message_type"]:
            raise _RowError(RejectReason.TYPE_MISSING)
        response = Response(
            message_type=values.pop("message_type"),
            event_time=times.pop("event_time"),
            delivery_date=times.get("delivery_date"),
            click_date=times.get("click_date"),
            details=details,
            **values,
        )
        if not response.recipient_key:
            raise _RowError(RejectReason.RECIPIENT_MISSING)
        return response

    def _cells(self, raw: bytes) -> list[str]:
        if len(raw) > _LONGEST_ROW:
            raise _RowError(RejectReason.VALUE_TOO_LONG)
        if raw.count(b'"') % 2:
            raise _RowError(RejectReason.BROKEN_QUOTE)
        try:
            text = raw.decode(self._layout.encoding)
        except UnicodeDecodeError:
            raise _RowError(RejectReason.NOT_TEXT) from None
        if _CONTROL.search(text):
            raise _RowError(RejectReason.CONTROL_CHARACTER)
        try:
            cells = next(csv.reader([text.rstrip("\r\n")], delimiter=self._layout.delimiter, strict=True), [])
        except csv.Error:
            raise _RowError(RejectReason.BROKEN_QUOTE) from None
        if any(len(cell) > _LONGEST_VALUE for cell in cells):
            raise _RowError(RejectReason.VALUE_TOO_LONG)
        return [cell.strip() for cell in cells]


def date_reader(date_format: str, time_zone: str) -> Callable[[str], datetime]:
    """What reads a local time in this format, as UTC.

    A local time that exists twice (the clock was put back) is taken as the first; one that does not exist
    (the clock was put forward) is moved on by the hour that was left out, as PEP 495 has it for fold=0.

    Args:
        date_format: of the parts `yyyy MM dd HH mm ss`, in any order, with anything in between.
        time_zone: zone of the local times.
    """
    pattern = re.compile(
        re.sub(r"yyyy|MM|dd|HH|mm|ss", lambda part: _PARTS[part[0]], re.escape(date_format).replace(r"\ ", " "))
    )
    zone = ZoneInfo(time_zone)

    @lru_cache(maxsize=65536)  # the events of a file crowd in few minutes, and a zone is slow to ask
    def read(text: str) -> datetime:
        found = pattern.fullmatch(text)
        if found is None:
            raise _RowError(RejectReason.DATE_INVALID)
        part = {name: int(value) for name, value in found.groupdict().items()}
        try:
            local = datetime(
                part["Y"], part["M"], part["d"], part.get("H", 0), part.get("m", 0), part.get("s", 0), tzinfo=zone
            )
            return local.astimezone(UTC)
        except (ValueError, OverflowError):
            raise _RowError(RejectReason.DATE_INVALID) from None

    return read


def _lines(chunks: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
    """Lines with their numbers; of a line beyond every length only the beginning is kept."""
    rest, number = b"", 0
    for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            number += 1
            yield number, line + b"\n"
        if len(rest) > _LONGEST_ROW:
            rest = rest[: _LONGEST_ROW + 1]
    if rest:
        yield number + 1, rest
