"""Entries of the schema map: one for each name that the bridge uses in a database. Pure data.

Apteco publishes only part of its databases. An entry that is `published` is named in public material
(docs/why/sources.md, Apteco 3, 4.1 and 4.3); every other is an assumption, based on the field names of Apteco's own
API or on the published delivery commands. Types and keys are always assumptions.

The keys of the schema map, the tables, the check against the real catalogue and the page that `bridge schema-map show`
prints are derived from these entries.
"""

from collections.abc import Iterator
from dataclasses import KW_ONLY, dataclass
from enum import Enum
from typing import Final


class Kind(Enum):
    """The data type of a column."""

    NUMBER = "a number"
    TEXT = "text"
    TIME = "a date with its time"
    #: A state or a type: a word or a number, as set in the schema map.
    VALUE = "a value of the schema map"


NUMBER, TEXT, TIME, VALUE = Kind


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the schema map."""

    key: str
    default: str | int
    _: KW_ONLY
    published: bool = False
    #: A remark for the reader of the map.
    note: str = ""
    #: What is lost when it is mapped to nothing; empty: it is required.
    consequence: str = ""


@dataclass(frozen=True, slots=True)
class Column(Entry):
    """A column. `default` is its name."""

    kind: Kind
    _: KW_ONLY
    #: Maximum number of characters that the bridge writes; None: unlimited.
    length: int | None = None
    #: For `Kind.VALUE`: the keys of its possible values in the map, with their section.
    values: tuple[str, ...] = ()
    written: bool = True
    #: Whether the database generates the value when a row is inserted.
    generated: bool = False
    #: Whether the bridge sometimes leaves it empty.
    nullable: bool = False
    primary_key: bool = False
    #: The `table.column` that it references, by keys.
    references: str = ""
    indexed: bool = False


@dataclass(frozen=True, slots=True)
class Table(Entry):
    """A table or view. `default` is its name."""

    columns: tuple[Column, ...]
    _: KW_ONLY
    #: Whether the bridge inserts rows.
    inserted: bool = True


@dataclass(frozen=True, slots=True)
class Group:
    """Entries that are neither tables nor columns: state values, or XML paths."""

    key: str
    entries: tuple[Entry, ...]
    paths: bool = False


@dataclass(frozen=True, slots=True)
class DatabaseSpec:
    """What the bridge needs of one database. `key` is its section in the schema map."""

    key: str
    tables: tuple[Table, ...]
    groups: tuple[Group, ...]

    def sections(self) -> Iterator[tuple[str, tuple[Entry, ...]]]:
        """Every section of the map with its entries, the table's own name first."""
        yield self.key, (SCHEMA,)
        for table in self.tables:
            own = Entry(
                "table", table.default, published=table.published, note=table.note, consequence=table.consequence
            )
            yield f"{self.key}.{table.key}", (own, *table.columns)
        for group in self.groups:
            yield f"{self.key}.{group.key}", group.entries


SCHEMA: Final = Entry(
    "schema", "", published=True, consequence="the server looks in the login's own schema, then in dbo"
)
