"""Maps errors of SQL Server and Azure SQL to the catalogue, by their numbers and never by their text.

An error of pyodbc is `(SQLSTATE, text)`. The text concatenates the driver's records, each with its native number at its
end: `[42000] … (4060) (SQLDriverConnect); [28000] … (18456)`. It can quote values of a row, so nothing else of it is
kept. Several numbers can map to one entry: Babelfish has others than SQL Server.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

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
    OdbcDriverMissing,
)

type _Numbered = (
    DatabaseMissing
    | DatabaseAddressRefused
    | DatabaseLoginRefused
    | DatabaseFull
    | DatabasePermissionDenied
    | DatabaseObjectMissing
)

_NUMBER: Final = re.compile(r"\((-?[0-9]+)\)(?: \(SQL\w+\))?(?=; \[\w{5}\] \[|\Z)")
_SQLSTATE: Final = re.compile(r"[0-9A-Z]{5}")

#: Errors that pass by themselves. From Microsoft's lists for Azure SQL and for its .NET client.
PASSING: Final = frozenset(
    {
        64, 121, 233, 258, 997, 10053, 10054, 10060, 10061, 11001,  # the network
        596, 615, 617, 669, 904, 921, 922, 926, 927, 976, 978, 979, 982, 983, 988,  # the database moves or recovers
        3906, 4221, 6005, 17197, 18401, 40143, 40166, 40197, 40540, 40613, 40671, 42108, 42109,
        1203, 1204, 1205, 1221, 1222, 3935, 3960, 3966, 41301, 41302, 41305, 41325,  # somebody else's lock or row
        701, 802, 8628, 8645, 8651, 10922, 10928, 10929, 10936, 40501, 49918, 49919, 49920,  # too much at a time
    }
)  # fmt: skip
#: Those with which the server ends a transaction for another's sake. A lock that was not given in time is one of them,
#: for under XACT_ABORT it ends the transaction as well.
_ROLLED_BACK: Final = frozenset({1205, 1222, 3935, 3960, 3966, 41301, 41302, 41305, 41325})
#: What passes by itself only while a database is being moved; when it lasts, it means what it says.
_PASSING_AT_FIRST: Final = frozenset({4060})

#: In the order in which they are looked for: a login that fails for lack of the database gives both numbers.
_BY_NUMBERS: Final[Mapping[type[_Numbered], frozenset[int]]] = {
    DatabaseMissing: frozenset({911, 4060, 4063, 4064}),
    DatabaseAddressRefused: frozenset({40615, 40914, 47073}),
    DatabaseLoginRefused: frozenset({916, 18450, 18451, 18452, 18456, 18470, 18486, 18487, 18488, 33134, 40532}),
    DatabaseFull: frozenset({1101, 1105, 9002, 40544}),
    DatabasePermissionDenied: frozenset({229, 230, 262, 297, 300, 15247}),
    DatabaseObjectMissing: frozenset({207, 208, 2812}),
}
#: Errors with which a rule of a table refuses a row: what the rule is, and where the server's text has its name, before
#: any value. A text in another language has the name of 547 and 515 only, which quote no value.
_ROW_RULES: Final[Mapping[int, tuple[str, re.Pattern[str] | None]]] = {
    547: ("constraint", re.compile(r"""\[SQL Server\][^"'(]*["']([^"']+)["']""")),
    515: ("NOT NULL column", re.compile(r"""\[SQL Server\][^'(]*'([^']+)'""")),
    2601: (
        "unique index",
        re.compile(r"\[SQL Server\]Cannot insert .* in object '[^']*' with unique index '([^']+)'\."),
    ),
    2627: ("constraint", re.compile(r"\[SQL Server\]Violation of [A-Z ]+ constraint '([^']+)'\.")),
    513: ("rule of the column", None),
    550: ("CHECK OPTION of the view", None),
    33504: ("security policy", None),
    220: ("size of a column", None),
    241: ("type of a column (date)", None),
    242: ("type of a column (date)", None),
    245: ("type of a column", None),
    295: ("type of a column (date)", None),
    296: ("type of a column (date)", None),
    8114: ("type of a column", None),
    8134: ("division in a computed column", None),
    # The text of a trigger is the customer's own, and can say anything.
    3609: ("trigger", None),
    3616: ("trigger", None),
    6522: ("trigger", None),
}
#: From here on the numbers are those of RAISERROR and THROW.
_RAISED: Final = 50_000
#: Errors with which a table refuses every row.
_TABLE_RULES: Final = {
    271: "computed column",
    273: "timestamp column",
    334: "trigger",
    544: "identity column",
    1934: "index or computed column that needs other SET options",
    4405: "view over several tables",
    4406: "derived column of a view",
}
#: A text that was cut, with table and column before the value.
_CUT: Final = re.compile(
    r"\[SQL Server\]String or binary data would be truncated in table '([^']*)', column '([^']*)'\."
)
#: A value that its column does not hold.
_TOO_LONG: Final = frozenset({2628, 4815, 4863, 8115, 8152})
#: SQLSTATEs of the driver itself, which has no number for them: no connection, or no answer in time.
_NO_ANSWER: Final = frozenset({"08001", "08003", "08004", "08007", "08S01", "08S02", "HYT00", "HYT01", "40001"})
#: The driver's own numbers while it connects: TLS failed, or the server has none.
_NO_TLS: Final = frozenset({-1, 20})
#: A broken constraint. Who writes expects it, and its text names a value, which must not pass for a number.
_CONSTRAINT: Final = "23000"
#: The driver itself found a value too long.
_TRUNCATED: Final = "22001"
#: The driver manager found no driver, or could not load it: 01000 is its "can't open lib".
_NO_DRIVER: Final = frozenset({"01000", "IM002", "IM003", "IM004"})


