"""Connections to a SQL Server, by pyodbc and Microsoft's driver."""

import socket
import sys
import threading
import traceback
from collections.abc import Callable, Iterator

import pytest
from azure.core.credentials import AccessToken
from sqlalchemy.exc import DBAPIError, IntegrityError

import shared.database.entra_token
from shared.database.connections import Database, retry_transaction
from shared.errors import (
    BridgeError,
    DatabaseAddressRefused,
    DatabaseFull,
    DatabaseLoginRefused,
    DatabaseMissing,
    DatabaseObjectMissing,
    DatabasePermissionDenied,
    DatabaseTlsFailed,
    DatabaseUnavailable,
    DatabaseValueTooLong,
)
from tests.unit.database.mssql.tds_server import TdsServer

OpenDatabase = Callable[..., Database]

#: How often a connection is asked for while the server says that it will soon have one.
TRIES = 5


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses that would have been made."""
    made: list[float] = []
    monkeypatch.setattr("shared.database.connections.time.sleep", made.append)
    return made


@pytest.fixture
def database(server: TdsServer, connect: OpenDatabase) -> Database:
    """Connected once already."""
    database = connect()
    run(database, "SELECT 'first'")
    server.statements.clear()
    return database


def run(database: Database, statement: str = "UPDATE one") -> None:
    with database.writing() as connection:
        connection.exec_driver_sql(statement)


class Writer:
    """Writes in one transaction, again where that helps."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @retry_transaction
    def write(self) -> None:
        run(self._database)

    @retry_transaction
    def read_and_write(self) -> None:
        with self._database.writing() as connection:
            assert connection.exec_driver_sql("SELECT one").all() == [("1",)]
            connection.exec_driver_sql("UPDATE one")


# Logging in


def test_the_login_is_encrypted_and_a_password_arrives_as_it_was_meant(
    server: TdsServer, connect: OpenDatabase
) -> None:
    run(connect("""User Id=bridge;Password='p{}};;="x''';"""))
    (login,) = server.logins
    assert (login.user, login.password, login.database) == ("bridge", """p{}};;="x'""", "RS_Test")
    assert login.application == "Broadcast Bridge"
    assert login.encrypted
    assert login.token is None


