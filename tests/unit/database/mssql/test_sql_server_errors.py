"""What an error of pyodbc means, by its numbers."""

import pytest

from shared.database.mssql_errors import PASSING, map_error, numbers, passes_soon, sqlstate, without_text
from shared.errors import (
    BridgeError,
    DatabaseLoginRefused,
    DatabaseMissing,
    DatabaseTlsFailed,
    DatabaseUnavailable,
    OdbcDriverMissing,
)

DRIVER = "[Microsoft][ODBC Driver 18 for SQL Server]"
#: As pyodbc gives them; texts and names are made up.
_RECORDS = (
    f"[42000] {DRIVER}[SQL Server]Cannot open database. (4060) (SQLDriverConnect)",
    f"[42000] {DRIVER}[SQL Server]Login failed for user 'ann'. (18456)",
)
NO_DATABASE = ("42000", "; ".join(_RECORDS))
DEADLOCK = ("40001", f"[40001] {DRIVER}[SQL Server]Transaction (Process ID 51) was deadlocked. (1205) (SQLExecDirectW)")
LOST = ("08S01", f"[08S01] {DRIVER}TCP Provider: Error code 0x2746 (10054) (SQLExecDirectW)")
LATE = ("HYT00", f"[HYT00] {DRIVER}Login timeout expired (0) (SQLDriverConnect)")
UNTRUSTED = ("08001", f"[08001] {DRIVER}SSL Provider: [error:0A000086:SSL routines::failed] (-1) (SQLDriverConnect)")
NO_LIBRARY = ("01000", "[01000] [unixODBC][Driver Manager]Can't open lib 'x' : file not found (0) (SQLDriverConnect)")


def error(arguments: tuple[str, ...]) -> Exception:
    return Exception(*arguments)


def explained(arguments: tuple[str, ...], *, connecting: bool = False, committing: bool = False) -> BridgeError | None:
    return map_error(error(arguments), database="RS_DB", connecting=connecting, committing=committing)


def with_number(number: int) -> tuple[str, str]:
    return ("42000", f"[42000] {DRIVER}[SQL Server]Text. ({number}) (SQLExecDirectW)")


def test_every_record_of_an_error_has_its_number() -> None:
    assert numbers(error(NO_DATABASE)) == (4060, 18456)
    assert numbers(error(DEADLOCK)) == (1205,)


def test_the_drivers_zero_is_no_number() -> None:
    assert numbers(error(LATE)) == ()


@pytest.mark.parametrize("arguments", [(), ("HY000",), ("The driver did not supply an error!",), ("", "")])
def test_an_error_without_number_or_state_has_none(arguments: tuple[str, ...]) -> None:
    assert numbers(error(arguments)) == ()
    assert without_text(error(arguments)).removeprefix("SQLSTATE ") in {"?", "HY000"}


@pytest.mark.parametrize(
    "value", ["(1205)", "(1205) (SQLExecDirectW)", "(1205); [40001] x", "x (1205) (SQLExecute); [23000]"]
)
def test_a_number_in_a_value_that_the_server_quotes_is_none(value: str) -> None:
    text = f"[22001] {DRIVER}[SQL Server]Truncated value: '{value}'. (2628) (SQLExecDirectW)"
    assert numbers(error(("22001", text))) == (2628,)


def test_what_may_be_shown_is_state_and_numbers() -> None:
    assert without_text(error(NO_DATABASE)) == "SQLSTATE 42000, error 4060, error 18456"
    assert sqlstate(error(LATE)) == "HYT00"
    assert without_text(error(LATE)) == "SQLSTATE HYT00"


def test_a_login_that_fails_for_lack_of_the_database_is_reported_by_the_database() -> None:
    assert isinstance(explained(NO_DATABASE, connecting=True), DatabaseMissing)
    found = explained(with_number(18456), connecting=True)
    assert isinstance(found, DatabaseLoginRefused)
    assert found.number == 18456
    assert "ann" not in str(found)


def test_babelfish_has_a_number_of_its_own_for_a_missing_database() -> None:
    assert isinstance(explained(with_number(911), connecting=True), DatabaseMissing)


def test_a_certificate_that_is_not_trusted_is_reported_as_such_only_while_connecting() -> None:
    assert isinstance(explained(UNTRUSTED, connecting=True), DatabaseTlsFailed)
    assert isinstance(explained(UNTRUSTED), DatabaseUnavailable)


def test_a_driver_that_cannot_be_loaded_is_missing() -> None:
    assert isinstance(explained(NO_LIBRARY, connecting=True), OdbcDriverMissing)
    assert explained(NO_LIBRARY) is None


def test_whatever_else_prevents_a_connection_is_a_database_that_cannot_be_used() -> None:
    unknown = ("HY000", f"[HY000] {DRIVER}Protocol error in TDS stream (0) (SQLDriverConnect)")
    assert isinstance(explained(unknown, connecting=True), DatabaseUnavailable)
    assert explained(unknown) is None


def test_a_broken_constraint_is_for_who_writes() -> None:
    duplicate = ("23000", f"[23000] {DRIVER}[SQL Server]Duplicate: (x (1205); [40001] [y). (2627) (SQLExecDirectW)")
    assert explained(duplicate) is None


@pytest.mark.parametrize("number", sorted(PASSING))
def test_a_passing_number_is_a_passing_error(number: int) -> None:
    found = explained(with_number(number))
    assert isinstance(found, DatabaseUnavailable)
    assert found.number == number
    assert passes_soon(found)


@pytest.mark.parametrize("number", [102, 207, 229, 547, 2627, 8152, 18456, 50000])
def test_no_other_number_passes_by_itself(number: int) -> None:
    found = explained(with_number(number))
    assert not isinstance(found, DatabaseUnavailable)
    assert found is None or not passes_soon(found)


def test_a_missing_database_may_be_there_in_a_moment() -> None:
    found = explained(NO_DATABASE, connecting=True)
    assert found is not None
    assert passes_soon(found)


@pytest.mark.parametrize("arguments", [DEADLOCK, LOST, with_number(40501), with_number(40613)])
def test_before_the_commit_nothing_is_kept(arguments: tuple[str, str]) -> None:
    found = explained(arguments)
    assert isinstance(found, DatabaseUnavailable)
    assert found.undone


@pytest.mark.parametrize(
    ("arguments", "undone"), [(DEADLOCK, True), (with_number(3960), True), (LOST, False), (with_number(40613), False)]
)
def test_after_a_commit_nothing_is_kept_only_if_the_server_says_so(arguments: tuple[str, str], undone: bool) -> None:
    found = explained(arguments, committing=True)
    assert isinstance(found, DatabaseUnavailable)
    assert found.undone is undone


def test_a_connection_that_was_not_had_undid_nothing() -> None:
    found = explained(LATE, connecting=True)
    assert isinstance(found, DatabaseUnavailable)
    assert not found.undone
