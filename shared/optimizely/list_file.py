"""The list file: the recipients of a broadcast, in the layout of the list's import job.

CSV with a header of internal field names, UTF-8 without BOM, `;`, quotes only where a value needs them, LF.
ASSUMPTION: the layout is agreed with Optimizely support when the import job is set up; `;` is usual in the vendor's
CSV exchanges (section 3.1 of the Optimizely reference). Field types and system fields: section 1.4.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from operator import itemgetter
from typing import Final, Protocol

from shared.errors import ListFieldMissing, RequiredFieldMissing
from shared.rejects import RejectReason

#: List fields that every broadcast fills; `BroadcastKey` comes back with every response and tells whose it is.
EMAIL, URN, COMMUNICATION_KEY, BROADCAST_KEY = "Email", "Urn", "CommunicationKey", "BroadcastKey"
_KEYS: Final = 4
#: Optimizely fills these itself.
_SYSTEM_FIELDS: Final = ("created", "modified", "bmOptinFinishedDate")

_DELIMITER: Final = ";"
_MUST_BE_QUOTED: Final = re.compile(r'[;"\r\n]')
_BITS: Final = {"SHORT": 16, "INTEGER": 32, "LONG": 64}
_WHOLE: Final = re.compile(r"[+-]?[0-9]{1,19}")
_DECIMAL: Final = re.compile(r"[+-]?[0-9]{1,30}(?:\.[0-9]{1,30})?")
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TIMESTAMP: Final = re.compile(rf"{_DATE.pattern}[T ][0-9]{{2}}:[0-9]{{2}}(?::[0-9]{{2}}.*)?")
_BOOLEAN: Final = frozenset({"true", "false", "0", "1"})


class ListField(Protocol):
    """A field of a recipient list, as REST describes it."""

    @property
    def internal_name(self) -> str:
        """Its name in files."""
        ...

    @property
    def display_name(self) -> str:
        """Its name in the user interface."""
        ...

    @property
    def type(self) -> str:
        """LONG, INTEGER, SHORT, STRING, TEXT, FLOAT, DECIMAL, DATE, TIMESTAMP or BOOLEAN."""
        ...

    @property
    def required(self) -> bool:
        """Whether every recipient must have it."""
        ...


@dataclass(frozen=True, slots=True)
class _Check:
    """A field whose values have to be looked at."""

    #: Position in a row of the list file.
    index: int
    name: str
    required: bool
    #: The value as it is written; None when it does not fit.
    fit: Callable[[str], str | None]


class ListPlan:
    """How rows of a delivery file become lines of a list file. Made by `plan_columns`.

    Attributes:
        fields: internal names of the fields that are written, in the order of the file.
        left_out: columns of the delivery file for which the list has no field.
    """

    def __init__(
        self,
        planned: Sequence[tuple[ListField, int]],
        *,
        broadcast_key: str,
        left_out: Sequence[str],
    ) -> None:
        self.fields = tuple(field.internal_name for field, _ in planned)
        self.left_out = tuple(left_out)
        self._broadcast_key = broadcast_key
        self._pick: Callable[[Sequence[str]], Sequence[str]] = itemgetter(*(position for _, position in planned))
        fits = [_fit(field.type) for field, _ in planned]
        self._checks = [
            # The first four are the keys, which the delivery file always has.
            _Check(index, field.internal_name, field.required and index >= _KEYS, fit or str)
            for index, ((field, _), fit) in enumerate(zip(planned, fits, strict=True))
            if fit is not None or (field.required and index >= _KEYS)
        ]

    def header(self) -> bytes:
        """The first line of the file."""
        return _line(self.fields)

    def encode(self, values: Sequence[str]) -> bytes | RejectReason:
        """One line of the file.

        Args:
            values: a good row of the delivery file: as many values as it has columns, without spaces around them.

        Returns:
            The line; or why the row cannot be one: `field-type`, `field-missing`. `refused_field` says which field.
        """
        cells = self._cells(values)
        if self._checks and (refused := self._refuse(cells)):
            return refused[0]
        return _line(cells)

    def refused_field(self, values: Sequence[str]) -> str | None:
        """Name of the first field for which `encode` refuses the row; None when it does not."""
        refused = self._refuse(self._cells(values))
        return refused and refused[1]

    def _cells(self, values: Sequence[str]) -> list[str]:
        return list(self._pick((*values, self._broadcast_key)))

    def _refuse(self, cells: list[str]) -> tuple[RejectReason, str] | None:
        """Why the row is refused and for which field; a row that is not gets its values as they are written."""
        for check in self._checks:
            written = check.fit(cells[check.index])
            if written is None:
                return RejectReason.FIELD_TYPE, check.name
            if check.required and not written:
                return RejectReason.FIELD_MISSING, check.name
            cells[check.index] = written
        return None


def plan_columns(
    columns: Sequence[str],
    *,
    urn: int,
    email: int,
    communication_key: int,
    fields: Sequence[ListField],
    list_name: str,
    broadcast_key: str,
) -> ListPlan:
    """Match the columns of a delivery file with the fields of a list.

    The key columns go to the fields `Email`, `Urn` and `CommunicationKey`, the broadcast's key to `BroadcastKey`,
    every other column to the field that has its name as internal or, failing that, display name. Case, spaces, `_`
    and `-` do not count. Of two columns of one field the first is taken.

    Args:
        columns: names of the columns of the delivery file.
        urn: position of the URN.
        email: position of the address.
        communication_key: position of the Communication Key.
        fields: the fields of the list.
        list_name: for errors.
        broadcast_key: the value of `BroadcastKey` in every line.

    Returns:
        The plan; columns without a field are in its `left_out`.

    Raises:
        ListFieldMissing: the list lacks one of the four fields, or its `BroadcastKey` is not a text.
        RequiredFieldMissing: the list requires a field for which there is no column.
    """
    system = set(map(_loosely, _SYSTEM_FIELDS))
    writable = [field for field in fields if _loosely(field.internal_name) not in system]
    by_name = {_loosely(field.display_name): field for field in writable}
    by_name |= {_loosely(field.internal_name): field for field in writable}
    by_name.pop("", None)

    planned: dict[str, tuple[ListField, int]] = {}
    # The broadcast's key stands behind the values of a row.
    keys = {EMAIL: email, URN: urn, COMMUNICATION_KEY: communication_key, BROADCAST_KEY: len(columns)}
    for name, position in keys.items():
        field = by_name.get(_loosely(name))
        if field is None or field.internal_name in planned:
            raise ListFieldMissing(list=list_name, field=name)
        planned[field.internal_name] = (field, position)
    if _fit(by_name[_loosely(BROADCAST_KEY)].type) is not None:
        raise ListFieldMissing(list=list_name, field=f"{BROADCAST_KEY} that holds text")

    left_out = []
    for position, column in enumerate(columns):
        if position in {email, urn, communication_key}:
            continue
        field = by_name.get(_loosely(column))
        if field is None or field.internal_name in planned:
            left_out.append(column)
        else:
            planned[field.internal_name] = (field, position)
    for field in writable:
        if field.required and field.internal_name not in planned:
            raise RequiredFieldMissing(list=list_name, field=field.internal_name)
    return ListPlan(list(planned.values()), broadcast_key=broadcast_key, left_out=left_out)


def _line(cells: Sequence[str]) -> bytes:
    line = _DELIMITER.join(cells)
    if line.count(_DELIMITER) >= len(cells) or '"' in line or "\n" in line or "\r" in line:
        line = _DELIMITER.join(map(_quoted, cells))
    return (line + "\n").encode()


def _quoted(cell: str) -> str:
    return '"' + cell.replace('"', '""') + '"' if _MUST_BE_QUOTED.search(cell) else cell


def _fit(kind: str) -> Callable[[str], str | None] | None:
    """What makes a value one of a field type, or refuses it with None; no function for types that take any text."""
    if kind in _BITS:
        limit = 2 ** (_BITS[kind] - 1)
        return lambda value: _number(value, _WHOLE, limit)
    return _FITS.get(kind)


def _number(value: str, pattern: re.Pattern[str], limit: int | None = None) -> str | None:
    text = value or "0"  # empty numbers make the vendor's API fail (section 6.3 of the Apteco reference)
    if not pattern.fullmatch(text) or (limit is not None and not -limit <= int(text) < limit):
        return None
    return text


def _date(value: str) -> str | None:
    return _iso(value, _DATE, date.fromisoformat)


def _timestamp(value: str) -> str | None:
    return _iso(value, _TIMESTAMP, datetime.fromisoformat)


def _iso(text: str, pattern: re.Pattern[str], parse: Callable[[str], date]) -> str | None:
    if not text:
        return text
    if not pattern.fullmatch(text):
        return None  # Python reads more forms of ISO 8601 than the vendor
    try:
        parse(text)
    except ValueError:
        return None
    return text


def _boolean(value: str) -> str | None:
    return value if not value or value.lower() in _BOOLEAN else None


_FITS: Final[dict[str, Callable[[str], str | None]]] = {
    "FLOAT": lambda value: _number(value, _DECIMAL),
    "DECIMAL": lambda value: _number(value, _DECIMAL),
    "DATE": _date,
    "TIMESTAMP": _timestamp,
    "BOOLEAN": _boolean,
}


def _loosely(name: str) -> str:
    """A name as it is compared: `First Name` is `first_name`."""
    return re.sub(r"[\s_-]", "", name).casefold()