def sqlstate(error: Exception) -> str:
    """The five characters of an error of pyodbc."""
    first = str(error.args[0]) if error.args else ""
    return first if _SQLSTATE.fullmatch(first) else "?"


def numbers(error: Exception) -> tuple[int, ...]:
    """The native numbers of an error of pyodbc, one for each record, without the driver's zeros."""
    text = str(error.args[1]) if len(error.args) > 1 else ""
    return tuple(number for match in _NUMBER.finditer(text) if (number := int(match[1])))


def without_text(error: Exception) -> str:
    """An error of pyodbc without its text: SQLSTATE and numbers."""
    return ", ".join([f"SQLSTATE {sqlstate(error)}", *(f"error {number}" for number in numbers(error))])


@dataclass(frozen=True, slots=True)
class BrokenRule:
    """A rule of a table that refused what was written."""

    #: What it is and how it is called: never a value.
    name: str
    #: Whether it refuses a row for its values; otherwise the table takes no row at all.
    of_row: bool = True
    #: The column, of a NOT NULL.
    column: str = ""
    #: The columns of a unique index whose name is not known.
    unique: tuple[str, ...] = ()


def keep_rule(error: Exception) -> None:
    """Keep the broken rule of an error of pyodbc with it, for `rule_of`, before its text is removed."""
    error.broken_rule = _broken_rule(error)  # type: ignore[attr-defined]  # ours


def rule_of(error: BaseException | None) -> BrokenRule | None:
    """The rule of a table that an error of pyodbc says was broken, if it says so."""
    rule = getattr(error, "broken_rule", None)
    return rule if isinstance(rule, BrokenRule) else None


def _broken_rule(error: Exception) -> BrokenRule | None:
    text = str(error.args[1]) if len(error.args) > 1 else ""
    for number in numbers(error):
        if number in _TABLE_RULES:
            return BrokenRule(_TABLE_RULES[number], of_row=False)
        if number in _ROW_RULES:
            kind, pattern = _ROW_RULES[number]
            # A value can look like the end of a message, not like its beginning: only the first has the name.
            first = _NUMBER.search(text)
            match = pattern.search(text[: first.start()]) if pattern and first and int(first[1]) == number else None
            name = match[1] if match else ""
            return BrokenRule(
                f"{kind} {name}" if name else f"{kind} (error {number})" if pattern else kind,
                column=name if number == 515 else "",  # noqa: PLR2004 - as in the table above
            )
        if number >= _RAISED:
            return BrokenRule("trigger")
    return None


def map_error(error: Exception, *, database: str, connecting: bool, committing: bool) -> BridgeError | None:
    """The entry of the catalogue for an error of pyodbc, if there is one.

    Args:
        error: the driver's error, with its text.
        database: its name in messages.
        connecting: whether there is no connection yet.
        committing: whether the error answers a COMMIT.
    """
    if sqlstate(error) == _CONSTRAINT:
        return None
    native = numbers(error)
    if cut := _CUT.search(str(error.args[1]) if len(error.args) > 1 else ""):
        return DatabaseValueTooLong(database=database, reason=f"error 2628, column {cut[2]} of {cut[1]}")
    if explained := map_numbers(native, database=database):
        return explained
    passing = next((number for number in native if number in PASSING), None)
    unavailable = DatabaseUnavailable(
        database=database,
        reason=without_text(error),
        number=passing,
        # Before its COMMIT is sent a transaction is certainly undone. After that only the server knows, unless it says
        # that it has rolled back.
        undone=not connecting and (passing in _ROLLED_BACK or not committing),
    )
    if connecting:
        return _missing_for_connection(error, database=database) or unavailable
    if sqlstate(error) == _TRUNCATED:
        return DatabaseValueTooLong(database=database, reason=without_text(error))
    return unavailable if passing is not None or sqlstate(error) in _NO_ANSWER else None


def _missing_for_connection(error: Exception, *, database: str) -> BridgeError | None:
    """The error of a connection that failed before the login: the driver or TLS is missing."""
    native = numbers(error)
    if not native and sqlstate(error) in _NO_DRIVER:
        return OdbcDriverMissing(what="ODBC Driver 18 for SQL Server")
    number = next((number for number in native if number in _NO_TLS), None)
    return None if number is None else DatabaseTlsFailed(database=database, number=number)


def map_numbers(native: Sequence[int], *, database: str) -> BridgeError | None:
    """The entry of the catalogue for native numbers of errors that do not pass, if there is one."""
    for kind, known in _BY_NUMBERS.items():
        if number := next((number for number in native if number in known), None):
            return kind(database=database, number=number)
    if number := next((number for number in native if number in _TOO_LONG), None):
        return DatabaseValueTooLong(database=database, reason=f"error {number}")
    return None


def passes_soon(error: BridgeError) -> bool:
    """Whether a connection that was refused with this error may succeed a moment later."""
    if isinstance(error, DatabaseMissing):
        return error.number in _PASSING_AT_FIRST
    return isinstance(error, DatabaseUnavailable) and error.number is not None
