"""List files: the recipients of a broadcast, in the layout of the list's import job.

CSV with a header of internal field names, UTF-8, `;`, quotes where needed. ASSUMPTION: that is agreed
with Optimizely support when the import job is set up.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol

from shared.errors import ListFieldMissing, RequiredFieldMissing
from shared.rejects import RejectReason

#: List fields that every list of the bridge has.
EMAIL, URN, COMMUNICATION_KEY, BROADCAST_KEY = "Email", "Urn", "CommunicationKey", "BroadcastKey"
#: Fields that Optimizely fills itself (`optimizely.md` 1.4).
_SYSTEM_FIELDS = frozenset({"created", "modified", "bmOptinFinishedDate"})
_DELIMITER = ";"
_NEEDS_QUOTES = re.compile(r'[;"\r\n]|^\s|\s$')
#: Types that take any text.
_TEXTS = frozenset({"STRING", "TEXT"})
_BITS = {"SHORT": 16, "INTEGER": 32, "LONG": 64}
_NUMBERS = _BITS.keys() | {"FLOAT", "DECIMAL"}
_WHOLE = re.compile(r"[+-]?[0-9]{1,19}")
_DECIMAL = re.compile(r"[+-]?[0-9]{1,19}(?:\.[0-9]{1,19})?")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


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
class _Column:
    """A column of the list file and where its values come from."""

    name: str
    type: str
    #: Position in the delivery file; None: the broadcast's key.
    position: int | None


@dataclass(frozen=True, slots=True)
class ListPlan:
    """How rows of a delivery file become rows of a list file."""

    columns: tuple[_Column, ...]
    #: Positions of the columns in the delivery file, and the places and types of those that do not take any text.
    positions: tuple[int | None, ...]
    checked: tuple[tuple[int, str], ...]
    broadcast_key: str
    #: Columns of the delivery file for which the list has no field.
    left_out: tuple[str, ...]

    def header(self) -> bytes:
        """The first line of the file."""
        return _line([column.name for column in self.columns])

    def encode(self, values: Sequence[str]) -> bytes | RejectReason:
        """A row of the list file, or why the values cannot be one."""
        cells = [self.broadcast_key if position is None else values[position] for position in self.positions]
        for place, kind in self.checked:
            if cells[place]:
                if not _fits(cells[place], kind):
                    return RejectReason.FIELD_TYPE
            elif kind in _NUMBERS:
                cells[place] = "0"  # an empty number makes the vendor's interfaces fail (`apteco.md` 6.3)
        return _line(cells)


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

    The key columns go to the fields `Email`, `Urn` and `CommunicationKey`, the broadcast's key to
    `BroadcastKey`, every other column to the field of its name; capitals, blanks, `_` and `-` do not count.

    Args:
        columns: names of the columns of the delivery file.
        urn: position of the URN.
        email: position of the address.
        communication_key: position of the Communication Key.
        fields: the fields of the list.
        list_name: for errors.
        broadcast_key: the value of the field `BroadcastKey` in every row.

    Raises:
        ListFieldMissing: the list lacks one of the four fields that every broadcast needs.
        RequiredFieldMissing: the list requires a field for which there is no column.
    """
    keys = {EMAIL: email, URN: urn, COMMUNICATION_KEY: communication_key, BROADCAST_KEY: None}
    writable = [field for field in fields if field.internal_name not in _SYSTEM_FIELDS]
    by_name = {_plain(field.display_name): field for field in writable if field.display_name}
    # A field's own name is worth more than what another one is called in the user interface.
    by_name |= {_plain(field.internal_name): field for field in writable}
    planned: dict[str, _Column] = {}
    for name, position in keys.items():
        field = by_name.get(_plain(name))
        if field is None:
            raise ListFieldMissing(list=list_name, field=name)
        planned[field.internal_name] = _Column(field.internal_name, field.type, position)
    left_out = []
    for position, column in enumerate(columns):
        if position in {email, urn, communication_key}:
            continue
        field = by_name.get(_plain(column))
        if field is None or field.internal_name in planned:
            left_out.append(column)
        else:
            planned[field.internal_name] = _Column(field.internal_name, field.type, position)
    for field in writable:
        if field.required and field.internal_name not in planned:
            raise RequiredFieldMissing(list=list_name, field=field.internal_name)
    made = tuple(planned.values())
    return ListPlan(
        columns=made,
        positions=tuple(column.position for column in made),
        checked=tuple(
            (place, column.type)
            for place, column in enumerate(made)
            if column.position is not None and column.type not in _TEXTS
        ),
        broadcast_key=broadcast_key,
        left_out=tuple(left_out),
    )


def _line(cells: list[str]) -> bytes:
    line = _DELIMITER.join(cells)
    # Hardly any line has something to quote, and looking at it as a whole is much quicker.
    if (
        line.count(_DELIMITER) >= len(cells)
        or '"' in line
        or "\r" in line
        or "\n" in line
        or [cell.strip() for cell in cells] != cells
    ):
        line = _DELIMITER.join(map(_quoted, cells))
    return f"{line}\n".encode()


def _quoted(cell: str) -> str:
    return '"' + cell.replace('"', '""') + '"' if _NEEDS_QUOTES.search(cell) else cell


def _fits(value: str, kind: str) -> bool:
    """Whether a value that is not empty fits the type of its list field."""
    if kind in _BITS:
        limit = 2 ** (_BITS[kind] - 1)
        return _WHOLE.fullmatch(value) is not None and -limit <= int(value) < limit
    if kind in {"FLOAT", "DECIMAL"}:
        return _DECIMAL.fullmatch(value) is not None
    if kind == "BOOLEAN":
        return value.lower() in {"true", "false", "0", "1"}
    parse = _PARSERS.get(kind)
    if parse is None:
        return True  # a type that the vendor added
    try:
        parse(value)
    except ValueError:
        return False
    return True


def _date(value: str) -> None:
    if _DATE.fullmatch(value) is None:
        raise ValueError  # Python also reads weeks and dates without hyphens, which the vendor does not
    date.fromisoformat(value)


_PARSERS: dict[str, Callable[[str], object]] = {"DATE": _date, "TIMESTAMP": datetime.fromisoformat}


def _plain(name: str) -> str:
    return re.sub(r"[\s_-]", "", name).casefold()
