"""Matching the columns of a delivery file with the fields of a recipient list, and checking that values fit.

Field types and system fields: docs/why/sources.md, Optimizely 1.4. The vendor documents no length for any type:
the only limit is `LONGEST_VALUE`, which the delivery file checks.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from functools import partial
from typing import Final

from shared.config.header_names import loose_name
from shared.errors import (
    FieldMapAmbiguous,
    ListFieldMissing,
    ListFieldUnknown,
    ListFileColumnsWrong,
    MappedColumnMissing,
    RequiredFieldMissing,
)
from shared.optimizely.lists.plan import Column, ListPlan, find_position
from shared.optimizely.rest.answers import RecipientListField

#: List fields of the key columns, unless the channel maps these to others.
EMAIL, URN, COMMUNICATION_KEY = "Email", "Urn", "CommunicationKey"
#: List field that every response returns, and that identifies its broadcast.
BROADCAST_KEY = "BroadcastKey"
#: Optimizely fills these itself.
_SYSTEM_FIELDS: Final = ("created", "modified", "bmOptinFinishedDate")

_BITS: Final = {"SHORT": 16, "INTEGER": 32, "LONG": 64}
_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,19}")
_DECIMAL: Final = re.compile(r"[+-]?[0-9]{1,30}(?:[.,][0-9]{1,30})?")
#: A number above a thousand in English, but below in German.
_AMBIGUOUS: Final = re.compile(r"[+-]?[1-9][0-9]{0,2},[0-9]{3}")
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TIMESTAMP: Final = re.compile(rf"{_DATE.pattern}[T ][0-9]{{2}}:[0-9]{{2}}(?::[0-9]{{2}}.*)?")
_BOOLEAN: Final = frozenset({"true", "false", "0", "1"})


class _Fields:
    """The fields of a list by name: the exact internal name, else the loose internal name, else the display name."""

    def __init__(self, fields: Sequence[RecipientListField], list_name: str) -> None:
        system = set(map(loose_name, _SYSTEM_FIELDS))
        self.writable = [field for field in fields if loose_name(field.internal_name) not in system]
        self.list_name = list_name
        self._by_name = {loose_name(field.display_name): field for field in self.writable}
        self._by_name |= {loose_name(field.internal_name): field for field in self.writable}
        self._by_name.pop("", None)
        self._by_internal_name = {field.internal_name: field for field in self.writable}

    def find(self, name: str) -> RecipientListField | None:
        return self._by_internal_name.get(name) or self._by_name.get(loose_name(name))

    def ambiguous(self, field: RecipientListField) -> FieldMapAmbiguous:
        return FieldMapAmbiguous(list=self.list_name, reason=f"two columns for the field {field.internal_name}")


def find_field(fields: Sequence[RecipientListField], name: str) -> RecipientListField | None:
    """The field of a list with this internal or display name, in which case, white space, `_` and `-` do not count."""
    return _Fields(fields, list_name="").find(name)


def plan_columns(  # noqa: PLR0913 - a plan depends on a delivery file, a list and a channel
    columns: Sequence[str],
    *,
    urn: int,
    email: int,
    communication_key: int,
    fields: Sequence[RecipientListField],
    list_name: str,
    fixed: Mapping[str, str],
    extra: Mapping[str, str] | None = None,
    field_map: Mapping[str, str] | None = None,
    order: Sequence[str] = (),
) -> ListPlan:
    """Match the columns of a delivery file with the fields of a list.

    A column is matched with the field that the channel's map assigns to it. Otherwise the key columns are matched with
    the fields `Email`, `Urn` and `CommunicationKey`, every other column with the field whose internal name, or else
    display name, is the same. Case, white space, `_` and `-` in names do not count. Of two columns for one field, the
    one in the map is used, else the first.

    Values: an empty number is written as `0`. Numbers may have a decimal comma, which is written as a point, unless it
    could separate thousands (`1,500`). Dates and timestamps are ISO 8601, booleans `true`, `false`, `0`, `1`.

    Args:
        columns: names of the columns of the delivery file.
        urn: position of the URN.
        email: position of the address.
        communication_key: position of the Communication Key.
        fields: the fields of the list.
        list_name: for errors.
        fixed: list fields with the same value in every row: at least `BroadcastKey`.
        extra: columns with the same value in every row that need not be fields of the list, such as the mailing id of
            the closed loop. They are the last columns.
        field_map: list field, by internal or display name, by column of the delivery file.
        order: all columns of the list file, in order; without it, the keys, the fixed fields and then the others in
            the order of the delivery file.

    Returns:
        The plan; columns that are not written are in its `left_out`.

    Raises:
        FieldMapAmbiguous: a field of the map or of a key has two columns, or a column has two fields.
        ListFieldMissing: the list lacks the field of a key, or a fixed field, or that field cannot hold its value.
        ListFieldUnknown: the list lacks a field that the map names.
        ListFileColumnsWrong: `order` names a column without values, or one twice, or lacks a mandatory one; or an
            extra column is the field of a key.
        MappedColumnMissing: the delivery file lacks a column that the map names.
        RequiredFieldMissing: the list requires a field for which there is no column.
    """
    known = _Fields(fields, list_name)
    mapped = _mapped(columns, field_map or {}, known)
    keys = {EMAIL: email, URN: urn, COMMUNICATION_KEY: communication_key}
    planned = _keys(keys, mapped, known)
    address = next(iter(planned))
    constants = len(columns)  # position of the first constant
    planned |= _fixed(fixed, constants, planned, known)
    extras = _extras(extra or {}, constants + len(fixed), planned, known)
    others, left_out = _others(columns, set(keys.values()), mapped, {*planned, *extras}, known)
    planned |= others | extras
    for field in known.writable:
        if field.required and field.internal_name not in planned:
            raise RequiredFieldMissing(list=list_name, field=field.internal_name)
    if order:
        ordered = _ordered(planned, order, extras, known)
        left_out += [columns[column.position] for name, column in planned.items() if name not in ordered]
        planned = ordered
    return ListPlan(
        list(planned.values()),
        constants=[*fixed.values(), *(extra or {}).values()],
        address=list(planned).index(address),
        list_name=list_name,
        left_out=left_out,
    )


# Parts of a plan: columns of the list file by the internal name of their field


def _mapped(columns: Sequence[str], field_map: Mapping[str, str], known: _Fields) -> dict[int, RecipientListField]:
    """The fields that the channel's map assigns to columns, by position of the column."""
    mapped: dict[int, RecipientListField] = {}
    for column, name in field_map.items():
        position = find_position(columns, column)
        if position is None:
            raise MappedColumnMissing(column=column, field=name)
        field = known.find(name)
        if field is None:
            raise ListFieldUnknown(list=known.list_name, field=name)
        if position in mapped:
            raise FieldMapAmbiguous(list=known.list_name, reason=f"two fields for the column {column}")
        if field in mapped.values():
            raise known.ambiguous(field)
        mapped[position] = field
    return mapped


