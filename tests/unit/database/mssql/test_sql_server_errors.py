"""What an error of pyodbc means, by its numbers."""

import pytest

from shared.database.mssql_errors import (
    PASSING,
    BrokenRule,
    keep_rule,
    map_error,
    numbers,
    passes_soon,
    rule_of,
    sqlstate,
    without_text,
)
from shared.errors import (
    BridgeError,
    DatabaseLoginRefused,
    DatabaseMissing,
    DatabaseTlsFailed,
    DatabaseUnavailable,
    DatabaseValueTooLong,
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


# Rules of the customer


def rule(text: str, number: int, sqlstate: str = "23000", more: str = "") -> BrokenRule | None:
    """What is kept of an error with this text of the server."""
    found = error((sqlstate, f"[{sqlstate}] {DRIVER}[SQL Server]{text} ({number}) (SQLExecDirectW){more}"))
    keep_rule(found)
    return rule_of(found)


ENDED = f"; [23000] {DRIVER}[SQL Server]The statement has been terminated. (3621)"
CONFLICT = (
    'The {} statement conflicted with the {} constraint "{}". The conflict occurred in database "RS_Test", table '
    "\"dbo.Response\", column 'Urn'."
)
KEY = "The duplicate key value is (ann@example.com)."
NAMED = {
    "a check": (CONFLICT.format("INSERT", "CHECK", "CK_Urn"), 547, "constraint CK_Urn"),
    "a foreign key": (CONFLICT.format("UPDATE", "FOREIGN KEY", "FK_People"), 547, "constraint FK_People"),
    "a reference from elsewhere": (CONFLICT.format("DELETE", "REFERENCE", "FK_Notes"), 547, "constraint FK_Notes"),
    "a check, in German": (
        (
            'Die INSERT-Anweisung steht in Konflikt mit der CHECK-Einschränkung "CK_Urn". Der Konflikt trat in der '
            '"RS_Test"-Datenbank, Tabelle "dbo.Response", column \'Urn\' auf.'
        ),
        547,
        "constraint CK_Urn",
    ),
    "a column that holds no null": (
        "Cannot insert the value NULL into column 'Tenant', table 'RS_Test.dbo.Response'; column does not allow …",
        515,
        "NOT NULL column Tenant",
    ),
    "a unique index": (
        f"Cannot insert duplicate key row in object 'dbo.Response' with unique index 'UX_Urn'. {KEY}",
        2601,
        "unique index UX_Urn",
    ),
    "a unique key": (
        f"Violation of UNIQUE KEY constraint 'UQ_Urn'. Cannot insert duplicate key in object 'dbo.Response'. {KEY}",
        2627,
        "constraint UQ_Urn",
    ),
    "a unique key, in German, where a value comes first": (
        "Der doppelte Schlüsselwert lautet ('ann@example.com').",
        2627,
        "constraint (error 2627)",
    ),
    "a conversion": (
        "Conversion failed when converting the nvarchar value 'ann@example.com' to data type int.",
        245,
        "type of a column",
    ),
    "a conversion of another kind": ("Error converting data type nvarchar to bigint.", 8114, "type of a column"),
    "a trigger that rolls back": ("The transaction ended in the trigger. The batch has been aborted.", 3609, "trigger"),
    "a trigger that raises": ("Urn 'ann@example.com' is not ours", 50000, "trigger"),
    "a trigger that throws": ("Urn 'ann@example.com' is not ours", 51234, "trigger"),
    "a view with a check": ("The attempted insert or update failed because the target view …", 550, "CHECK OPTION"),
}


@pytest.mark.parametrize("case", NAMED)
def test_a_broken_rule_is_named_and_no_value_is(case: str) -> None:
    text, number, name = NAMED[case]
    found = rule(text, number, more=ENDED)
    assert found is not None
    assert found.of_row
    assert found.name.startswith(name)
    assert "ann" not in found.name


def test_a_value_that_looks_like_a_message_names_no_rule() -> None:
    value = f"x (2601) (SQLExecDirectW); [23000] {DRIVER}[SQL Server]unique index 'secret'"
    found = rule(
        "Violation of UNIQUE KEY constraint 'UQ'. Cannot insert duplicate key in object 'dbo.Response'. "
        f"The duplicate key value is ({value}).",
        2627,
    )
    assert found is not None
    assert "secret" not in found.name


@pytest.mark.parametrize("number", [271, 273, 334, 544, 1934, 4406])
def test_what_a_table_refuses_whatever_the_row_is_no_rule_of_a_row(number: int) -> None:
    found = rule("Text.", number, "42000")
    assert found is not None
    assert not found.of_row


@pytest.mark.parametrize("number", [102, 208, 229, 1205, 18456])
def test_other_errors_are_no_rules(number: int) -> None:
    assert rule("Text.", number, "42000") is None


def test_a_text_that_was_cut_is_named_by_its_column_and_not_by_its_value() -> None:
    text = (
        "String or binary data would be truncated in table 'RS_Test.dbo.Audit', column 'Urn'. "
        "Truncated value: 'ann@example.com'."
    )
    found = explained(("22001", f"[22001] {DRIVER}[SQL Server]{text} (2628) (SQLExecDirectW)"))
    assert isinstance(found, DatabaseValueTooLong)
    assert found.reason == "error 2628, column Urn of RS_Test.dbo.Audit"


@pytest.mark.parametrize("number", [8115, 8152])
def test_a_value_that_is_too_large_is_so_without_a_name_too(number: int) -> None:
    assert isinstance(explained(with_number(number)), DatabaseValueTooLong)
