"""The response file: one event of one recipient a row. Every row is accounted for.

Columns and date format are the documented defaults of FERG for Optimizely (section 5.3 of the Apteco reference), with
the list field `BroadcastKey` and the column `MailingId` beside them. ASSUMPTION, as the vendor publishes none of it:
delimiter, encoding, `"` as quote, a header row, local times without a zone (sections 3.3 and 3.4 of the Optimizely
reference). Nothing is guessed: a row that does not fit is refused with a reason. A file is read a piece at a time.
"""

import codecs
import csv
import operator
import re
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from shared.errors import ResponseFileLayout, SettingsInvalid
from shared.rejects import LONGEST_COMMUNICATION_KEY, LONGEST_URN, LONGEST_VALUE, RejectReason
from shared.response import MessageType, Response

#: Bytes decoded at a time.
_PIECE: Final = 256 * 1024
#: Longest line, and longest row of several lines, in characters. Below the 131,072 of `csv.field_size_limit`, which is
#: one for the whole process and so is left alone.
_LONGEST_ROW: Final = 64 * 1024
#: Longest name of a detail: `ResponseDetails` has no room for more.
_LONGEST_NAME: Final = 255

#: Columns that `Response` has a place for, in the order in which a row is picked to pieces.
_COLUMNS: Final = (
    "Email",
    "Urn",
    "CommunicationKey",
    "BroadcastKey",
    "MailingId",
    "MessageType",
    "ClickUrl",
    "EventTriggeredDate",
    "DeliveryDate",
    "ClickDate",
)
#: Most characters of them: the ledger and `Response` have no room for more.
_LONGEST_EMAIL, _LONGEST_TYPE, _LONGEST_URL = 320, 50, 2000
_NEEDED: Final = ("MessageType", "EventTriggeredDate")
_RECIPIENT: Final = ("CommunicationKey", "Urn", "Email")
#: The known types whatever their case; others are kept as they come.
_TYPES: Final = {known.casefold(): known.value for known in MessageType}

#: C0, DEL and C1, but for tab and line feed, and what stands for bytes that could not be decoded.
_UNDECODED: Final = re.compile(r"[\ud800-\udfff]")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
#: Parts of a date format as FERG writes it, the greatest first.
_DATE_PARTS: Final = ("yyyy", "MM", "dd", "HH", "mm", "ss")
_DATE_PART: Final = re.compile("(yyyy|MM|dd|HH|mm|ss|[A-Za-z])")
#: A date, a minute, a second: how many of the parts a format may have.
_DATE_LENGTHS: Final = (3, 5, 6)
#: Years in which an event can happen; for others a column of RS_DB or a step to another zone may have no room.
_YEARS: Final = range(1970, 2100)
#: Moments that are remembered: those of some days, minute by minute.
_MOMENTS: Final = 16_384


@dataclass(frozen=True, slots=True)
class ResponseLayout:
    """How response files are written: agreed with Optimizely support, given by the settings `RESPONSE_…`.

    Raises:
        SettingsInvalid: the date format has other parts than `yyyy MM dd HH mm ss`, or lacks one.
    """

    delimiter: str
    #: Python's name of the encoding.
    encoding: str
    #: As FERG writes it, for example `dd.MM.yyyy HH:mm`.
    date_format: str
    #: Zone of the local times.
    time_zone: str

    def __post_init__(self) -> None:
        date_reader(self.date_format, self.time_zone)


class _Refused(Exception):
    """A row is refused. Never leaves this module."""

    def __init__(self, reason: RejectReason) -> None:
        super().__init__(reason)
        self.reason = reason