def _keys(keys: Mapping[str, int], mapped: Mapping[int, RecipientListField], known: _Fields) -> dict[str, Column]:
    planned: dict[str, Column] = {}
    for key, position in keys.items():
        field = mapped.get(position) or known.find(key)
        if field is None:
            raise ListFieldMissing(list=known.list_name, field=key)
        # Every row of the delivery file has a value for every key.
        column = Column(field.internal_name, position, convert=_converter(field.type))
        if planned.setdefault(field.internal_name, column).position != position:
            raise known.ambiguous(field)
    return planned


def _fixed(fixed: Mapping[str, str], first: int, planned: Mapping[str, Column], known: _Fields) -> dict[str, Column]:
    fixed_columns = {}
    for position, (name, value) in enumerate(fixed.items(), first):
        field = known.find(name)
        if field is None:
            raise ListFieldMissing(list=known.list_name, field=name)
        if field.internal_name in planned:
            raise known.ambiguous(field)
        convert = _converter(field.type)
        if convert is not None and convert(value) != value:
            raise ListFieldMissing(list=known.list_name, field=f"{name} that accepts {value!r}")
        fixed_columns[field.internal_name] = Column(field.internal_name, position)
    return fixed_columns


def _extras(extra: Mapping[str, str], first: int, planned: Mapping[str, Column], known: _Fields) -> dict[str, Column]:
    extras = {}
    for position, name in enumerate(extra, first):
        field = known.find(name)
        key = name if field is None else field.internal_name
        if key in planned:
            raise ListFileColumnsWrong(list=known.list_name, reason=f"the column {name} occurs twice")
        extras[key] = Column(name, position)
    return extras


