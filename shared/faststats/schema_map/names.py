"""The schema map: tables, columns, state values and XML paths of WS_DB, RS_DB and PS_DB.

The specification (`spec.py`) lists the names, with their defaults and how certain they are. The file SCHEMA_MAP_FILE
(TOML, docs/reference/schema-map.md) contains the names that differ in one installation.

The tables are used by the statements of `ws_db.py`, `rs_db.py` and `ps_db.py`, and as reference DDL for the demo and
the tests. A column's `key` is its name in our code. Every name of the map is quoted in every statement, and its state
values are bound parameters.
"""

import re
from collections.abc import Iterator, Mapping
from itertools import combinations, pairwise
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Self

from sqlalchemy import BigInteger, Column, ForeignKey, Integer, MetaData, Table, Unicode, quoted_name
from sqlalchemy.types import TypeEngine

from shared.config.validation import read_toml
from shared.database.types import LocalDateTime
from shared.faststats.command_xml import XmlPath
from shared.faststats.schema_map import entries
from shared.faststats.schema_map.ps_db import PS_DB
from shared.faststats.schema_map.rs_db import RS_DB
from shared.faststats.schema_map.spec import DATABASES
from shared.faststats.schema_map.ws_db import STATES, WS_DB

#: The characters allowed in an identifier; it cannot begin with `#`, as a temporary table does.
_IDENTIFIER: Final = re.compile(r"[^\W\d](?:[\w $@#-]*[\w$@#-])?")
_LONGEST_IDENTIFIER: Final = 128
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_LONGEST_VALUE: Final = 50
_LARGEST_VALUE: Final = 2**31 - 1
_ENTRIES: Final = MappingProxyType(
    {
        f"{section}.{entry.key}": entry
        for database in DATABASES
        for section, entries in database.sections()
        for entry in entries
    }
)
_SECTIONS: Final = tuple(section for database in DATABASES for section, _ in database.sections())
_GROUPS: Final = {f"{database.key}.{group.key}": group for database in DATABASES for group in database.groups}


class SchemaMap:
    """The names of one installation, by the keys of the file: `ws_db.job_queue.priority`.

    Args:
        changed: the entries that differ from the defaults.

    Raises:
        ValueError: entries are invalid; the message has each with the reason.
    """

    def __init__(self, changed: Mapping[str, object] = MappingProxyType({})) -> None:
        problems = [f"{key} {why}" for key, value in changed.items() if (why := _problem(key, value))]
        if problems:
            raise ValueError("; ".join(problems))
        self._values: dict[str, Any] = {key: entry.default for key, entry in _ENTRIES.items()} | dict(changed)
        problems = list(self._contradictions())
        if problems:
            raise ValueError("; ".join(problems))

    @classmethod
    def load(cls, file: Path | None) -> Self:
        """The map in a file; without a file, the default names.

        Raises:
            SettingsInvalid: the file cannot be read or is invalid.
        """
        if file is None:
            return cls()
        return read_toml("SCHEMA_MAP_FILE", file, lambda content: cls(dict(_flat(content))))

    def name(self, key: str) -> str:
        """Name of a schema, table or column; empty if it is mapped to nothing."""
        return str(self._values[key])

    def value(self, key: str) -> str | int:
        """A state value: a word or a number."""
        value: str | int = self._values[key]
        return value

    def path(self, key: str) -> XmlPath:
        """An XML path."""
        return XmlPath.parse(self._values[key])

    def _contradictions(self) -> Iterator[str]:
        for database in DATABASES:
            yield from self._same_names([f"{database.key}.{table.key}.table" for table in database.tables])
            for table in database.tables:
                section = f"{database.key}.{table.key}"
                yield from self._same_names([f"{section}.{column.key}" for column in table.columns])
                for column in table.columns:
                    if len({type(self._values[key]) for key in column.values}) > 1:
                        yield f"{', '.join(column.values)} must all be words or all be numbers"
        for key, other in combinations((f"ws_db.states.{state.key}" for state in STATES), 2):
            # A job that has ended may have one state, however it ended.
            if key.endswith((".waiting", ".claimed")) and self._word(key) == self._word(other):
                yield f"{key} and {other} are the same"

    def _word(self, key: str) -> str:
        return str(self._values[key]).casefold()

    def _same_names(self, keys: list[str]) -> Iterator[str]:
        named = sorted((self.name(key).casefold(), key) for key in keys if self.name(key))
        for (name, key), (next_name, next_key) in pairwise(named):
            if name == next_name:
                yield f"{key} and {next_key} have the same name"


