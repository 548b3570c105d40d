"""A stand-in for pyodbc: it takes T-SQL as the code sends it, notes it, and runs it on SQLite files.

The code believes to speak to SQL Server, so that each statement is the one that a server would get: with its hints,
its `OUTPUT`, its batches of values. sqlglot reads it as T-SQL and writes it for SQLite. Like Microsoft's driver it
allows one open result on a connection.
"""

import re
import sqlite3
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import sqlglot
from sqlglot import TokenType, exp
from sqlglot.dialects.tsql import TSQL

from tests.contract.tsql.catalogue import reflect

SHARED: Final = Path(__file__).parents[3] / "shared"
#: What stands between a statement and the driver, whatever is sent.
DIALECT: Final = SHARED / "database" / "mssql_dialect.py"

#: What SQLAlchemy's dialect asks for when it first connects, by a part of its question.
_FACTS: Final[Mapping[str, object]] = {
    "ProductVersion": "16.0.1000.6",
    "schema_name()": "dbo",
    "sys.system_views": "dm_exec_sessions",
    "transaction_isolation_level": "READ COMMITTED",
    "test max support": "test max support",
    "fn_listextendedproperty": 1,
}
#: What the code itself asks, and SQLite cannot answer: a lock is had, a table is there.
_ANSWERS: Final[Mapping[str, object]] = {"sp_getapplock": 0, "object_id": 1}
#: What begins each message of the server.
_SERVER: Final = "[Microsoft][ODBC Driver 18 for SQL Server][SQL Server]"
#: What SQL Server reports as a conflict with a constraint; the rest is a duplicate key.
_CONFLICTS: Final = frozenset({"SQLITE_CONSTRAINT_FOREIGNKEY", "SQLITE_CONSTRAINT_CHECK"})
#: What is noted but not run: settings of a session, which SQLite does not have.
_NOT_RUN: Final = (exp.Set,)
#: How a time of a column of SQLite looks; as SQLAlchemy writes it there.
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}")
_TIME_FORMAT: Final = "%Y-%m-%d %H:%M:%S.%f"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a call ends in a source file: that distinguishes it from every other, also from one within it."""

    file: Path
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file.relative_to(SHARED.parent)}:{self.line}"


@dataclass(frozen=True, slots=True)
class Sent:
    """A statement as the driver got it."""

    text: str
    parameters: int
    place: Place | None


class Error(Exception):
    """The kinds of error that Python's database interface knows."""


class DatabaseError(Error):
    pass


class IntegrityError(DatabaseError):
    pass


class ProgrammingError(DatabaseError):
    pass


#: A statement whose result goes through a table variable: SQLite returns it by itself.
_THROUGH_VARIABLE: Final = re.compile(
    r"DECLARE @bridge_output TABLE \(.*?\); (.*); SELECT [\w, ]+ FROM @bridge_output", re.DOTALL
)
_SAVEPOINT: Final = re.compile(r"(SAVE|ROLLBACK) TRANSACTION (\w+)")


class Connection:
    """A connection whose transaction begins with the first write: until then each statement sees what is committed."""

    def __init__(self, driver: "Driver", file: Path) -> None:
        self.driver = driver
        self.autocommit = False
        #: Whether an error ends the whole transaction, not only its statement.
        self.xact_abort = False
        self.sqlite = sqlite3.connect(file, timeout=60, isolation_level=None, check_same_thread=False)
        self.sqlite.execute("PRAGMA foreign_keys = ON")
        self.sqlite.create_function("SYSUTCDATETIME", 0, lambda: _to_sqlite(datetime.now(UTC)))
        self.open_result: Cursor | None = None

    def cursor(self) -> "Cursor":
        return Cursor(self)

    def commit(self) -> None:
        if self.sqlite.in_transaction:
            self.sqlite.execute("COMMIT")

    def rollback(self) -> None:
        if self.sqlite.in_transaction:
            self.sqlite.execute("ROLLBACK")

    def close(self) -> None:
        self.sqlite.close()

    def add_output_converter(self, *_: object) -> None:
        """How types are read that nothing here has."""

    def begin_write(self) -> None:
        if not self.autocommit and not self.sqlite.in_transaction:
            self.sqlite.execute("BEGIN IMMEDIATE")


