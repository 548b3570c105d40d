"""The delivery file: the delimited list that FastStats writes for one broadcast.

Facts (docs/why/sources.md, Apteco 6.2): a header row; columns split by tabs without any quoting, so that a
quotation mark is data; URN, address and Communication Key under names that the broadcast gives; UTF-8 when the
channel's File Settings say so. What else the File Settings can say is the channel's layout. That the file may begin
with a BOM and its lines end in LF or CRLF is our tolerance.
"""

import codecs
import re
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from itertools import chain
from typing import TYPE_CHECKING, Final

from shared.broadcast import BroadcastRequest
from shared.config.channels import DeliveryFileLayout
from shared.config.header_names import key_column_name
from shared.config.invisible import has_invisible, trimmed, visible, without_marks
from shared.errors import (
    ColumnMissing,
    DeliveryFileColumnTwice,
    DeliveryFileEmpty,
    DeliveryFileHeaderBroken,
    DeliveryFileLineEnds,
    DeliveryFileNotText,
    DeliveryFileTooWide,
)
from shared.faststats.delivery_file_text import utf8_text
from shared.faststats.duplicates import SeenKeys
from shared.files import delimiters
from shared.files.csv_rows import QuotedRows
from shared.files.email_address import deliverable
from shared.files.encodings import line_blocks
from shared.rejects import LONGEST_COMMUNICATION_KEY, LONGEST_URN, LONGEST_VALUE, RejectReason

if TYPE_CHECKING:
    from _typeshed import SupportsRead

#: Longest line in bytes that is kept.
_LONGEST_LINE: Final = 1024 * 1024
#: Most columns: a list has some hundred fields at most.
_MOST_COLUMNS: Final = 1000
#: C0, DEL and C1, but for tab and line feed: they split, or stand in quotes.
#: C1 comes of windows-1252 taken for ISO 8859-1.
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")

#: A row: its line in the file (the header is line 1), its values, and why it is not taken (None: it is good).
type Row = tuple[int, tuple[str, ...], RejectReason | None]