class ResponseReader:
    """A response file being read: the header at once, then the rows, once.

    Iterating gives the good rows as `(line, Response)`; `rows` gives the refused ones too. A row begins at `line`, the
    header is line 1. Afterwards `rows_read == rows_good + rejects.total()`.

    Args:
        chunks: the file in pieces of any size.
        layout: how it is written.
        name: its name, for errors.

    Attributes:
        rows_read: rows so far. Blank lines at the very end are none.
        rows_good: good ones among them.
        rejects: the others by reason.

    Raises:
        ResponseFileLayout: there is no header, or it lacks what every response needs.
    """

    def __init__(self, chunks: Iterable[bytes], layout: ResponseLayout, *, name: str) -> None:
        self._delimiter = layout.delimiter
        self._encoding = layout.encoding
        self._name = name
        self._width = 0
        self._moment = date_reader(layout.date_format, layout.time_zone)
        self.rows_read = 0
        self.rows_good = 0
        self.rejects: Counter[RejectReason] = Counter()
        self._lines = self._read_lines(chunks)
        #: Lines that were looked at to see whether they belong to an earlier row, and do not.
        self._ahead: deque[tuple[int, str | RejectReason]] = deque()
        self._read_header()

    def __iter__(self) -> Iterator[tuple[int, Response]]:
        """The good rows; raises what `rows` raises."""
        for line, row in self.rows():
            if isinstance(row, Response):
                yield line, row

    def rows(self) -> Iterator[tuple[int, Response | RejectReason]]:
        """Every row: the line it begins at, and the response or why there is none.

        Raises:
            ResponseFileLayout: the file is not text, in an encoding that does not allow to leave out a row.
        """
        blank = 0
        while (following := self._next_line()) is not None:
            number, line = following
            if line == "":
                blank += 1
                continue
            for earlier in range(number - blank, number):
                yield earlier, self._refuse(RejectReason.WRONG_FIELD_COUNT)
            blank = 0
            try:
                response = self._response(self._cells(line))
            except _Refused as refused:
                yield number, self._refuse(refused.reason)
            else:
                self.rows_read += 1
                self.rows_good += 1
                yield number, response

    def _refuse(self, reason: RejectReason) -> RejectReason:
        self.rows_read += 1
        self.rejects[reason] += 1
        return reason

    def _next_line(self) -> tuple[int, str | RejectReason] | None:
        return self._ahead.popleft() if self._ahead else next(self._lines, None)

    # The header

    def _read_header(self) -> None:
        _, line = next(self._lines, (1, ""))
        if line == "":
            raise self._wrong_layout("it is empty, or begins with a blank line")
        try:
            cells = self._cells(line if isinstance(line, RejectReason) else line.removeprefix("\ufeff"))
        except _Refused as refused:
            raise self._wrong_layout(f"its first line is no header ({refused.reason})") from None
        names = [name.strip() or f"Column {number}" for number, name in enumerate(cells, 1)]
        found: dict[str, int] = {}
        for position, name in enumerate(names):
            found.setdefault(_loosely(name), position)
        self._width = len(names)
        # Where a column is not there, the empty text that is put behind the cells of a row.
        positions = {column: found.get(_loosely(column), self._width) for column in _COLUMNS}
        # No name that was found is ever told: without a header they are somebody's data.
        for column in _NEEDED:
            if positions[column] == self._width:
                raise self._wrong_layout(f"its header has no column {column}")
        if all(positions[column] == self._width for column in _RECIPIENT):
            raise self._wrong_layout(f"its header has none of the columns {', '.join(_RECIPIENT)}")
        if len(found) < self._width:
            raise self._wrong_layout("its header has a column twice")
        if any(len(name) > _LONGEST_NAME for name in names):
            raise self._wrong_layout(f"its header has a name of more than {_LONGEST_NAME} characters")
        self._pick = operator.itemgetter(*positions.values())
        taken = set(positions.values())
        self._details = [(position, name) for position, name in enumerate(names) if position not in taken]

    def _wrong_layout(self, reason: str) -> ResponseFileLayout:
        return ResponseFileLayout(file=self._name, reason=reason)

    # Rows

    def _response(self, cells: list[str]) -> Response:
        if len(cells) != self._width:
            raise _Refused(RejectReason.WRONG_FIELD_COUNT)
        details = {name: value for position, name in self._details if (value := cells[position].strip())}
        cells.append("")
        email, urn, communication_key, broadcast_key, mailing_id, message_type, click_url, event, delivery, click = map(
            str.strip, self._pick(cells)
        )
        if not message_type:
            raise _Refused(RejectReason.TYPE_MISSING)
        if not (communication_key or urn or email):
            raise _Refused(RejectReason.RECIPIENT_MISSING)
        moment = self._moment
        event_time, delivery_date, click_date = moment(event), moment(delivery), moment(click)
        if event_time is None or (delivery and delivery_date is None) or (click and click_date is None):
            raise _Refused(RejectReason.DATE_INVALID)
        if (
            len(email) > _LONGEST_EMAIL
            or len(urn) > LONGEST_URN
            or max(len(communication_key), len(broadcast_key), len(mailing_id)) > LONGEST_COMMUNICATION_KEY
            or len(message_type) > _LONGEST_TYPE
            or len(click_url) > _LONGEST_URL
        ) or (details and max(map(len, details.values())) > LONGEST_VALUE):
            raise _Refused(RejectReason.VALUE_TOO_LONG)
        return Response(
            message_type=_TYPES.get(message_type.casefold(), message_type),
            event_time=event_time,
            email=email,
            urn=urn,
            communication_key=communication_key,
            broadcast_key=broadcast_key,
            mailing_id=mailing_id,
            delivery_date=delivery_date,
            click_url=click_url,
            click_date=click_date,
            details=details,
        )

    def _cells(self, line: str | RejectReason) -> list[str]:
        """The cells of the row that begins with this line."""
        if isinstance(line, RejectReason):
            raise _Refused(line)
        if '"' not in line:
            return line.split(self._delimiter)
        cells = self._parse(line)
        if cells is None and _leaves_open(line):
            cells = self._go_on(line)
        if cells is None:
            raise _Refused(RejectReason.BROKEN_QUOTE)
        return cells

    def _parse(self, row: str) -> list[str] | None:
        """The cells of a row with quotes; None when they are broken."""
        if row.count('"') == 2 * self._width and row[0] == row[-1] == '"':
            # Every cell is quoted, as Apteco writes such files: then no quote is left for anything else.
            cells = row[1:-1].split(f'"{self._delimiter}"')
            if len(cells) == self._width:
                return cells
        try:
            return next(csv.reader((row,), delimiter=self._delimiter, strict=True))
        except csv.Error:
            return None

    def _go_on(self, line: str) -> list[str] | None:
        """The cells of a row whose quoted value goes on in the next lines; None when it does not.

        A quote that is never closed must not swallow the rows after it: a line that by its number of delimiters is a
        row of its own is no part of a value, and unless a whole row comes of it only the first line is refused.
        """
        row, taken = line, []
        while len(row) <= _LONGEST_ROW and (following := self._next_line()) is not None:
            taken.append(following)
            text = following[1]
            if isinstance(text, RejectReason) or text.count(self._delimiter) == self._width - 1:
                break
            row = f"{row}\n{text}"
            if _leaves_open(text):  # here: closes
                cells = self._parse(row)
                if cells is not None and len(cells) == self._width:
                    return cells
                break
        self._ahead.extendleft(reversed(taken))
        return None

    # Lines

    def _read_lines(self, chunks: Iterable[bytes]) -> Iterator[tuple[int, str | RejectReason]]:
        """Every line with its number, without its end; or why it is not kept."""
        number, kept, dropping = 1, "", False
        for piece in self._decoded(chunks):
            text = piece
            head, end, tail = text.partition("\n")
            if dropping or len(kept) + len(head) > _LONGEST_ROW:
                kept, dropping = "", not end
                if dropping:
                    continue
                yield number, RejectReason.VALUE_TOO_LONG
                number, text = number + 1, tail
            block, end, begun = text.rpartition("\n")
            if end:
                yield from enumerate(_checked(kept + block), number)
                number, kept = number + block.count("\n") + 1, ""
            kept += begun
        if dropping:
            yield number, RejectReason.VALUE_TOO_LONG
        elif kept:
            yield from enumerate(_checked(kept), number)

    def _decoded(self, chunks: Iterable[bytes]) -> Iterator[str]:
        # A byte that cannot be decoded becomes a lone surrogate, which no text has: its line alone is refused.
        decode = codecs.getincrementaldecoder(self._encoding)("surrogateescape").decode
        try:
            for chunk in chunks:
                for start in range(0, len(chunk), _PIECE):
                    yield decode(chunk[start : start + _PIECE])
            yield decode(b"", final=True)
        except UnicodeDecodeError:  # of an encoding with more than one byte for every character, such as UTF-16
            raise self._wrong_layout(f"it is no {self._encoding} text") from None


