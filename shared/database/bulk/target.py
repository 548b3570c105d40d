"""The columns that are loaded, and values as every driver takes them."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    BINARY,
    VARBINARY,
    CheckConstraint,
    Column,
    ColumnElement,
    Dialect,
    ForeignKeyConstraint,
    LargeBinary,
    String,
    Table,
    TypeDecorator,
    Unicode,
    UnicodeText,
)
from sqlalchemy.types import TypeEngine

from shared.database.connections import Database
from shared.errors import DatabaseTextNotAscii, DatabaseValueTooLong

Row = tuple[Any, ...]
Stamp = tuple[str, str | int]
_Values = Sequence[Any]
#: Types of bytes.
BINARIES = LargeBinary | BINARY | VARBINARY


@dataclass(frozen=True, slots=True)
class TargetColumn:
    """A column that is loaded.

    Attributes:
        type: what the dialect makes of the column's type.
        size: characters of a text as SQL Server counts them, in UTF-16; bytes of a binary; None where there is no end.
        ascii_only: whether SQL Server would turn what is not ASCII into `?`, without a word.
        convert: what a value goes through; None where it goes as it is.
    """

    column: Column[Any]
    type: TypeEngine[Any]
    size: int | None
    ascii_only: bool
    convert: Callable[[Any], Any] | None


class Target:
    """A table, those of its columns that get values, and the stamp of one load.

    Args:
        database: where it is.
        table: the table.
        names: the columns that rows bring, in their order; the others but that of the stamp stay NULL.
        stamp: a column, and the value in it that no rows but those of this load have.
    """

    def __init__(self, database: Database, table: Table, names: Sequence[str], stamp: Stamp) -> None:
        self.database = database
        self.table = table
        stamped, self._mark = stamp
        dialect = database.engine.dialect
        loaded = {stamped, *names}
        #: In the order of the table, which is that of every statement.
        self.columns = [_planned(column, dialect) for column in table.columns if column.name in loaded]
        self._places = [
            None if planned.column.name == stamped else names.index(planned.column.name) for planned in self.columns
        ]
        if len(self.columns) != len(names) + 1 or stamped in names:
            msg = f"{table.name} has not these columns"
            raise ValueError(msg)
        #: Which rows of the table are this load's.
        self.rows: ColumnElement[bool] = table.c[stamped] == self._mark

    @property
    def is_constrained(self) -> bool:
        """Whether it has conditions that a bulk load passes over, for which the login needs a right to alter it."""
        return any(isinstance(one, CheckConstraint | ForeignKeyConstraint) for one in self.table.constraints)

    def prepared(self, rows: Iterable[Row]) -> list[Row]:
        """Rows with their stamp, in the order of the table, as the drivers take them.

        Raises:
            DatabaseValueTooLong: a value does not fit its column.
            DatabaseTextNotAscii: a text would lose characters in its column.
            ValueError: a row has another number of values than the first, or a time has no zone.
        """
        values = list(zip(*rows, strict=True))
        if values and len(values) != len(self.columns) - 1:
            msg = "a row has another number of values than there are columns"
            raise ValueError(msg)
        count = len(values[0]) if values else 0
        stamp = [self._mark] * count
        return list(
            zip(
                *(
                    self._checked(column, stamp if place is None else values[place])
                    for column, place in zip(self.columns, self._places, strict=True)
                ),
                strict=True,
            )
        )

    def _checked(self, planned: TargetColumn, values: _Values) -> _Values:
        if planned.convert is not None:
            return [planned.convert(value) for value in values]
        if planned.size is not None and _longest(values, planned) > planned.size:
            raise DatabaseValueTooLong(database=self.database.name, reason=self._name(planned))
        if planned.ascii_only and not all(value is None or value.isascii() for value in values):
            raise DatabaseTextNotAscii(database=self.database.name, column=self._name(planned))
        return values

    def _name(self, planned: TargetColumn) -> str:
        return f"column {self.table.name}.{planned.column.name}"


def _planned(column: Column[Any], dialect: Dialect) -> TargetColumn:
    made = column.type.dialect_impl(dialect)
    here = made.impl_instance if isinstance(made, TypeDecorator) else made
    sized = isinstance(here, String | BINARIES)
    return TargetColumn(
        column=column,
        type=here,
        size=here.length if isinstance(here, String | BINARIES) else None,
        ascii_only=dialect.name == "mssql" and isinstance(here, String) and not isinstance(here, Unicode | UnicodeText),
        # The drivers take bytes as they are; what SQLAlchemy would wrap them in is not taken by all of them.
        convert=None if sized else made.bind_processor(dialect),
    )


def _longest(values: _Values, planned: TargetColumn) -> int:
    longest = max((len(value) for value in values if value is not None), default=0)
    if isinstance(planned.type, String) and planned.size is not None and longest > planned.size // 2:
        # Characters beyond the first 65,536 take two places each.
        return max((len(value.encode("utf-16-le")) // 2 for value in values if value is not None), default=0)
    return longest