def _others(
    columns: Sequence[str], keys: set[int], mapped: Mapping[int, RecipientListField], used: set[str], known: _Fields
) -> tuple[dict[str, Column], list[str]]:
    """The columns other than keys, and the names of those without a field."""
    others: dict[str, Column] = {}
    left_out = []
    by_map = {field.internal_name for field in mapped.values()}
    for position, column in enumerate(columns):
        if position in keys:
            continue
        field = mapped.get(position)
        if field is None:
            field = known.find(column)
            if field is None or field.internal_name in used | by_map | others.keys():
                left_out.append(column)
                continue
        elif field.internal_name in used:
            raise known.ambiguous(field)
        others[field.internal_name] = Column(
            field.internal_name,
            position,
            mandatory=field.required,
            convert=_converter(field.type),
            required=field.required,
        )
    return others, left_out


def _ordered(
    planned: Mapping[str, Column], order: Sequence[str], extras: Mapping[str, Column], known: _Fields
) -> dict[str, Column]:
    ordered: dict[str, Column] = {}
    by_extra = {loose_name(column.name): key for key, column in extras.items()}
    for name in order:
        field = known.find(name)
        key = by_extra.get(loose_name(name), "" if field is None else field.internal_name)
        if key not in planned:
            raise ListFileColumnsWrong(list=known.list_name, reason=f"there is no value for the column {name}")
        if key in ordered:
            raise ListFileColumnsWrong(list=known.list_name, reason=f"the column {name} occurs twice")
        ordered[key] = planned[key]
    for key, column in planned.items():
        if column.mandatory and key not in ordered:
            raise ListFileColumnsWrong(list=known.list_name, reason=f"the mandatory column {column.name} is missing")
    return ordered


# Values


def _converter(kind: str) -> Callable[[str], str | None] | None:
    """Converts a value to a field type, or to None if it is invalid; no function if any text is valid."""
    if kind in _BITS:
        limit = 2 ** (_BITS[kind] - 1)
        return lambda value: _integer(value, limit)
    return _CONVERTERS.get(kind)


def _integer(value: str, limit: int) -> str | None:
    text = value or "0"  # empty numbers make the vendor's API fail (docs/why/sources.md, Apteco 6.3)
    return text if _INTEGER.fullmatch(text) and -limit <= int(text) < limit else None


def _decimal(value: str) -> str | None:
    text = value or "0"
    if not _DECIMAL.fullmatch(text) or _AMBIGUOUS.fullmatch(text):
        return None
    return text.replace(",", ".")


def _iso(text: str, *, pattern: re.Pattern[str], parse: Callable[[str], date]) -> str | None:
    if not text:
        return text
    if not pattern.fullmatch(text):
        return None  # Python accepts more forms of ISO 8601 than the vendor
    try:
        parse(text)
    except ValueError:
        return None
    return text


def _boolean(value: str) -> str | None:
    return value if not value or value.lower() in _BOOLEAN else None


_CONVERTERS: Final[dict[str, Callable[[str], str | None]]] = {
    "FLOAT": _decimal,
    "DECIMAL": _decimal,
    "DATE": partial(_iso, pattern=_DATE, parse=date.fromisoformat),
    "TIMESTAMP": partial(_iso, pattern=_TIMESTAMP, parse=datetime.fromisoformat),
    "BOOLEAN": _boolean,
}
