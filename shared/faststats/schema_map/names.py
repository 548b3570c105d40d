"""The schema map: tables, columns, state values and XML paths of WS_DB, RS_DB and PS_DB.

The specification says what can be named, its usual name and how certain that is (`spec.py`). The file SCHEMA_MAP_FILE
(TOML, docs/reference/schema-map.md) names what differs in one installation.

The tables serve the statements of `ws_db.py`, `rs_db.py` and `ps_db.py`, and as reference DDL for the demo and the
tests. A column's `key` is the name that our code uses. Every name of the map is quoted in every statement, and its
state values are bound parameters.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Self

from sqlalchemy import BigInteger, Column, ForeignKey, Integer, MetaData, Table, Unicode, quoted_name
from sqlalchemy.types import TypeEngine

from shared.database.types import LocalDateTime
from shared.errors import SettingsInvalid
from shared.faststats.command_xml import XmlPath
from shared.faststats.schema_map import entries
from shared.faststats.schema_map.ps_db import PS_DB
from shared.faststats.schema_map.rs_db import RS_DB
from shared.faststats.schema_map.spec import DATABASES
from shared.faststats.schema_map.ws_db import WS_DB

#: What a sensible identifier of SQL Server is made of; a temporary table's `#` does not begin one.
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
_PATHS: Final = tuple(
    f"{database.key}.{group.key}." for database in DATABASES for group in database.groups if group.paths
)
_VALUES: Final = tuple(
    f"{database.key}.{group.key}." for database in DATABASES for group in database.groups if not group.paths
)


class SchemaMap:
    """The names of one installation, by the keys of the file: `ws_db.job_queue.priority`.

    Args:
        changed: what differs from the usual.

    Raises:
        ValueError: with every entry that cannot be used, and why.
    """

    def __init__(self, changed: Mapping[str, object] = MappingProxyType({})) -> None:
        problems = [f"{key} {why}" for key, value in changed.items() if (why := _objection(key, value))]
        if problems:
            raise ValueError("; ".join(problems))
        self._values: dict[str, Any] = {key: entry.default for key, entry in _ENTRIES.items()} | dict(changed)
        problems = list(self._contradictions())
        if problems:
            raise ValueError("; ".join(problems))

    @classmethod
    def load(cls, file: Path | None) -> Self:
        """The map of a file; without one the usual names.

        Raises:
            SettingsInvalid: the file cannot be read, or says what no map can say.
        """
        if file is None:
            return cls()
        try:
            return cls(dict(_flat(tomllib.loads(file.read_text(encoding="utf-8")))))
        except OSError as error:
            raise SettingsInvalid(reason=f"SCHEMA_MAP_FILE {file} cannot be read ({type(error).__name__})") from None
        except tomllib.TOMLDecodeError as error:
            raise SettingsInvalid(reason=f"SCHEMA_MAP_FILE {file.name} is no TOML: {error}") from None
        except UnicodeDecodeError:
            raise SettingsInvalid(reason=f"SCHEMA_MAP_FILE {file.name} is not UTF-8") from None
        except ValueError as error:
            raise SettingsInvalid(reason=f"SCHEMA_MAP_FILE {file.name}: {error}") from None

    def name(self, key: str) -> str:
        """Name of a schema, table or column; empty where it is mapped to nothing."""
        return str(self._values[key])

    def value(self, key: str) -> str | int:
        """A state value, a word or a number."""
        value: str | int = self._values[key]
        return value

    def path(self, key: str) -> XmlPath:
        """An XML path."""
        return XmlPath.parse(self._values[key])

    def _contradictions(self) -> Iterator[str]:
        for database in DATABASES:
            yield from self._same_names([f"{database.key}.{table.key}.table" for table in database.tables])
            for table in database.tables:
                of_table = f"{database.key}.{table.key}"
                yield from self._same_names([f"{of_table}.{column.key}" for column in table.columns])
                for column in table.columns:
                    if len({type(self._values[key]) for key in column.values}) > 1:
                        yield f"{', '.join(column.values)} are words or numbers, not some of each"
        states = {key: str(self._values[f"ws_db.states.{key}"]).casefold() for key in _STATES}
        for one, other in (("waiting", key) for key in _STATES[1:]):
            if states[one] == states[other]:
                yield f"ws_db.states.{one} and ws_db.states.{other} are the same"
        for other in _STATES[2:]:
            if states["claimed"] == states[other]:
                yield f"ws_db.states.claimed and ws_db.states.{other} are the same"

    def _same_names(self, keys: list[str]) -> Iterator[str]:
        named = sorted((self.name(key).casefold(), key) for key in keys if self.name(key))
        for (one, first), (other, second) in pairwise(named):
            if one == other:
                yield f"{first} and {second} have the same name"


_STATES: Final = ("waiting", "claimed", "done", "failed", "cancelled")


def _flat(content: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    for key, value in content.items():
        dotted = prefix + key
        if isinstance(value, dict) and any(f"{section}.".startswith(f"{dotted}.") for section in _SECTIONS):
            yield from _flat(value, f"{dotted}.")
        else:
            yield dotted, value


def _objection(key: str, value: object) -> str | None:
    """Why the map cannot say this; None when it can."""
    entry = _ENTRIES.get(key)
    if entry is None:
        section = key[: key.rfind(".") + 1]
        below = (known[len(section) :] for known in (*_ENTRIES, *_SECTIONS) if known.startswith(section))
        return f"is not known; there are: {', '.join(dict.fromkeys(name.partition('.')[0] for name in below))}"
    if key.startswith(_VALUES):
        return _value_objection(value)
    if not isinstance(value, str):
        return "is not text in quotes"
    return _path_objection(value) if key.startswith(_PATHS) else _name_objection(value, entry)


def _path_objection(value: str) -> str | None:
    try:
        XmlPath.parse(value)
    except ValueError as error:
        return f"is no element path: {error}"
    return None


def _name_objection(value: str, entry: entries.Entry) -> str | None:
    if not value:
        return None if entry.consequence else "cannot be left out: the bridge needs it"
    if not _IDENTIFIER.fullmatch(value) or len(value) > _LONGEST_IDENTIFIER:
        return (
            f"is not a valid name: letters, digits, spaces and _ - $ @ #, a letter or _ first, "
            f"at most {_LONGEST_IDENTIFIER} characters"
        )
    return None


def _value_objection(value: object) -> str | None:
    match value:
        case bool():
            return "is a word in quotes or a whole number"
        case int():
            return None if abs(value) <= _LARGEST_VALUE else f"is larger than {_LARGEST_VALUE}"
        case str() if value.strip() == value and 0 < len(value) <= _LONGEST_VALUE and not _CONTROL.search(value):
            return None
        case str():
            return f"is a word of 1 to {_LONGEST_VALUE} characters"
        case _:
            return "is a word in quotes or a whole number"


@dataclass(frozen=True, slots=True)
class JobStates:
    """State values of a job."""

    waiting: str | int
    claimed: str | int
    done: str | int
    #: Ended by an error.
    failed: str | int
    cancelled: str | int


@dataclass(frozen=True, slots=True)
class CommandPaths:
    """Paths in the command of a broadcast job: `details` from its root element, the others from there."""

    details: XmlPath
    file_path: XmlPath
    parameters: XmlPath
    urn_column: XmlPath
    email_column: XmlPath
    communication_key_column: XmlPath
    step_id: XmlPath
    run: XmlPath
    list_name: XmlPath
    message_name: XmlPath
    upload_only: XmlPath


@dataclass(frozen=True, slots=True)
class DeliveryPaths:
    """Paths in a delivery command of PS_DB: `details` from its root element, the others from there."""

    details: XmlPath
    file_path: XmlPath
    step_id: XmlPath
    run: XmlPath
    delivery_key: XmlPath


class MappedSchema:
    """Tables of one database under the names of the map.

    Args:
        database: what is needed of it.
        zone: zone of the times in it.
        names: its names.
    """

    def __init__(self, database: entries.DatabaseSpec, zone: str, names: SchemaMap | None) -> None:
        self.spec = database
        self.zone = zone
        self.names = names or SchemaMap()
        self.metadata = MetaData()
        #: By key, without those that are mapped to nothing; so are their columns.
        self.tables: dict[str, Table] = {}
        for table in database.tables:
            if self.names.name(f"{database.key}.{table.key}.table"):
                self.tables[table.key] = self._table(table)

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

    def _paths(self) -> dict[str, XmlPath]:
        return {
            entry.key: self.names.path(f"{self.spec.key}.{group.key}.{entry.key}")
            for group in self.spec.groups
            if group.paths
            for entry in group.entries
        }


class WsDbSchema(MappedSchema):
    """Tables of WS_DB, the Web Service Control database.

    Args:
        zone: zone of the times in it.
        names: the schema map; None: the usual names.
    """

    def __init__(self, zone: str, names: SchemaMap | None = None) -> None:
        super().__init__(WS_DB, zone, names)
        self.job_queue = self.tables["job_queue"]
        self.commands = self.tables["commands"]
        self.results = self.tables.get("results")
        self.delivery_job_summary = self.tables.get("delivery_job_summary")
        self.states = JobStates(**{key: self.names.value(f"ws_db.states.{key}") for key in _STATES})
        #: Job type of an email broadcast.
        self.broadcast_job_type = self.names.value("ws_db.job_types.broadcast")
        self.command = CommandPaths(**self._paths())


class RsDbSchema(MappedSchema):
    """Tables of RS_DB, the response database. `ResponseStats` exists too, but none of its columns is public.

    Args:
        zone: zone of the times in it.
        names: the schema map; None: the usual names.
    """

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
    """The view of PS_DB, PeopleStage's database, that tells of deliveries.

    Args:
        zone: zone of the times in it.
        names: the schema map; None: the usual names.
    """

    def __init__(self, zone: str, names: SchemaMap | None = None) -> None:
        super().__init__(PS_DB, zone, names)
        self.delivery_commands = self.tables["delivery_commands"]
        self.command = DeliveryPaths(**self._paths())


def present(table: Table, row: Mapping[str, object]) -> dict[str, object]:
    """What of a row the installation's table has room for: columns that are mapped to nothing are left out."""
    return {key: value for key, value in row.items() if key in table.c}