class Cursor:
    """A cursor, with what SQLAlchemy uses of it."""

    arraysize = 1
    fast_executemany = False

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._results: list[tuple[Any, list[tuple[Any, ...]]]] = []
        self.description: Any = None
        self.rowcount = -1

    def execute(self, statement: str, *parameters: Any) -> "Cursor":
        row = tuple(parameters[0]) if parameters and isinstance(parameters[0], (list, tuple)) else parameters
        fact = next((answer for part, answer in _FACTS.items() if part in statement), None)
        if fact is not None:
            self._show([(_described("fact"), [(fact,)])])
            return self
        self._note(statement, row)
        reflected = reflect(self._connection.sqlite, statement, row)
        if reflected is not None:
            columns, rows = reflected
            self._show([([_described(name)[0] for name in columns], rows)])
            return self
        if statement == "IF @@TRANCOUNT = 0 BEGIN TRANSACTION":
            self._show([])
            return self
        answer = next((answer for part, answer in _ANSWERS.items() if part in statement), None)
        self._show(list(self._run(statement, row)) if answer is None else [(_described("answer"), [(answer,)])])
        return self

    def executemany(self, statement: str, rows: Sequence[Sequence[Any]]) -> None:
        self._note(statement, tuple(rows[0]))
        counted = 0
        for row in rows:
            self._show(list(self._run(statement, tuple(row))))
            counted += self.rowcount
        self.rowcount = counted

    def fetchone(self) -> tuple[Any, ...] | None:
        rows = self._results[0][1]
        if not rows:
            self._read_to_its_end()
            return None
        return rows.pop(0)

    def fetchmany(self, size: int = arraysize) -> list[tuple[Any, ...]]:
        rows = self._results[0][1]
        taken, rows[:] = rows[:size], rows[size:]
        if len(taken) < size:
            self._read_to_its_end()
        return taken

    def fetchall(self) -> list[tuple[Any, ...]]:
        rows = self._results[0][1]
        taken, rows[:] = rows[:], []
        self._read_to_its_end()
        return taken

    def nextset(self) -> bool:
        self._results.pop(0)
        if not self._results:
            return False
        self.description = self._results[0][0]
        return True

    def setinputsizes(self, sizes: object) -> None:
        """Types of parameters, which SQLite does not have."""

    def close(self) -> None:
        self._read_to_its_end()

    def _read_to_its_end(self) -> None:
        if self._connection.open_result is self:
            self._connection.open_result = None

    def _show(self, results: list[tuple[Any, list[tuple[Any, ...]]]]) -> None:
        self._results = results
        self.description = results[0][0] if results else None
        self._connection.open_result = self if any(description for description, _ in results) else None

    def _note(self, statement: str, row: tuple[Any, ...]) -> None:
        if self._connection.open_result not in {None, self}:
            # What Microsoft's driver says where MARS is off.
            raise Error("HY000", "[HY000] Connection is busy with results for another command (0)")
        self._connection.driver.sent.append(Sent(statement, len(row), _place()))

    def _run(self, statement: str, row: tuple[Any, ...]) -> Iterator[tuple[Any, list[tuple[Any, ...]]]]:
        if statement.startswith("SET XACT_ABORT"):
            self._connection.xact_abort = statement.endswith("ON")
        if point := _SAVEPOINT.fullmatch(statement):
            self._set_savepoint(*point.groups())
            return
        if through := _THROUGH_VARIABLE.fullmatch(statement):
            statement = through[1].replace(" INTO @bridge_output", "")
        texts = frozenset(number for number, value in enumerate(row) if isinstance(value, str))
        values = {f"p{number}": _to_sqlite(value) for number, value in enumerate(row)}
        sqlite = self._connection.sqlite
        for translated in translate(statement, texts):
            if translated.writes:
                self._connection.begin_write()
            used = {name: value for name, value in values.items() if name in translated.parameters}
            try:
                cursor = sqlite.execute(translated.text, used)
                rows = [tuple(map(_from_sqlite, found)) for found in cursor]
            except sqlite3.IntegrityError as error:
                if error.sqlite_errorname == "SQLITE_CONSTRAINT_TRIGGER":
                    self._connection.rollback()  # what a trigger raises always does
                    records = f"[42000] {_SERVER}{error} (50000) (SQLExecDirectW); [42000] {_SERVER}Ended. (3609)"
                    raise ProgrammingError("42000", records) from None
                if self._connection.xact_abort:
                    self._connection.rollback()
                number = 547 if error.sqlite_errorname in _CONFLICTS else 2627
                raise IntegrityError("23000", f"[23000] {_SERVER}{error} ({number}) (SQLExecDirectW)") from None
            self.rowcount = cursor.rowcount
            if through:
                yield None, []  # the count of the statement comes first
                yield [("bridge_output_0", *[None] * 6)], rows
            else:
                yield [_described(name)[0] for name, *_ in cursor.description] if cursor.description else None, rows

    def _set_savepoint(self, action: str, name: str) -> None:
        sqlite = self._connection.sqlite
        if action == "SAVE":
            self._connection.begin_write()
            sqlite.execute(f"SAVEPOINT {name}")
        elif sqlite.in_transaction:
            sqlite.execute(f"ROLLBACK TO {name}")
        else:
            raise ProgrammingError("25000", f"[25000] {_SERVER}No transaction of that name. (6401) (SQLExecDirectW)")


class Driver(ModuleType):
    """What stands for the module pyodbc.

    Args:
        files: SQLite file of each database, by its name.
    """

    version = "5.3.0"
    paramstyle = "qmark"
    Binary = bytes
    BinaryNull = None
    Warning = Error = InterfaceError = Error
    DatabaseError = OperationalError = DataError = InternalError = NotSupportedError = DatabaseError
    IntegrityError = IntegrityError
    ProgrammingError = ProgrammingError
    Cursor = Cursor

    def __init__(self, files: Mapping[str, Path]) -> None:
        super().__init__("pyodbc")
        self.files = files
        self.sent: list[Sent] = []

    def __getattr__(self, name: str) -> int:
        """A type, or a constant of ODBC."""
        if name.isupper():
            return 0
        raise AttributeError(name)

    def drivers(self) -> list[str]:
        return ["ODBC Driver 18 for SQL Server"]

    def connect(self, odbc_string: str, **_options: object) -> Connection:
        """A connection to the file of the database that the string names."""
        found = re.search(r"Database=(\w+)", odbc_string)
        assert found
        return Connection(self, self.files[found[1]])


