"""The bridge's tables in one database: which migrations it has, which it lacks, and how it gets them.

Each migration is applied under a lock, in a transaction of its own together with its record. So it does not matter how
often it is asked for, nor how many ask at once, and what fails leaves nothing behind.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from sqlalchemy import Connection, Insert, func, insert, inspect, select
from sqlalchemy.exc import DBAPIError

from shared.database.connections import Database
from shared.database.locks import acquire_lock, lock_statement
from shared.errors import MigrationChanged, MigrationFailed, SchemaOutOfDate, SchemaTooNew
from shared.ledger.migrations import Migration, known_migrations
from shared.ledger.tables import metadata
from shared.ledger.tables import migration as table

#: One turn at a time to apply migrations.
_TURN: Final = "bridge.migration"


class MigrationState(StrEnum):
    """The state of a migration in a database."""

    APPLIED = "applied"
    PENDING = "pending"
    CHANGED = "changed"  #: applied, but with other statements than this code has
    UNKNOWN = "unknown"  #: applied by newer code, beside which this code can work
    TOO_NEW = "too new"  #: applied by newer code; this code cannot work any more


@dataclass(frozen=True, slots=True)
class Line:
    """One migration of a database or of this code."""

    number: int
    name: str
    state: MigrationState
    #: None while it is pending.
    applied_at: datetime | None


@dataclass(frozen=True, slots=True)
class _Applied:
    """A row of the table `migration`."""

    number: int
    name: str
    checksum: str
    breaking: bool
    applied_at: datetime


class Schema:
    """The bridge's tables in one database.

    Args:
        database: the response database.
        migrations: what the code knows, in order; None: every migration that there is for this kind of database.
    """

    def __init__(self, database: Database, migrations: Sequence[Migration] | None = None) -> None:
        self._database = database
        self._dialect = database.engine.dialect
        self._known = known_migrations(self._dialect.name) if migrations is None else tuple(migrations)

    def check(self) -> None:
        """Make sure that this code can work with the tables; one short query.

        Raises:
            SchemaOutOfDate: they lack a migration.
            SchemaTooNew: they have one that this code does not know and cannot work with.
        """
        for line in self.status():
            match line.state:
                case MigrationState.PENDING:
                    raise SchemaOutOfDate(database=self._database.name, number=line.number, name=line.name)
                case MigrationState.TOO_NEW:
                    raise SchemaTooNew(database=self._database.name, number=line.number, name=line.name)

    def status(self) -> list[Line]:
        """Every migration of the database and of this code, in order."""
        with self._database.reading() as connection:
            applied = {one.number: one for one in self._applied(connection)}
        known = {one.number: one for one in self._known}
        lines = [
            Line(one.number, one.name, _state(known.get(one.number), one), one.applied_at) for one in applied.values()
        ]
        lines += [
            Line(one.number, one.name, MigrationState.PENDING, None) for one in self._known if one.number not in applied
        ]
        return sorted(lines, key=lambda line: line.number)

    def pending(self) -> list[Migration]:
        """The migrations that the database lacks, in order.

        Raises:
            MigrationChanged: one that it has is not as this code has it.
        """
        with self._database.reading() as connection:
            return self._pending(connection)

    def migrate(self) -> list[Migration]:
        """Apply what is pending; concurrent calls wait for each other.

        Returns:
            What this call applied: nothing if another process was faster.

        Raises:
            MigrationChanged: a migration that the database has is not as this code has it.
            MigrationFailed: the database refused a statement; that migration is undone, those before it are kept.
            DatabaseUnavailable: another process applies migrations and does not finish.
        """
        done = []
        while migration := self._apply_next():
            done.append(migration)
        return done

    def plan(self) -> str:
        """What `migrate` would do, as a script that a database administrator can read, and run instead.

        It stops at its first error, and undoes the migration that the error is in.

        Raises:
            MigrationChanged: a migration that the database has is not as this code has it.
        """
        pending = self.pending()
        if self._dialect.name == "mssql":
            return "\nGO\n\n".join([*self._sql_server_plan(pending), ""]) if pending else ""
        return "".join(f"{part};\n\n" for migration in pending for part in self._sqlite_plan(migration))

    # Applying

    def _apply_next(self) -> Migration | None:
        if not self.pending():
            return None  # and no right to change anything is needed
        with self._database.writing() as connection:
            acquire_lock(connection, _TURN)
            pending = self._pending(connection)
            if not pending:
                return None
            migration = pending[0]
            for number, statement in enumerate(migration.statements, 1):
                try:
                    connection.exec_driver_sql(statement)
                except DBAPIError as error:
                    # Texts of SQLite name tables and columns only; those of SQL Server are numbers by now.
                    reason = str(error.orig.args[-1]) if error.orig and error.orig.args else type(error).__name__
                    raise MigrationFailed(
                        number=migration.number, name=migration.name, statement=number, reason=reason
                    ) from None
            connection.execute(self._record(migration))
        return migration

    def _pending(self, connection: Connection) -> list[Migration]:
        applied = {one.number: one for one in self._applied(connection)}
        for migration in self._known:
            if migration.number in applied and applied[migration.number].checksum != migration.checksum:
                raise MigrationChanged(
                    database=self._database.name, number=migration.number, name=applied[migration.number].name
                )
        return [migration for migration in self._known if migration.number not in applied]

    def _applied(self, connection: Connection) -> list[_Applied]:
        if not self._is_begun(connection):
            return []
        rows = connection.execute(select(table).order_by(table.c.number)).all()
        return [_Applied(**row._asdict()) for row in rows]

    def _is_begun(self, connection: Connection) -> bool:
        """Whether there is a table of migrations at all."""
        if self._dialect.name == "mssql":
            return connection.scalar(select(func.object_id(table.fullname, "U"))) is not None
        return inspect(connection).has_table(table.name)

    def _record(self, migration: Migration) -> Insert:
        """The row of `migration`, with the time of the database, as a script has no other."""
        now = func.sysutcdatetime() if self._dialect.name == "mssql" else func.strftime("%Y-%m-%d %H:%M:%f000", "now")
        return insert(table).values(
            number=migration.number,
            name=migration.name,
            checksum=migration.checksum,
            breaking=migration.breaking,
            applied_at=now,
        )

    # Planning

    def _sql_server_plan(self, pending: Sequence[Migration]) -> Iterator[str]:
        # An error has ended the transaction: afterwards nothing is executed any more, whatever runs the script.
        stop_after_error = "IF @@TRANCOUNT = 0 SET NOEXEC ON"
        yield "SET XACT_ABORT ON"
        yield "SET QUOTED_IDENTIFIER ON"  # sqlcmd turns it off, and an index with a condition needs it
        for migration in pending:
            yield (
                f"-- {migration.title}\nBEGIN TRANSACTION;\n{lock_statement(_TURN)}\n"
                "IF @got < 0 BEGIN RAISERROR('Another process applies migrations.', 16, 1); ROLLBACK TRANSACTION; END"
            )
            for statement in (*migration.statements, self._literal(self._record(migration))):
                yield stop_after_error
                yield statement
            yield stop_after_error
            yield "COMMIT TRANSACTION"
        yield "SET NOEXEC OFF"

    def _sqlite_plan(self, migration: Migration) -> Iterator[str]:
        yield f"-- {migration.title}\nBEGIN IMMEDIATE"
        yield from migration.statements
        yield self._literal(self._record(migration))
        yield "COMMIT"

    def _literal(self, statement: Insert) -> str:
        schemas = {} if self._dialect.name == "mssql" else {metadata.schema: None}
        return str(
            statement.compile(
                dialect=self._dialect,
                schema_translate_map=schemas,
                render_schema_translate=bool(schemas),
                compile_kwargs={"literal_binds": True},
            )
        )


def _state(known: Migration | None, applied: _Applied) -> MigrationState:
    if known is None:
        return MigrationState.TOO_NEW if applied.breaking else MigrationState.UNKNOWN
    return MigrationState.APPLIED if known.checksum == applied.checksum else MigrationState.CHANGED