def date_reader(date_format: str, time_zone: str) -> Callable[[str], datetime | None]:
    """What reads a local time in this format, as UTC.

    Where the clock is put forward, a time in the gap does not exist and is moved on by the gap, as the clock was.
    Where it is put back, a time exists twice and is taken for the first. Both are `fold=0` of PEP 495. So a text always
    means the same moment, and an event that two files tell of has the same key in both.

    Args:
        date_format: `yyyy`, `MM` and `dd`, also `HH` and `mm`, also `ss`, in any order, without other letters.
        time_zone: zone of the local times.

    Returns:
        A function that gives the moment, or None for a text that does not fit.

    Raises:
        SettingsInvalid: the format has other parts, or lacks one.
    """
    parts = _DATE_PART.findall(date_format)
    if len(parts) not in _DATE_LENGTHS or set(parts) != set(_DATE_PARTS[: len(parts)]):
        reason = "RESPONSE_DATE_FORMAT: it must have yyyy, MM and dd once each, then HH and mm, then ss"
        raise SettingsInvalid(reason=reason)
    pattern = re.compile(
        "".join(
            f"(?P<{part}>[0-9]{{{len(part)}}})" if part in parts else re.escape(part)
            for part in _DATE_PART.split(date_format)
        )
    )
    zone = ZoneInfo(time_zone)

    @lru_cache(maxsize=_MOMENTS)  # the events of a file crowd in few minutes, and asking a zone is slow
    def read(text: str) -> datetime | None:
        found = pattern.fullmatch(text)
        if found is None:
            return None
        number = {part: int(digits) for part, digits in found.groupdict().items()}
        if number["yyyy"] not in _YEARS:
            return None
        hour, minute, second = (number.get(part, 0) for part in ("HH", "mm", "ss"))
        try:
            local = datetime(number["yyyy"], number["MM"], number["dd"], hour, minute, second, tzinfo=zone)
            return local.astimezone(UTC)
        except ValueError:
            return None

    return read


def _checked(block: str) -> Iterator[str | RejectReason]:
    """The lines of a block, but for those that hold what no text has."""
    if "\r" in block:
        block = block.replace("\r\n", "\n").removesuffix("\r")
    lines = block.split("\n")
    return iter(lines) if _CONTROL.search(block) is None else map(_checked_line, lines)


def _checked_line(line: str) -> str | RejectReason:
    if _CONTROL.search(line) is None:
        return line
    return RejectReason.NOT_TEXT if _UNDECODED.search(line) else RejectReason.CONTROL_CHARACTER


def _leaves_open(line: str) -> bool:
    """Whether a quoted value that begins in the line, or went on in it, is in the other state at its end."""
    return line.count('"') % 2 == 1


def _loosely(name: str) -> str:
    """A name as it is compared: `Communication Key` is `CommunicationKey`."""
    return re.sub(r"[\s_-]", "", name).casefold()