@dataclass(frozen=True, slots=True)
class Translated:
    """A statement in SQLite's dialect."""

    text: str
    writes: bool
    #: Names of the parameters in it.
    parameters: frozenset[str]


@cache
def translate(statement: str, texts: frozenset[int]) -> list[Translated]:
    """The statements of a batch that SQLite can run, each `?` as a parameter `@p<number>`.

    Args:
        statement: T-SQL.
        texts: which parameters are texts: what is added to one is appended.
    """
    translated = []
    for tree in sqlglot.parse(_numbered(statement), read="tsql"):
        if tree is None or isinstance(tree, _NOT_RUN):
            continue
        names = frozenset(str(one.name) for one in tree.find_all(exp.Parameter))
        for node in reversed(list(tree.walk())):
            changed = _for_sqlite(node, texts)
            if changed is not node:
                node.replace(changed)
        writes = isinstance(tree, (exp.Insert, exp.Update, exp.Delete))
        translated.append(Translated(tree.sql("sqlite"), writes, names))
    return translated


def _numbered(statement: str) -> str:
    """The statement with `@p0`, `@p1`, … for its question marks: a translation can change their order."""
    marks = [token for token in TSQL().tokenize(statement) if token.token_type is TokenType.PLACEHOLDER]
    for number, token in reversed(list(enumerate(marks))):
        statement = f"{statement[: token.start]}@p{number}{statement[token.end + 1 :]}"
    return statement


def _for_sqlite(node: exp.Expr, texts: frozenset[int]) -> exp.Expr:
    match node:
        case exp.DataType() if node.expressions:
            node.set("expressions", None)  # NVARCHAR(MAX)
        case exp.Table() | exp.Column():
            # The bridge's tables stand beside the others, and what a statement returns is of its own table.
            node.set("db", None)
            node.set("hints", None)
            if isinstance(node, exp.Column) and node.table in {"inserted", "deleted"}:
                node.set("table", None)
        case exp.DataType():
            node.set("expressions", None)
        case exp.Update():
            _without_itself(node)
        case exp.Add() if any(_is_text(side, texts) for side in (node.left, node.right)):
            return exp.DPipe(this=node.left.copy(), expression=node.right.copy())
        case exp.Values() if (alias := node.args.get("alias")) and alias.columns:
            names = [exp.alias_(exp.column(f"column{at}"), one) for at, one in enumerate(alias.columns, 1)]
            rows = exp.Values(expressions=[row.copy() for row in node.expressions])
            return exp.select(*names).from_(exp.Subquery(this=rows)).subquery(alias.name)
        case exp.Anonymous(name="SCOPE_IDENTITY") | exp.Anonymous(name="scope_identity"):
            return exp.func("last_insert_rowid")
    return node


def _without_itself(update: exp.Update) -> None:
    """SQLite reads the table that is updated by itself: named after FROM it would be a second one."""
    source = update.args.get("from_")
    if source is not None and source.this.name == update.this.name and (joins := source.this.args.get("joins")):
        first, *more = joins
        first.this.set("joins", more)
        source.set("this", first.this)


def _is_text(node: exp.Expr, texts: frozenset[int]) -> bool:
    if isinstance(node, exp.Parameter):
        return int(node.name.removeprefix("p")) in texts
    return isinstance(node, exp.DPipe) or (isinstance(node, exp.Literal) and node.is_string)


def _described(name: str) -> list[tuple[Any, ...]]:
    return [(name, None, None, None, None, None, None)]


def _to_sqlite(value: Any) -> Any:
    if value is Driver.BinaryNull:  # what SQLAlchemy binds for bytes that are not there
        return None
    return value.strftime(_TIME_FORMAT) if isinstance(value, datetime) else value


def _from_sqlite(value: Any) -> Any:
    if isinstance(value, str) and _TIME.fullmatch(value):
        return datetime.strptime(value, _TIME_FORMAT)  # noqa: DTZ007 - a column without zone
    return value


def _place() -> Place | None:
    """The call in `shared` that sends the present statement: the innermost one."""
    frame = sys._getframe()
    while frame.f_back is not None:
        frame = frame.f_back
        if file := _sending_file(frame.f_code.co_filename):
            position = list(frame.f_code.co_positions())[frame.f_lasti // 2]
            _, end_line, _, end_column = position
            assert end_line is not None
            assert end_column is not None
            return Place(file, end_line, end_column)
    return None


@cache
def _sending_file(name: str) -> Path | None:
    """The file, if its calls are what the tests know as the places that send statements."""
    file = Path(name)
    return file if file.is_relative_to(SHARED) and file != DIALECT else None