def _flat(content: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    for key, value in content.items():
        dotted = prefix + key
        if isinstance(value, dict) and any(f"{section}.".startswith(f"{dotted}.") for section in _SECTIONS):
            yield from _flat(value, f"{dotted}.")
        else:
            yield dotted, value


def _problem(key: str, value: object) -> str | None:
    """Why an entry is invalid; None if it is valid."""
    entry = _ENTRIES.get(key)
    if entry is None:
        section = key[: key.rfind(".") + 1]
        below = (known[len(section) :] for known in (*_ENTRIES, *_SECTIONS) if known.startswith(section))
        return f"is unknown; valid keys: {', '.join(dict.fromkeys(name.partition('.')[0] for name in below))}"
    group = _GROUPS.get(key.rpartition(".")[0])
    if group is not None and not group.paths:
        return _value_problem(value)
    if not isinstance(value, str):
        return "must be text in quotes"
    return _name_problem(value, entry) if group is None else _path_problem(value)


def _path_problem(value: str) -> str | None:
    try:
        XmlPath.parse(value)
    except ValueError as error:
        return f"is not a valid element path: {error}"
    return None


def _name_problem(value: str, entry: entries.Entry) -> str | None:
    if not value:
        return None if entry.consequence else "is required and cannot be empty"
    if not _IDENTIFIER.fullmatch(value) or len(value) > _LONGEST_IDENTIFIER:
        return (
            f"is not a valid name: letters, digits, spaces and _ - $ @ #, a letter or _ first, "
            f"at most {_LONGEST_IDENTIFIER} characters"
        )
    return None


def _value_problem(value: object) -> str | None:
    match value:
        case bool():
            return "must be a word in quotes or a whole number"
        case int():
            return None if abs(value) <= _LARGEST_VALUE else f"is larger than {_LARGEST_VALUE}"
        case str() if value.strip() == value and 0 < len(value) <= _LONGEST_VALUE and not _CONTROL.search(value):
            return None
        case str():
            return f"must be a word of 1 to {_LONGEST_VALUE} characters"
        case _:
            return "must be a word in quotes or a whole number"


class MappedSchema:
    """Tables of one database, named as in the map.

    Args:
        database: its specification.
        zone: time zone of its times.
        names: the schema map; None: the default names.
    """

    def __init__(self, database: entries.DatabaseSpec, zone: str, names: SchemaMap | None) -> None:
        self.spec = database
        self.zone = zone
        self.names = names or SchemaMap()
        self.metadata = MetaData()
        #: By key; tables and columns that are mapped to nothing are left out.
        self.tables: dict[str, Table] = {}
        for table in database.tables:
            if self.names.name(f"{database.key}.{table.key}.table"):
                self.tables[table.key] = self._table(table)
        #: Paths in a command by their keys: `details` is relative to the root element, the others to `details`.
        self.paths = {
            entry.key: self.names.path(f"{database.key}.{group.key}.{entry.key}")
            for group in database.groups
            if group.paths
            for entry in group.entries
        }

    def _table(self, table: entries.Table) -> Table:
        section = f"{self.spec.key}.{table.key}"
        schema = self.names.name(f"{self.spec.key}.schema")
        mapped = [column for column in table.columns if self.names.name(f"{section}.{column.key}")]
        return Table(
            quoted_name(self.names.name(f"{section}.table"), quote=True),
            self.metadata,
            *(self._column(column, self.names.name(f"{section}.{column.key}")) for column in mapped),
            schema=quoted_name(schema, quote=True) if schema else None,
        )

    def _column(self, column: entries.Column, name: str) -> Column[Any]:
        references = []
        if column.references:
            table, _, key = column.references.partition(".")
            references.append(ForeignKey(self.tables[table].c[key]))
        return Column(
            quoted_name(name, quote=True),
            self._type(column),
            *references,
            key=column.key,
            primary_key=column.primary_key,
            nullable=column.nullable,
            autoincrement=column.generated,
            index=column.indexed or None,
        )

    def _type(self, column: entries.Column) -> TypeEngine[Any]:
        match column.kind:
            case entries.Kind.TIME:
                return LocalDateTime(self.zone)
            case entries.Kind.TEXT:
                return Unicode(column.length)
            case entries.Kind.VALUE if isinstance(self.names.value(column.values[0]), str):
                return Unicode(_LONGEST_VALUE)
            case _:
                return BigInteger().with_variant(Integer, "sqlite")


class WsDbSchema(MappedSchema):
    """Tables of WS_DB, the Web Service Control database."""

    def __init__(self, zone: str, names: SchemaMap | None = None) -> None:
        super().__init__(WS_DB, zone, names)
        self.job_queue = self.tables["job_queue"]
        self.commands = self.tables["commands"]
        self.results = self.tables.get("results")
        self.delivery_job_summary = self.tables.get("delivery_job_summary")
        #: State values of a job by their keys; `failed`: ended with an error.
        self.states = {state.key: self.names.value(f"ws_db.states.{state.key}") for state in STATES}
        #: Job type of an email broadcast.
        self.broadcast_job_type = self.names.value("ws_db.job_types.broadcast")


class RsDbSchema(MappedSchema):
    """Tables of RS_DB, the response database. `ResponseStats` also exists, but its columns are not public."""

    def __init__(self, zone: str, names: SchemaMap | None = None) -> None:
        super().__init__(RS_DB, zone, names)
        self.broadcasts = self.tables["broadcasts"]
        self.broadcasts_detail = self.tables["broadcasts_detail"]
        self.response = self.tables["response"]
        self.response_details = self.tables["response_details"]
        #: `Broadcasts.Broadcaster` of the broadcasts that this bridge carries.
        self.broadcaster = self.names.value("rs_db.values.broadcaster")
        #: `BroadcastsDetail.ActionType` and `.Status`.
        self.prepared = self.names.value("rs_db.values.prepared")
        self.delivered = self.names.value("rs_db.values.delivered")
        self.completed = self.names.value("rs_db.values.completed")


class PsDbSchema(MappedSchema):
    """The view of PS_DB, PeopleStage's database, that lists deliveries."""

    def __init__(self, zone: str, names: SchemaMap | None = None) -> None:
        super().__init__(PS_DB, zone, names)
        self.delivery_commands = self.tables["delivery_commands"]


def present(table: Table, row: Mapping[str, object]) -> dict[str, object]:
    """The values of a row whose columns exist in the installation, without those that are mapped to nothing."""
    return {key: value for key, value in row.items() if key in table.c}
