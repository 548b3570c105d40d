"""Delivery files as FastStats writes them, read row by row.

Tab-delimited, one header row, no quoting: a tab always divides, a quote is data (`apteco.md` 6.2).
"""

import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from functools import lru_cache
from hashlib import blake2b
from types import TracebackType
from typing import BinaryIO

from shared.broadcast import BroadcastRequest
from shared.errors import ColumnMissing, DeliveryFileEmpty, DeliveryFileNotText
from shared.rejects import RejectReason

#: Longest value, in characters, and longest row, in bytes.
_LONGEST_VALUE = 4000
_LONGEST_ROW = 1024 * 1024
_ENCODING = "UTF-8"
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
_LOCAL = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
#: Addresses as nearly all of them are, so that the exact check is rarely needed.
_PLAIN_ADDRESS = re.compile(
    r"[A-Za-z0-9_+-]+(?:\.[A-Za-z0-9_+-]+)*@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]{2,63}"
)
_LONGEST_LOCAL, _LONGEST_ADDRESS = 64, 254

Row = tuple[int, tuple[str, ...], RejectReason | None]


class DeliveryFile(AbstractContextManager["DeliveryFile"]):
    """A delivery file, read once from its beginning; memory does not grow with its rows.

    Args:
        stream: its bytes; the caller closes it.
        request: names the columns and, in errors, the file.

    Raises:
        DeliveryFileEmpty: there is no header.
        DeliveryFileNotText: the header is not UTF-8 text.
        ColumnMissing: the header lacks the URN, the email or the Communication Key column.
    """

    def __init__(self, stream: BinaryIO, request: BroadcastRequest) -> None:
        self._stream = stream
        self._file = request.delivery_file
        #: Data rows read so far.
        self.rows_read = 0
        header = self._decoded(self._line().removeprefix(b"\xef\xbb\xbf"), 1)
        if not header.strip():
            raise DeliveryFileEmpty(file=self._file)
        #: Names of the columns, in order.
        self.columns = tuple(name.strip() for name in header.split("\t"))
        #: Positions of the columns that every broadcast has.
        self.urn = self._position(request.urn_column)
        self.email = self._position(request.email_column)
        self.communication_key = self._position(request.communication_key_column)
        self._seen = SeenKeys()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Forget which keys were seen."""
        self._seen.close()

    def rows(self) -> Iterator[Row]:
        """Every data row: line number, values without surrounding blanks, and why it is not taken, if so.

        Repetitions are not looked for here: only a row that is taken can be repeated, and whether it is
        taken is known when it fits the list as well. See `repetition`. Empty lines at the end of the file
        are no rows.

        Raises:
            DeliveryFileNotText: a row is not UTF-8 text; nothing of the file may be used.
        """
        number, empty = 1, 0
        while raw := self._line():
            number += 1
            if raw in {b"\n", b"\r\n"}:
                empty += 1
                continue
            for line in range(number - empty, number):
                yield self._row(line, ("",))
            empty = 0
            if len(raw) > _LONGEST_ROW:
                self._skip(raw)
                self.rows_read += 1
                yield number, (), RejectReason.VALUE_TOO_LONG
            else:
                yield self._row(number, tuple([value.strip(" ") for value in self._decoded(raw, number).split("\t")]))

    def repetition(self, values: Sequence[str]) -> RejectReason | None:
        """Whether an earlier row with the same address or Communication Key was taken; if not, this one is.

        Args:
            values: of a row that nothing else speaks against.
        """
        address, key = values[self.email].casefold(), values[self.communication_key].casefold()
        if self._seen.has("email", address):
            return RejectReason.DUPLICATE_EMAIL
        if not self._seen.add("communication key", key):
            return RejectReason.DUPLICATE_COMMUNICATION_KEY
        self._seen.add("email", address)
        return None

    def _row(self, number: int, values: tuple[str, ...]) -> Row:
        self.rows_read += 1
        return number, values, self._fault(values)

    def _fault(self, values: Sequence[str]) -> RejectReason | None:
        if len(values) != len(self.columns):
            return RejectReason.WRONG_FIELD_COUNT
        text = "".join(values)
        if not text.isprintable() and _CONTROL.search(text):  # the first is quick, and nearly always enough
            return RejectReason.CONTROL_CHARACTER
        if len(text) > _LONGEST_VALUE < max(map(len, values)):
            return RejectReason.VALUE_TOO_LONG
        for position, reason in (
            (self.urn, RejectReason.URN_MISSING),
            (self.communication_key, RejectReason.COMMUNICATION_KEY_MISSING),
            (self.email, RejectReason.EMAIL_MISSING),
        ):
            if not values[position]:
                return reason
        return None if is_address(values[self.email]) else RejectReason.EMAIL_INVALID

    def _line(self) -> bytes:
        return self._stream.readline(_LONGEST_ROW + 1)

    def _skip(self, begun: bytes) -> None:
        while begun and not begun.endswith(b"\n"):
            begun = self._line()

    def _decoded(self, raw: bytes, number: int) -> str:
        if b"\x00" in raw:
            raise DeliveryFileNotText(file=self._file, encoding=_ENCODING, line=number)
        try:
            return raw.removesuffix(b"\n").removesuffix(b"\r").decode()
        except UnicodeDecodeError:
            raise DeliveryFileNotText(file=self._file, encoding=_ENCODING, line=number) from None

    def _position(self, name: str) -> int:
        wanted = _plain(name)
        for position, column in enumerate(self.columns):
            if _plain(column) == wanted:
                return position
        raise ColumnMissing(file=self._file, column=name)


class SeenKeys:
    """Keys that were seen, on disk: a file of any size is checked in the same memory."""

    def __init__(self) -> None:
        # A private temporary database: it lies on disk once it is large, and vanishes by itself.
        self._database = sqlite3.connect("", isolation_level=None)
        for pragma in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -8000", "temp_store = FILE"):
            self._database.execute(f"PRAGMA {pragma}")
        self._database.execute("CREATE TABLE seen (key BLOB PRIMARY KEY) WITHOUT ROWID")
        # One transaction that never ends: nobody else reads this, and one for every key takes most of the time.
        self._database.execute("BEGIN")

    def add(self, kind: str, value: str) -> bool:
        """Whether the value is new among its kind; from now on it is not."""
        return self._database.execute("INSERT OR IGNORE INTO seen VALUES (?)", (_hash(kind, value),)).rowcount == 1

    def has(self, kind: str, value: str) -> bool:
        """Whether the value was added to its kind."""
        found = self._database.execute("SELECT 1 FROM seen WHERE key = ?", (_hash(kind, value),))
        return found.fetchone() is not None

    def close(self) -> None:
        """Give the temporary file back."""
        self._database.close()


def is_address(text: str) -> bool:
    """Whether a text has the syntax of a mail address; domains in any script are accepted."""
    if len(text) > _LONGEST_ADDRESS:
        return False
    local, _, domain = text.rpartition("@")
    if not local or len(local) > _LONGEST_LOCAL:
        return False
    if _PLAIN_ADDRESS.fullmatch(text):
        return True
    return _LOCAL.fullmatch(local) is not None and _is_domain(domain, _LONGEST_ADDRESS - len(local) - 1)


@lru_cache(maxsize=4096)  # few domains have many addresses, and other scripts take long to encode
def _is_domain(domain: str, longest: int) -> bool:
    if not domain.isascii():
        try:
            domain = domain.encode("idna").decode()
        except UnicodeError:
            return False
    labels = domain.split(".")
    return (
        len(domain) <= longest and len(labels) > 1 and all(map(_LABEL.fullmatch, labels)) and not labels[-1].isdigit()
    )


def _plain(name: str) -> str:
    """A column name as it is compared: `Communication Key` is `CommunicationKey`."""
    return name.replace(" ", "").replace("_", "").casefold()


def _hash(kind: str, value: str) -> bytes:
    return blake2b(f"{kind}\x1f{value}".encode(), digest_size=16).digest()
