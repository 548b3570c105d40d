"""The response file: each row is one event of one recipient, and every row is accounted for.

The layout of a file is agreed with Optimizely support: `ResponseLayout`. Nothing is guessed: a row that does not fit
is refused with a reason. Files are read in pieces.
"""

import operator
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Final

from shared.config.header_names import loose_name
from shared.config.invisible import has_invisible, trimmed, visible
from shared.config.response_layouts import ResponseField, ResponseLayout
from shared.errors import ResponseFileLayout
from shared.files import delimiters
from shared.optimizely.responses.dates import moment_reader
from shared.optimizely.responses.rows import ResponseRows
from shared.rejects import LONGEST_COMMUNICATION_KEY, LONGEST_URN, LONGEST_VALUE, RejectReason
from shared.response import MessageType, Response

#: Maximum characters of the name of a detail, as in `ResponseDetails`.
_MAX_NAME: Final = 255
#: Maximum characters, as in the ledger and in `Response`. In the order in which the values are checked.
_MAX_LENGTHS: Final[Mapping[ResponseField, int]] = {
    ResponseField.EMAIL: 320,
    ResponseField.URN: LONGEST_URN,
    ResponseField.COMMUNICATION_KEY: LONGEST_COMMUNICATION_KEY,
    ResponseField.BROADCAST_KEY: LONGEST_COMMUNICATION_KEY,
    ResponseField.MAILING_ID: LONGEST_COMMUNICATION_KEY,
    ResponseField.MESSAGE_TYPE: 50,
    ResponseField.CLICK_URL: 2000,
}
#: What must be what it looks like.
_KEYS: Final = frozenset(
    {
        ResponseField.EMAIL,
        ResponseField.URN,
        ResponseField.COMMUNICATION_KEY,
        ResponseField.BROADCAST_KEY,
        ResponseField.MAILING_ID,
    }
)
_RECIPIENT: Final = (ResponseField.COMMUNICATION_KEY, ResponseField.URN, ResponseField.EMAIL)
#: Values with more characters than this are counted exactly: each character may be two units in UTF-16.
_HALVES: Final = tuple(length // 2 for length in _MAX_LENGTHS.values())
#: Detail with the word of the file for a type that has another name here. A column with this name is kept under its
#: number, like one without a name.
TYPE_IN_FILE: Final = "MessageTypeInFile"
#: Other words for the known types: those of Apteco's API (docs/why/sources.md, Apteco 4.4) and of the vendor's
#: webhooks and response categories (docs/why/sources.md, Optimizely 3.3).
_WORDS: Final[Mapping[str, MessageType]] = {
    "BroadcastDelivered": MessageType.SEND,
    "BroadcastOpen": MessageType.OPEN,
    "BroadcastClick": MessageType.CLICK,
    "BroadcastBounce": MessageType.BOUNCE,
    "BroadcastOptOut": MessageType.UNSUBSCRIPTION,
    "hardbounce": MessageType.BOUNCE,
    "softbounce": MessageType.BOUNCE,
    "unsubscribe": MessageType.UNSUBSCRIPTION,
    "spamcomplaint": MessageType.COMPLAINT,
}


class ResponseReader:
    """Reads a response file: the header at once, then the rows. Iterate once.

    Iteration yields the valid rows as `(line, Response)`; `rows` yields the refused ones too. A row begins at `line`,
    counted from 1. At the end, `rows_read == rows_good + rejects.total()`.

    Attributes:
        packed, encoding, has_mark: those of `ResponseRows`.
        fields: header names of the columns with a field in `Response`, by field.
        details: header names of the other columns, which are kept as details.
        rows_read: rows so far. Blank lines at the end of the file do not count.
        rows_good: the valid ones among them.
        rejects: the refused ones by reason.
        refused_field: the header name of the column for which the last refused row was refused; empty if it was
            refused as a whole.

    Raises:
        ResponseFileLayout: there is no header, or it lacks a column that every response needs.
        TerminalError: a packed file cannot be unpacked: one of the errors `response-file-packed-…`, `-encrypted`,
            `-several`, `-too-large`; also while rows are read.
    """

    def __init__(self, chunks: Iterable[bytes], layout: ResponseLayout, *, name: str) -> None:
        self._name = name
        self._moment = moment_reader(layout)
        self._message_type = layout.message_type
        self._types = _types(layout)
        self.rows_read = 0
        self.rows_good = 0
        self.rejects: Counter[RejectReason] = Counter()
        self.refused_field = ""
        rows = ResponseRows(chunks, layout, name=name)
        self.packed, self.encoding, self.has_mark = rows.packed, rows.encoding, rows.has_mark
        self._delimiter = layout.delimiter
        self._rows = iter(rows)
        #: The header as it is written, but for its quotes.
        self._header_line = ""
        names = list(layout.columns) or self._header(rows)
        rows.width = self._width = len(names)
        self._find_columns(names, layout)

    def __iter__(self) -> Iterator[tuple[int, Response]]:
        """The valid rows; raises what `rows` raises."""
        for line, row in self.rows():
            if isinstance(row, Response):
                yield line, row

    def rows(self) -> Iterator[tuple[int, Response | RejectReason]]:
        """Every row: its first line, and the response or the reason why it is refused.

        Raises:
            TerminalError: a packed file cannot be unpacked to its end.
        """
        for line, cells in self._rows:
            self.refused_field = ""
            row = cells if isinstance(cells, RejectReason) else self._parse(cells)
            self.rows_read += 1
            if isinstance(row, RejectReason):
                self.rejects[row] += 1
            else:
                self.rows_good += 1
            yield line, row

    def withdraw(self, reason: RejectReason) -> None:
        """Do not count the row that was just refused for this reason: it is a row of another file."""
        self.rows_read -= 1
        self.rejects -= Counter((reason,))

    # The header. Errors never contain its names: without a header they are personal data.

    def _header(self, rows: ResponseRows) -> list[str]:
        line, cells = next(self._rows, (1, []))
        if rows.only_carriage_returns:
            raise self._wrong_layout("its lines end in a carriage return alone, without a line feed")
        if isinstance(cells, RejectReason):
            written = f": {delimiters.in_words(rows.refused, self._delimiter)}" if rows.refused else ""
            raise self._wrong_layout(f"its first line is not a header ({cells}){written}")
        if line != 1 or not cells:
            raise self._wrong_layout("it is empty, or begins with a blank line")
        self._header_line = self._delimiter.join(cells)
        return [visible(name) or f"Column {number}" for number, name in enumerate(cells, 1)]

    def _find_columns(self, names: list[str], layout: ResponseLayout) -> None:
        by_name: dict[str, int] = {}
        twice = set[int]()
        for position, name in enumerate(names):
            if (first := by_name.setdefault(loose_name(name), position)) != position:
                twice.add(first)
        positions = {
            field: next((by_name[key] for key in map(loose_name, layout.aliases(field)) if key in by_name), None)
            for field in ResponseField
        }
        for field in (ResponseField.MESSAGE_TYPE, ResponseField.EVENT_TIME):
            if positions[field] is None and not (field is ResponseField.MESSAGE_TYPE and self._message_type):
                raise self._no_column(f"its header has no column {' or '.join(layout.aliases(field))}")
        if all(positions[field] is None for field in _RECIPIENT):
            aliases = ", ".join(name for field in _RECIPIENT for name in layout.aliases(field))
            raise self._no_column(f"its header has none of the columns {aliases}")
        for repeated in (field for field, position in positions.items() if position in twice):
            raise self._wrong_layout(f"its header has the column {repeated.value} twice")
        if any(len(name) > _MAX_NAME for name in names):
            raise self._wrong_layout(f"its header has a name of more than {_MAX_NAME} characters")
        if self._message_type:
            positions[ResponseField.MESSAGE_TYPE] = None
        # For a missing column, the position of the empty text that is appended to the cells of a row.
        self._pick = operator.itemgetter(
            *(len(names) if position is None else position for position in positions.values())
        )
        used = set(positions.values())
        self._details = _numbered(
            (position, name if loose_name(name) != loose_name(TYPE_IN_FILE) else f"Column {position + 1}")
            for position, name in enumerate(names)
            if position not in used
        )
        self.fields = MappingProxyType(
            {field: names[position] for field, position in positions.items() if position is not None}
        )
        self._has_click_url = ResponseField.CLICK_URL in self.fields
        self.details = tuple(name for _, name in self._details)

    def _no_column(self, reason: str) -> ResponseFileLayout:
        if not self._header_line:
            return self._wrong_layout(reason.replace("its header has", "its layout has"))
        return self._wrong_layout(f"{reason}: {delimiters.in_words(self._header_line, self._delimiter)}")

    def _wrong_layout(self, reason: str) -> ResponseFileLayout:
        return ResponseFileLayout(file=self._name, reason=reason)

    # Rows

    def _parse(self, cells: list[str]) -> Response | RejectReason:
        try:
            return self._response(cells)
        except _Refusal as refusal:
            self.refused_field = refusal.column
            return refusal.reason

    def _response(self, cells: list[str]) -> Response:
        """The response of a row; raises `_Refusal`."""
        if len(cells) != self._width:
            raise _Refusal(RejectReason.WRONG_FIELD_COUNT)
        details = {name: value for position, name in self._details if (value := cells[position].strip())}
        cells.append("")
        # In the order of `ResponseField`.
        picked = self._pick(cells)
        is_ascii = "".join(picked).isascii()
        values = tuple(map(str.strip if is_ascii else trimmed, picked))
        email, urn, communication_key, broadcast_key, mailing_id, word, click_url, *times = values
        word = visible(word) or self._message_type
        if not word:
            raise self._refusal(RejectReason.TYPE_MISSING, ResponseField.MESSAGE_TYPE)
        if not (communication_key or urn or email):
            raise _Refusal(RejectReason.RECIPIENT_MISSING)
        event_time, delivery_date, click_date = self._moments(*times)
        if not is_ascii:
            self._check_keys(values)
        self._check_lengths(values, details)
        message_type = self._types.get(word.casefold(), word)
        if message_type.casefold() != word.casefold():
            details[TYPE_IN_FILE] = word
        return Response(
            message_type=message_type,
            type_in_file=word,
            event_time=event_time,
            email=email,
            urn=urn,
            communication_key=communication_key,
            broadcast_key=broadcast_key,
            mailing_id=mailing_id,
            delivery_date=delivery_date,
            click_url=click_url,
            has_click_url_column=self._has_click_url,
            click_date=click_date,
            details=details,
        )

    def _moments(self, event: str, delivery: str, click: str) -> tuple[datetime, datetime | None, datetime | None]:
        moment = self._moment
        event_time, delivery_date, click_date = moment(event), moment(delivery), moment(click)
        if event_time is None:
            raise self._refusal(RejectReason.DATE_INVALID, ResponseField.EVENT_TIME)
        if delivery and delivery_date is None:
            raise self._refusal(RejectReason.DATE_INVALID, ResponseField.DELIVERY_DATE)
        if click and click_date is None:
            raise self._refusal(RejectReason.DATE_INVALID, ResponseField.CLICK_DATE)
        return event_time, delivery_date, click_date

    def _check_keys(self, values: Sequence[str]) -> None:
        for field, value in zip(ResponseField, values, strict=False):
            if field in _KEYS and has_invisible(value):
                raise self._refusal(RejectReason.INVISIBLE_CHARACTER, field)

    def _check_lengths(self, values: Sequence[str], details: Mapping[str, str]) -> None:
        if True in map(operator.gt, map(len, values), _HALVES):
            for (field, length), value in zip(_MAX_LENGTHS.items(), values, strict=False):
                if _is_longer(value, length):
                    raise self._refusal(RejectReason.VALUE_TOO_LONG, field)
        for name, value in details.items():
            if _is_longer(value, LONGEST_VALUE):
                raise _Refusal(RejectReason.VALUE_TOO_LONG, name)

    def _refusal(self, reason: RejectReason, field: ResponseField) -> "_Refusal":
        return _Refusal(reason, self.fields[field])


class _Refusal(Exception):
    """The reason why a row is refused, and the header name of the column, if one is the reason."""

    def __init__(self, reason: RejectReason, column: str = "") -> None:
        self.reason = reason
        self.column = column
        super().__init__(reason)


def _numbered(details: Iterable[tuple[int, str]]) -> list[tuple[int, str]]:
    """The details; a name that comes again gets a number: `Link Id`, `Link Id (2)`."""
    known = set[str]()
    numbered = []
    for position, name in details:
        unique, number = name, 1
        while unique.casefold() in known:
            number += 1
            unique = f"{name[: _MAX_NAME - 7]} ({number})"
        known.add(unique.casefold())
        numbered.append((position, unique))
    return numbered


def _is_longer(text: str, length: int) -> bool:
    """Whether the text exceeds a column of this length: SQL Server counts UTF-16 units."""
    return len(text) > length // 2 and len(text.encode("utf-16-le")) // 2 > length


def _types(layout: ResponseLayout) -> Mapping[str, str]:
    """The message types by the words of files, casefolded; other words are kept unchanged."""
    known = {known.value: known.value for known in MessageType}
    return {word.casefold(): str(message_type) for word, message_type in ({**_WORDS, **known, **layout.types}).items()}
