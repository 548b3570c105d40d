"""The columns of a load, and values as every driver accepts them."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import (
    BINARY,
    VARBINARY,
    CheckConstraint,
    Column,
    ColumnElement,
    DateTime,
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

#: Times whose converted values are kept, for each column.
_CACHED_TIMES: Final = 4096
Row = tuple[Any, ...]
Stamp = tuple[str, str | int]
_Values = Sequence[Any]
#: Types of bytes.
BINARIES = LargeBinary | BINARY | VARBINARY


@dataclass(frozen=True, slots=True)
class TargetColumn:
    """A column that is loaded.

    Attributes:
        name: name of the column.
        type: the column's type in the dialect.
        size: characters of a text as SQL Server counts them, in UTF-16; bytes of a binary; None without a maximum.
        ascii_only: whether SQL Server would silently turn what is not ASCII into `?`.
        convert: converts a value for the driver; None where it needs no conversion.
    """

    name: str
    type: TypeEngine[Any]
    size: int | None
    ascii_only: bool
    convert: Callable[[Any], Any] | None


class Target:
    """A table, the columns that get values, and the stamp of one load.

    Args:
        database: where it is.
        table: the table.
        names: the columns that the rows hold, in that order; all others but that of the stamp stay NULL.
        stamp: a column, and the value in it that only the rows of this load have.
    """

    def __init__(self, database: Database, table: Table, names: Sequence[str], stamp: Stamp) -> None:
        self.database = database
        self.table = table
        stamped, self._mark = stamp
        dialect = database.engine.dialect
        loaded = {stamped, *names}
        #: In the order of the table, which is that of every statement.
        self.columns = [_target_column(column, dialect) for column in table.columns if column.name in loaded]
        self._positions = [None if column.name == stamped else names.index(column.name) for column in self.columns]
        if len(self.columns) != len(names) + 1 or stamped in names:
            raise ValueError(f"{table.name} does not have these columns")
        #: The condition for the rows of this load.
        self.rows: ColumnElement[bool] = table.c[stamped] == self._mark

    @property
    def is_constrained(self) -> bool:
        """Whether it has constraints, which a bulk load ignores and whose check needs the right to alter the table."""
        return any(isinstance(rule, CheckConstraint | ForeignKeyConstraint) for rule in self.table.constraints)

    def prepared(self, rows: Iterable[Row]) -> list[Row]:
        """Rows with their stamp, in the order of the table, as the drivers accept them.

        Raises:
            DatabaseValueTooLong: a value does not fit its column.
            DatabaseTextNotAscii: a text would lose characters in its column.
            ValueError: the number of values differs between rows, or a time has no zone.
        """
        values = list(zip(*rows, strict=True))
        if values and len(values) != len(self.columns) - 1:
            raise ValueError("a row does not have as many values as there are columns")
        count = len(values[0]) if values else 0
        stamp = [self._mark] * count
        return list(
            zip(
                *(
                    self._checked(column, stamp if position is None else values[position])
                    for column, position in zip(self.columns, self._positions, strict=True)
                ),
                strict=True,
            )
        )

    def _checked(self, column: TargetColumn, values: _Values) -> _Values:
        if column.convert is not None:
            return [column.convert(value) for value in values]
        if column.size is not None and _longest(values, column) > column.size:
            raise DatabaseValueTooLong(database=self.database.name, reason=self._name(column))
        if column.ascii_only and not all(value is None or value.isascii() for value in values):
            raise DatabaseTextNotAscii(database=self.database.name, column=self._name(column))
        return values

    def _name(self, column: TargetColumn) -> str:
        return f"column {self.table.name}.{column.name}"


def _target_column(column: Column[Any], dialect: Dialect) -> TargetColumn:
    implementation = column.type.dialect_impl(dialect)
    native = implementation.impl_instance if isinstance(implementation, TypeDecorator) else implementation
    sized = isinstance(native, String | BINARIES)
    return TargetColumn(
        name=column.name,
        type=native,
        size=native.length if isinstance(native, String | BINARIES) else None,
        ascii_only=dialect.name == "mssql"
        and isinstance(native, String)
        and not isinstance(native, Unicode | UnicodeText),
        # The drivers accept bytes as they are; not all of them accept what SQLAlchemy would wrap bytes in.
        convert=None if sized else _convert(implementation, dialect),
    )


def _convert(implementation: TypeEngine[Any], dialect: Dialect) -> Callable[[Any], Any] | None:
    convert = implementation.bind_processor(dialect)
    is_time = isinstance(implementation, TypeDecorator | DateTime)
    # The rows of a load have few times, and converting one is slow.
    return lru_cache(maxsize=_CACHED_TIMES)(convert) if convert is not None and is_time else convert


def _longest(values: _Values, column: TargetColumn) -> int:
    longest = max((len(value) for value in values if value is not None), default=0)
    if isinstance(column.type, String) and column.size is not None and longest > column.size // 2:
        # Characters beyond the first 65,536 count twice.
        return max((len(value.encode("utf-16-le")) // 2 for value in values if value is not None), default=0)
    return longest
