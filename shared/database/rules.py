"""Rules of the customer on their own tables: a constraint, a unique index, a trigger that refuses what is written.

What a rule refuses is reported by the name of the rule. The server's text quotes values of the row, so nothing else of
it is kept: `mssql_errors` and `sqlite_objects` take the name out of it.
"""

import sqlite3
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from sqlalchemy import Connection, Engine, Table
from sqlalchemy.exc import DBAPIError, InvalidRequestError, SQLAlchemyError

from shared.database import sqlite_objects
from shared.database.mssql_errors import BrokenRule, rule_of
from shared.database.objects import foreign_keys, triggers
from shared.errors import BridgeError, DatabaseRuleBroken, DatabaseValueTooLong

_LONGEST_NAME: Final = 200


@contextmanager
def rules_of(
    connection: Connection | Engine, table: Table, database: str, *, written: Collection[str] = ()
) -> Iterator[None]:
    """Report what a rule of a table refuses.

    Args:
        connection: the transaction that writes.
        table: the table that is written to.
        database: its database in messages.
        written: names of the columns that get a value; empty: not known.

    Raises:
        DatabaseRuleBroken: a rule refuses what is written. Whether the transaction goes on, the database decides.
    """
    try:
        yield
    except DatabaseValueTooLong as error:
        raise _broken(connection, table, database, BrokenRule(f"size of a column ({error.reason})")) from None
    except DBAPIError as error:
        original = error.orig
        rule = sqlite_objects.broken_rule(original) if isinstance(original, sqlite3.Error) else rule_of(original)
        if rule is None:
            raise
        raise _broken(connection, table, database, rule, written) from None


@contextmanager
def rules_at_commit(engine: Engine, table: Table, database: str) -> Iterator[None]:
    """Report what a rule refuses that is checked when the transaction ends, around a transaction that writes a table.

    Raises:
        DatabaseRuleBroken: a rule refuses what was written, and nothing is.
    """
    try:
        yield
    except DBAPIError as error:
        if error.statement is not None:
            raise
        with rules_of(engine, table, database):
            raise


@contextmanager
def savepoint(connection: Connection) -> Iterator[None]:
    """What a rule refuses in this block is undone alone, and the transaction goes on.

    On SQL Server XACT_ABORT is off meanwhile, for it would end the transaction. A trigger or a conversion ends it all
    the same.

    Raises:
        TransactionLostError: a rule was broken, and the whole transaction is undone.
    """
    is_server = connection.dialect.name == "mssql"
    if is_server:
        connection.exec_driver_sql("SET XACT_ABORT OFF")
    nested = connection.begin_nested()
    try:
        yield
        nested.commit()
    except DatabaseRuleBroken as error:
        try:
            nested.rollback()
        except (BridgeError, DBAPIError, InvalidRequestError):
            raise TransactionLostError(error) from None
        raise
    finally:
        if is_server:
            try:
                connection.exec_driver_sql("SET XACT_ABORT ON")
            except (BridgeError, DBAPIError, InvalidRequestError):
                connection.invalidate()  # it must not go back to the pool like this


class TransactionLostError(Exception):
    """A broken rule has ended the whole transaction, not only its statement.

    Attributes:
        error: the broken rule.
    """

    def __init__(self, error: DatabaseRuleBroken) -> None:
        super().__init__(error)
        self.error = error


def _broken(
    connection: Connection | Engine, table: Table, database: str, rule: BrokenRule, written: Collection[str] = ()
) -> DatabaseRuleBroken:
    name = _full_name(connection, table, rule)
    of_row = rule.of_row and not (rule.column and written and rule.column not in written)
    return DatabaseRuleBroken(database=database, table=table.name, rule=name[:_LONGEST_NAME], of_row=of_row)


def _full_name(connection: Connection | Engine, table: Table, rule: BrokenRule) -> str:
    """The rule with the names that only the catalogue has; as it is where the catalogue cannot be read."""
    look_up = {"trigger": triggers, "foreign key": foreign_keys}.get(rule.name)
    if look_up is None and not rule.unique:
        return rule.name
    try:
        # The transaction may be lost, and reading waits for nobody.
        with connection.engine.connect() as other:
            if look_up is not None:
                return f"{rule.name} {_any_of(look_up(other, table))}"
            name = sqlite_objects.unique_index(other, table.name, rule.unique)
    except (BridgeError, SQLAlchemyError):
        return rule.name
    return f"unique index {name} ({', '.join(rule.unique)})" if name else rule.name


def _any_of(names: Sequence[str]) -> str:
    return " or ".join(names) or "of a table behind it"
