"""A SQL Server of one table, over the TDS server of the tests: it takes rows by bulk copy and by parameters.

It runs as a process of its own: during a bulk copy no other thread of the loading process runs.
"""

import pickle
import re
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from azure.storage.blob import BlobClient
from sqlalchemy.dialects import mssql

from tests.unit.database.bulk.every_type import every_type
from tests.unit.database.bulk.tds_table import COLLATION, Message, SqlColumn, result, sql_type
from tests.unit.database.mssql.tds_server import Login, Session, serving

_ANSWER: Final = 0x04
_DONE, _DONE_PROCEDURE, _MORE, _COUNTED, _ERROR = 0xFD, 0xFE, 0x01, 0x10, 0x02

_DIALECT: Final = mssql.dialect(deprecate_large_types=True)  # type: ignore[no-untyped-call]  # theirs
COLUMNS: Final = [
    SqlColumn(column.name, sql_type(str(column.type.compile(_DIALECT))), bool(column.nullable))
    for column in every_type.columns
]


@dataclass
class Plan:
    """What the server shall do.

    Attributes:
        errors: numbers of errors by a part of the statement that gets them; 0 ends the connection.
        takes: how many messages of rows it takes before `then`; all of them without an end.
        then: what it answers to the next: a number of an error, 0 to end the connection.
        storage: connection string of the account whose container has the files of BULK INSERT.
        loses: rows that it loses without a word, of every message or of all that are inserted.
    """

    errors: dict[str, int] = field(default_factory=dict)
    takes: int | None = None
    then: int = 0
    loses: int = 0
    storage: str = ""
    container: str = ""


class Table:
    """What the one table holds, and what it was sent."""

    def __init__(self) -> None:
        self.start(Plan())

    def start(self, plan: Plan) -> None:
        """Begin anew, empty."""
        self.plan = plan
        self.rows: list[dict[str, object]] = []
        #: Rows of each message of a bulk copy.
        self.messages: list[int] = []
        self.inserted = 0
        self.statements: list[str] = []
        self.logins: list[Login] = []


TABLE: Final = Table()


class TableSession(Session):
    """One connection to the server."""

    _statement = ""

    def _answer(self, kind: int, data: bytes) -> bool:
        match kind:
            case 0x07:  # rows of a bulk copy
                return self._take_rows(list(Message(data).bulk_rows()))
            case 0x03:  # calls of procedures
                return self._take_calls(data[_headers(data) :])
            case 0x01:
                statement = data[_headers(data) :].decode("utf-16-le")
                TABLE.statements.append(statement)
                if (fault := _fault(statement)) is not None:
                    return self._fail(fault)
                if statement.startswith("BULK INSERT"):
                    return self._take_rows(list(_file_rows(statement)))
                if "SET FMTONLY ON" in statement:
                    self._send(_ANSWER, _described())
                    return True
        return super()._answer(kind, data)

    def _take_calls(self, data: bytes) -> bool:
        calls = list(Message(data).calls())
        answers = [self._called(*call, more=number < len(calls)) for number, call in enumerate(calls, 1)]
        if None in answers:
            return False
        self._send(_ANSWER, b"".join(answer for answer in answers if answer))
        return True

    def _take_rows(self, rows: list[dict[str, object]]) -> bool:
        plan = TABLE.plan
        TABLE.messages.append(len(rows))
        if plan.takes is not None and len(TABLE.messages) > plan.takes:
            return self._fail(plan.then)
        TABLE.rows += rows[: len(rows) - plan.loses]
        self._send(_ANSWER, _done(len(rows)))
        return True

    def _called(self, procedure: str | int, parameters: list[Any], *, more: bool) -> bytes | None:
        """The answer to one call; None ends the connection."""
        done = struct.pack("<BHHQ", _DONE_PROCEDURE, _COUNTED | (_MORE if more else 0), 0, 1)
        match procedure:
            case 10:  # sp_executesql
                self._statement, values = parameters[0], parameters[2:]
            case 12:  # sp_execute, of what was executed before
                values = parameters[1:]
            case 13:  # sp_prepexec
                self._statement, values = parameters[2], parameters[3:]
            case _:  # it describes no parameters, so that the driver takes the sizes that it is given
                return struct.pack("<BHHQ", _DONE_PROCEDURE, _MORE if more else 0, 0, 0)
        statement = self._statement
        if not TABLE.statements or TABLE.statements[-1] != statement:
            TABLE.statements.append(statement)
        fault = _fault(statement)
        if fault is not None:
            return self._error(fault) + struct.pack("<BHHQ", _DONE_PROCEDURE, _ERROR, 0, 0) if fault else None
        if statement.startswith("INSERT"):
            found = re.search(r"\(([^)]*)\) VALUES", statement)
            assert found is not None
            names = [name.strip("[] ") for name in found[1].split(",")]
            TABLE.inserted += 1
            if TABLE.inserted > TABLE.plan.loses:
                TABLE.rows.append(dict(zip(names, values, strict=True)))
        elif statement.startswith("SELECT count(*)"):
            count = sum(row["load_id"] == values[0] for row in TABLE.rows)
            return result([SqlColumn("", sql_type("INTEGER"))], [(count,)], more=True) + done
        elif statement.startswith("DELETE"):
            TABLE.rows = [row for row in TABLE.rows if row["load_id"] != values[0]]
        return done

    def _fail(self, number: int) -> bool:
        if number:
            self._send(_ANSWER, self._error(number) + struct.pack("<BHHQ", _DONE, _ERROR, 0, 0))
        return bool(number)