def test_a_certificate_that_nobody_trusts_is_refused_before_the_password_is_sent(
    server: TdsServer, connect: OpenDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(DatabaseTlsFailed):
        run(connect())
    assert server.logins == []


def test_a_certificate_of_another_name_is_refused_unless_the_name_is_given(
    server: TdsServer, connect: OpenDatabase
) -> None:
    with pytest.raises(DatabaseTlsFailed):
        run(connect(host="127.0.0.1"))
    assert server.logins == []
    run(connect(host="127.0.0.1", more="HostNameInCertificate=localhost;"))
    assert server.logins[0].encrypted


def test_on_this_machine_any_certificate_can_be_trusted(
    server: TdsServer, connect: OpenDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    run(connect(more="TrustServerCertificate=true;"))
    assert server.logins[0].encrypted


def test_a_server_without_tls_gets_no_password_unless_the_setting_says_so(
    server: TdsServer, connect: OpenDatabase
) -> None:
    server.encrypts = False
    with pytest.raises(DatabaseTlsFailed):
        run(connect())
    assert server.logins == []
    run(connect(more="Encrypt=no;"))
    assert not server.logins[0].encrypted


def test_a_managed_identity_logs_in_with_its_token_and_without_user_and_password(
    server: TdsServer, connect: OpenDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Credential:
        def __init__(self, *, client_id: str | None) -> None:
            self.client_id = client_id

        def get_token(self, scope: str) -> AccessToken:
            return AccessToken(f"token of {self.client_id} for {scope}", 4102444800)

    monkeypatch.setattr(shared.database.entra_token, "ManagedIdentityCredential", Credential)
    run(connect("Authentication=Active Directory Managed Identity;User Id=0000-1111;"))
    (login,) = server.logins
    assert login.token == "token of 0000-1111 for https://database.windows.net/.default"
    assert (login.user, login.password) == ("", "")
    assert login.encrypted


def test_a_refused_login_is_not_tried_again(server: TdsServer, connect: OpenDatabase) -> None:
    server.refusals = [(18456,)]
    with pytest.raises(DatabaseLoginRefused):
        run(connect())
    assert len(server.logins) == 1


@pytest.mark.parametrize("numbers", [(40613,), (10928,), (49918,), (4060, 18456)], ids=str)
def test_a_login_that_is_refused_for_a_moment_is_tried_again(
    server: TdsServer, connect: OpenDatabase, pauses: list[float], numbers: tuple[int, ...]
) -> None:
    server.refusals = [numbers, numbers]
    run(connect())
    assert len(server.logins) == 3
    assert len(pauses) == 2


@pytest.mark.parametrize(
    ("numbers", "kind"), [((40613,), DatabaseUnavailable), ((4060, 18456), DatabaseMissing)], ids=str
)
def test_it_is_tried_a_few_times_only_also_where_transactions_are_repeated(
    server: TdsServer, connect: OpenDatabase, numbers: tuple[int, ...], kind: type[BridgeError]
) -> None:
    server.refusals = [numbers] * 100
    with pytest.raises(kind):
        Writer(connect()).write()
    assert len(server.logins) == TRIES


def test_a_firewall_that_lets_us_not_in_is_reported_as_such(server: TdsServer, connect: OpenDatabase) -> None:
    server.refusals = [(40615,)]
    with pytest.raises(DatabaseAddressRefused):
        run(connect())


def test_a_failure_in_what_is_asked_first_is_a_failure_to_connect(server: TdsServer, connect: OpenDatabase) -> None:
    server.faults = [("schema_name()", 40613), ("SET XACT_ABORT", 40197)]
    run(connect())
    assert server.statements[-2:] == ["UPDATE one", "COMMIT"]


def test_a_server_that_does_not_answer_is_a_passing_error(driver: str, opened: Callable[[str, str], Database]) -> None:
    del driver
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        database = opened(f"localhost,{port};Initial Catalog=RS_Test;User Id=u;Password=p;Connect Timeout=1", "RS_DB")
        with pytest.raises(DatabaseUnavailable, match="HYT00"):
            run(database)


def test_a_server_of_another_kind_is_reported_as_one_that_cannot_be_used(
    driver: str, opened: Callable[[str, str], Database]
) -> None:
    del driver

    def answer() -> None:
        client, _ = other.accept()
        with client:
            client.recv(4096)
            client.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n" * 10)
            client.recv(4096)

    with socket.create_server(("127.0.0.1", 0)) as other:
        thread = threading.Thread(target=answer)
        thread.start()
        port = other.getsockname()[1]
        with pytest.raises(DatabaseUnavailable):
            run(opened(f"localhost,{port};Initial Catalog=RS_Test;User Id=u;Password=p;", "RS_DB"))
        thread.join()


# Connections that stay


def test_a_connection_is_made_once_and_says_first_how_it_works(server: TdsServer, connect: OpenDatabase) -> None:
    database = connect()
    run(database, "UPDATE one")
    run(database, "UPDATE two")
    assert len(server.logins) == 1
    settings = [statement for statement in server.statements if statement.startswith("SET ")]
    assert settings == [
        "SET XACT_ABORT ON",
        "SET TRANSACTION ISOLATION LEVEL READ COMMITTED",
        "SET LOCK_TIMEOUT 60000",
    ]
    after = server.statements[server.statements.index(settings[-1]) + 1 :]
    assert [statement for statement in after if statement != "ROLLBACK"] == [
        *("COMMIT", "UPDATE one", "COMMIT"),
        *("SELECT 1", "UPDATE two", "COMMIT"),
    ]


def test_the_driver_manager_keeps_no_connections_of_its_own(database: Database) -> None:
    del database
    assert sys.modules["pyodbc"].pooling is False


def test_a_connection_that_died_in_the_pool_is_replaced_unseen(server: TdsServer, database: Database) -> None:
    server.faults = [("SELECT 1", 0)]
    run(database)
    assert server.statements.count("UPDATE one") == 1
    assert len(server.logins) == 2


def test_a_connection_that_dies_at_work_is_a_passing_error_and_the_next_one_works(
    server: TdsServer, database: Database
) -> None:
    server.faults = [("UPDATE one", 0)]
    with pytest.raises(DatabaseUnavailable):
        run(database)
    run(database, "UPDATE two")
    assert server.statements[-2:] == ["UPDATE two", "COMMIT"]


def test_what_an_error_left_unfinished_is_rolled_back(server: TdsServer, database: Database) -> None:
    def fail() -> None:
        with database.writing() as connection:
            connection.exec_driver_sql("UPDATE one")
            raise LookupError

    with pytest.raises(LookupError):
        fail()
    assert server.statements[-2:] == ["UPDATE one", "ROLLBACK"]


# Errors


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (1205, DatabaseUnavailable),
        (1222, DatabaseUnavailable),
        (3960, DatabaseUnavailable),
        (40501, DatabaseUnavailable),
        (10929, DatabaseUnavailable),
        (229, DatabasePermissionDenied),
        (262, DatabasePermissionDenied),
        (207, DatabaseObjectMissing),
        (208, DatabaseObjectMissing),
        (1105, DatabaseFull),
        (9002, DatabaseFull),
        (40544, DatabaseFull),
        (2628, DatabaseValueTooLong),
        (8152, DatabaseValueTooLong),
        (2601, IntegrityError),
        (2627, IntegrityError),
        (547, IntegrityError),
        (515, IntegrityError),
        (245, DBAPIError),
        (50000, DBAPIError),
    ],
)
def test_an_error_is_known_by_its_number_and_nothing_of_its_text_is_kept(
    server: TdsServer, database: Database, number: int, kind: type[Exception]
) -> None:
    server.faults = [("UPDATE one", number)]
    with pytest.raises(kind) as caught:
        run(database)
    assert "ann@example.com" not in "".join(result(caught.value))
    assert str(number) in "".join(result(caught.value))
    assert "COMMIT" not in server.statements


def result(error: BaseException | None) -> Iterator[str]:
    """Everything that a log could show of an error and its causes."""
    while error is not None:
        yield from (str(error), repr(error), repr(error.args), repr(vars(error)))
        yield from traceback.format_exception(error)
        error = error.__cause__ or error.__context__


def test_a_value_that_looks_like_the_number_of_an_error_is_none(server: TdsServer, database: Database) -> None:
    server.text = "The duplicate key value is (x (1205); [40001] [Microsoft]y)."
    server.faults = [("UPDATE one", 2627)]
    with pytest.raises(IntegrityError):
        run(database)


# Transactions that begin again


@pytest.mark.parametrize("number", [1205, 1222, 3960, 40501, 40613, 49918, 10928, 0])
def test_a_transaction_that_fails_for_a_moment_before_its_commit_begins_again(
    server: TdsServer, database: Database, number: int
) -> None:
    server.faults = [("UPDATE one", number)]
    Writer(database).write()
    assert server.statements.count("UPDATE one") == 2
    assert server.statements[-2:] == ["UPDATE one", "COMMIT"]


def test_one_that_fails_while_its_rows_are_read_begins_again(server: TdsServer, database: Database) -> None:
    server.answers["SELECT one"] = "1"
    server.faults = [("SELECT one", 40501)]
    Writer(database).read_and_write()
    assert server.statements.count("SELECT one") == 2
    assert server.statements[-2:] == ["UPDATE one", "COMMIT"]


def test_one_whose_commit_was_answered_with_a_rollback_begins_again(server: TdsServer, database: Database) -> None:
    server.faults = [("COMMIT", 1205)]
    Writer(database).write()
    assert server.statements.count("UPDATE one") == 2


@pytest.mark.parametrize("number", [0, 40197, 40613])
def test_one_whose_commit_was_not_answered_does_not_begin_again(
    server: TdsServer, database: Database, number: int
) -> None:
    server.faults = [("COMMIT", number)]
    with pytest.raises(DatabaseUnavailable):
        Writer(database).write()
    assert server.statements.count("UPDATE one") == 1


@pytest.mark.parametrize("number", [229, 2627, 2628])
def test_one_that_cannot_succeed_does_not_begin_again(server: TdsServer, database: Database, number: int) -> None:
    server.faults = [("UPDATE one", number)]
    with pytest.raises((BridgeError, IntegrityError)):
        Writer(database).write()
    assert server.statements.count("UPDATE one") == 1


def test_a_transaction_does_not_begin_again_without_end(
    server: TdsServer, database: Database, pauses: list[float]
) -> None:
    server.faults = [("UPDATE one", 1205)] * 100
    with pytest.raises(DatabaseUnavailable):
        Writer(database).write()
    assert server.statements.count("UPDATE one") == len(pauses) + 1 == 5