class DeliveryFile(AbstractContextManager["DeliveryFile"]):
    """A delivery file being read: the header at once, then the rows. A context manager; `close` ends it.

    Args:
        stream: the file, from its beginning, zipped or gzipped or neither. It is not closed here.
        request: the broadcast; it names the file and the columns of URN, address and Communication Key. Case,
            spaces and `_` in a name do not count, unless a column has the very name.
        layout: how it is written.

    Attributes:
        columns: names in the header, in the order of the file, without the spaces around them and without invisible
            characters.
        urn: position of the URN in a row's values.
        email: position of the address.
        communication_key: position of the Communication Key.
        rows_read: data rows read so far.

    Raises:
        ColumnMissing: the header lacks one of the three columns.
        DeliveryFileColumnTwice: two columns have the same name.
        DeliveryFileEmpty: every line is blank.
        DeliveryFileHeaderBroken: the header has a quote that is not closed.
        DeliveryFileLineEnds: the header has a carriage return, and no line feed after it.
        DeliveryFileNotText: the header is not text in the encoding of the layout.
        DeliveryFileTooWide: the header has too many columns.
        DatabaseUnavailable: there is no room on disk to recognise duplicates.
        TerminalError: the file is packed and cannot be unpacked; see `unpacked`.
    """

    def __init__(self, stream: "SupportsRead[bytes]", request: BroadcastRequest, layout: DeliveryFileLayout) -> None:
        self._name = request.delivery_file
        self._delimiter, self._quote = layout.delimiter, layout.quote
        self._may_end_without = layout.last_line == "may-end-without"
        self._encoding, self._pieces = utf8_text(stream, layout, name=self._name)
        #: What was read with the header and stands behind it.
        self._begun = b""
        #: The last line, if it has no end.
        self._unfinished = ""
        self._line = 1
        self.columns: tuple[str, ...] = self._read_header()
        self.urn = self._position(request.urn_column)
        self.email = self._position(request.email_column)
        self.communication_key = self._position(request.communication_key_column)
        self._keys = (self.urn, self.email, self.communication_key)
        self.rows_read = 0
        self._seen = SeenKeys()

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Throw away what recognises duplicates; the stream stays open."""
        self._seen.close()

    def rows(self) -> Iterator[Row]:
        """The rows, once, in the order of the file. Blank lines at its very end are none.

        Values are without the spaces around them, and keys and address without invisible characters around them. A good
        row has as many as there are columns, and an address in an international domain has it in its ASCII form. A bad
        row has more or fewer if their number is wrong, one, which is the row as it stands in the file, if its quotes
        are broken, and none if it was too long to keep. Whether a good row repeats an earlier one is asked by
        `repetition`. A last line without its end is not believed (rule 11), unless the layout says that it may end
        without.

        Raises:
            DeliveryFileNotText: a line holds a NUL or is not text; rows before it may have been given out.
            TerminalError: the file is packed and cannot be unpacked to its end.
        """
        return self._rows_with_quotes() if self._quote else self._rows_without_quotes()

    def repetition(self, values: Sequence[str]) -> RejectReason | None:
        """Whether a row with the same address or the same Communication Key, whatever its case, was taken before.

        Only a row that is taken can be repeated, so this is asked last, of a row that fits the list as well.

        Args:
            values: of a row that nothing else speaks against.

        Returns:
            Which of the two is repeated, the address first; None when neither is, and the row counts as taken.

        Raises:
            DatabaseUnavailable: there is no room on disk to recognise duplicates.
        """
        return self._seen.add(values[self.email], values[self.communication_key])

    def _rows_without_quotes(self) -> Iterator[Row]:
        delimiter, blank = self._delimiter, 0
        for first, lines, suspicious, ended in self._batches():
            for number, line in enumerate(lines, first):
                if line == "":
                    blank += 1
                    continue
                for earlier in range(number - blank, number):
                    self.rows_read += 1
                    yield earlier, ("",), RejectReason.WRONG_FIELD_COUNT
                blank = 0
                self.rows_read += 1
                if line is None:
                    yield number, (), RejectReason.VALUE_TOO_LONG
                else:
                    values = self._trimmed(line.split(delimiter))
                    fault = self._fault(line, values, suspicious=suspicious) if ended else RejectReason.LINE_UNFINISHED
                    yield number, values if fault else self._in_ascii(values), fault

    def _rows_with_quotes(self) -> Iterator[Row]:
        rows = self._quoted_rows(self._lines())
        rows.width = len(self.columns)
        for number, cells in rows:
            self.rows_read += 1
            if cells is RejectReason.BROKEN_QUOTE:
                steered = _CONTROL.search(rows.refused)  # such as a lone carriage return, which breaks a quote
                yield number, (rows.refused,), RejectReason.CONTROL_CHARACTER if steered else cells
            elif isinstance(cells, RejectReason):
                yield number, (self._unfinished,) if cells is RejectReason.LINE_UNFINISHED else (), cells
            else:
                values = self._trimmed(cells) or ("",)
                fault = self._fault(self._delimiter.join(cells), values, suspicious=True)
                yield number, values if fault else self._in_ascii(values), fault

    def _quoted_rows(self, lines: Iterator[tuple[int, str | RejectReason]]) -> QuotedRows:
        # A doubtful row is refused: what may be the address of one person must not become the name of another.
        return QuotedRows(lines, delimiter=self._delimiter, quote=self._quote, refuse_ambiguous=True)

    def _trimmed(self, cells: Sequence[str]) -> tuple[str, ...]:
        """The values without the spaces around them; keys and address without other blanks and invisible characters."""
        values = [value.strip(" ") for value in cells]
        if len(values) == len(self.columns):
            for position in self._keys:
                values[position] = trimmed(values[position])
        return tuple(values)

    def _fault(self, line: str, values: Sequence[str], *, suspicious: bool) -> RejectReason | None:
        if len(values) != len(self.columns):
            return RejectReason.WRONG_FIELD_COUNT
        if suspicious and _CONTROL.search(line):
            return RejectReason.CONTROL_CHARACTER
        if len(line) > LONGEST_VALUE and max(map(len, values)) > LONGEST_VALUE:
            return RejectReason.VALUE_TOO_LONG
        return self._fault_of_keys(values[self.urn], values[self.communication_key], values[self.email])

    def _fault_of_keys(self, urn: str, communication_key: str, email: str) -> RejectReason | None:
        if not urn:
            return RejectReason.URN_MISSING
        if not communication_key:
            return RejectReason.COMMUNICATION_KEY_MISSING
        if not email:
            return RejectReason.EMAIL_MISSING
        if len(urn) > LONGEST_URN or len(communication_key) > LONGEST_COMMUNICATION_KEY:
            return RejectReason.VALUE_TOO_LONG
        if has_invisible(urn) or has_invisible(communication_key) or has_invisible(email):
            return RejectReason.INVISIBLE_CHARACTER
        return None if deliverable(email) else RejectReason.EMAIL_INVALID

    def _in_ascii(self, values: tuple[str, ...]) -> tuple[str, ...]:
        """The values of a good row, with the address as mail is sent to it."""
        if values[self.email].isascii():
            return values
        return (*values[: self.email], deliverable(values[self.email]) or "", *values[self.email + 1 :])

    def _read_header(self) -> tuple[str, ...]:
        line = self._take_line()
        while line and not line.replace(codecs.BOM_UTF8, b"").strip():
            self._line += 1
            line = self._take_line()
        if not line:
            raise DeliveryFileEmpty(file=self._name)
        self._header = header = without_marks(self._decode(line, self._line).rstrip("\r\n"))
        if "\r" in header and _CONTROL.search(header.replace("\r", "")) is None:
            raise DeliveryFileLineEnds(file=self._name)
        if len(line) >= _LONGEST_LINE or _CONTROL.search(header):
            raise self._not_text(self._line)
        _, cells = next(iter(self._quoted_rows(iter(((self._line, header),)))))
        if isinstance(cells, RejectReason):
            raise DeliveryFileHeaderBroken(file=self._name, header=delimiters.in_words(header, self._delimiter))
        if len(cells) > _MOST_COLUMNS:
            raise DeliveryFileTooWide(file=self._name, columns=len(cells), most=_MOST_COLUMNS)
        self._line += 1
        columns = tuple(map(visible, cells))
        for position, name in enumerate(columns):
            if name and name in columns[:position]:
                raise self._twice(columns.index(name), position)
        return columns

    def _take_line(self) -> bytes:
        """The next line with its end, or as much of it as shows that it is too long; empty at the end of the file."""
        while b"\n" not in self._begun and len(self._begun) < _LONGEST_LINE and (piece := next(self._pieces, b"")):
            self._begun += piece
        line, end, self._begun = self._begun.partition(b"\n")
        return line + end

    def _position(self, wanted: str) -> int:
        for form in (visible, key_column_name):
            positions = [position for position, name in enumerate(self.columns) if form(name) == form(wanted)]
            if len(positions) > 1:  # an address is never guessed
                raise self._twice(*positions[:2])
            if positions:
                return positions[0]
        header = delimiters.in_words(self._header, self._delimiter)
        raise ColumnMissing(file=self._name, column=wanted, header=header)

    def _twice(self, first: int, second: int) -> DeliveryFileColumnTwice:
        # Without their name: in a file without a header it is somebody's data.
        return DeliveryFileColumnTwice(file=self._name, first=first + 1, second=second + 1)

    def _lines(self) -> Iterator[tuple[int, str | RejectReason]]:
        """Every line after the header with its number; or why it is not kept."""
        for first, lines, _, ended in self._batches():
            if not ended and lines[0]:
                self._unfinished = lines[0]
                yield first, RejectReason.LINE_UNFINISHED
                continue
            for number, line in enumerate(lines, first):
                yield number, RejectReason.VALUE_TOO_LONG if line is None else line

    def _batches(self) -> Iterator[tuple[int, Sequence[str | None], bool, bool]]:
        """Lines after the header, in batches: number of the first, the lines, whether one has a control character.

        A line that is too long to keep comes alone, as None. So does a last line without its end; then the last value
        is False.
        """
        for first, block, ended in line_blocks(self._text_pieces(), b"\n", first=self._line, longest=_LONGEST_LINE):
            if block is None:
                yield first, (None,), False, True
                continue
            believed = ended or self._may_end_without or block.endswith(b"\r")
            text = without_marks(self._decode(block, first) if believed else self._decode_unfinished(block, first))
            if "\r" in text:
                text = text.replace("\r\n", "\n").removesuffix("\r")
            yield first, text.split("\n"), _CONTROL.search(text) is not None, believed

    def _text_pieces(self) -> Iterator[bytes]:
        """The rest of the file; a NUL in it shows that it is not text."""
        line = self._line
        for piece in chain((self._begun,), self._pieces):
            if (nul := piece.find(b"\0")) >= 0:
                raise self._not_text(line + piece.count(b"\n", 0, nul))
            line += piece.count(b"\n")
            yield piece

    def _decode(self, data: bytes, first: int) -> str:
        try:
            text = data.decode()
        except UnicodeDecodeError as error:
            raise self._not_text(first + data.count(b"\n", 0, error.start)) from None
        return text

    def _decode_unfinished(self, data: bytes, line: int) -> str:
        """A last line without its end, which may end within a character."""
        try:
            return codecs.getincrementaldecoder("utf-8")().decode(data)
        except UnicodeDecodeError:
            raise self._not_text(line) from None

    def _not_text(self, line: int) -> DeliveryFileNotText:
        return DeliveryFileNotText(file=self._name, encoding=self._encoding, line=line)