def _file_rows(statement: str) -> Iterator[dict[str, object]]:
    """The rows of the file that BULK INSERT names: as the documentation of `bcp -c` describes it."""
    file = statement.split("'")[1]
    with BlobClient.from_connection_string(TABLE.plan.storage, TABLE.plan.container, file) as blob:
        text = blob.download_blob().readall().decode()
    assert text.endswith("\x1e")
    for line in text[:-1].split("\x1e"):
        fields = zip(COLUMNS, line.split("\x1f"), strict=True)
        yield {column.name: column.type.parsed(field) if field else None for column, field in fields}


def _headers(data: bytes) -> int:
    """Length of what stands before a request."""
    return int(struct.unpack_from("<I", data)[0])


def _fault(statement: str) -> int | None:
    return next((number for part, number in TABLE.plan.errors.items() if part in statement), None)


def _done(rows: int) -> bytes:
    return struct.pack("<BHHQ", _DONE, _COUNTED, 0, rows)


def _described() -> bytes:
    """What bulk copy asks for first: open transactions, the columns of the table, and their collations."""
    collations: list[tuple[bytes | str | int | None, ...]] = [
        (
            number,
            column.name,
            COLLATION if column.type.has_collation else None,
            "SQL_Latin1_General_CP1_CI_AS" if column.type.has_collation else None,
        )
        for number, column in enumerate(COLUMNS, 1)
    ]
    name, integer = sql_type("NVARCHAR(128)"), sql_type("INTEGER")
    asked = ("colid", integer), ("name", name), ("tds_collation", sql_type("BINARY(5)")), ("collation", name)
    return (
        result([SqlColumn("", integer)], [(0,)], more=True)
        + result(COLUMNS, [], more=True)
        + result([SqlColumn(*column) for column in asked], collations)
    )


@dataclass
class TableServer:
    """The server, as a test sees it."""

    process: "subprocess.Popen[bytes]"
    port: int

    def connection(self, login: str = "User Id=bridge;Password=secret") -> str:
        """What a setting would name it."""
        return f"127.0.0.1,{self.port};Initial Catalog=RS_Test;{login};TrustServerCertificate=true"

    def follow(self, plan: Plan) -> None:
        """Empty the table and do as the plan says."""
        self._ask(plan)

    @property
    def table(self) -> Table:
        """What it holds now."""
        found = self._ask(None)
        assert isinstance(found, Table)
        return found

    def _ask(self, request: Plan | None) -> object:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        pickle.dump(request, self.process.stdin)
        self.process.stdin.flush()
        return pickle.load(self.process.stdout)  # noqa: S301 - what the test's own process wrote


@contextmanager
def table_server(folder: Path) -> Iterator[TableServer]:
    """A server in a process of its own."""
    program = f"from {__name__} import main; main()"  # imported, so that what is pickled has one name on both sides
    command = [sys.executable, "-c", program, str(folder)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=Path(__file__).parents[4]
    ) as process:
        assert process.stdout is not None
        port = pickle.load(process.stdout)  # noqa: S301 - what the test's own process wrote
        try:
            yield TableServer(process, port)
        finally:
            assert process.stdin is not None
            process.stdin.close()
            process.wait()


def main() -> None:
    requests, answers = sys.stdin.buffer, sys.stdout.buffer

    def say(answer: object) -> None:
        pickle.dump(answer, answers)
        answers.flush()

    with serving(Path(sys.argv[1]), TableSession) as server, suppress(EOFError):
        say(server.port)
        while True:
            request = pickle.load(requests)  # noqa: S301 - what the test wrote
            if request is None:
                say(TABLE)
            else:
                TABLE.start(request)
                server.logins = TABLE.logins
                say(None)
