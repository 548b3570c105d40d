"""Named locks of SQL Server, held until the end of a transaction: one writer at a time where order matters."""

import re
from typing import Final

from sqlalchemy import Connection

from shared.errors import DatabaseUnavailable

#: How long a transaction waits for a lock.
_WAIT_SECONDS: Final = 600
#: What a lock may be called.
_NAME: Final = re.compile(r"bridge\.[a-z_]+")


def acquire_lock(connection: Connection, name: str) -> None:
    """Within a writing transaction: wait until no other transaction holds the lock of this name, then hold it.

    SQLite lets one transaction write at a time anyway.

    Args:
        connection: the transaction, whose end releases the lock.
        name: name of the lock, a literal in the code.

    Raises:
        DatabaseUnavailable: another transaction holds it for too long.
    """
    if connection.dialect.name != "mssql":
        return
    # Counts are turned on again, for the connection goes back to the pool.
    result = connection.exec_driver_sql(f"SET NOCOUNT ON; {lock_statement(name)} SELECT @got; SET NOCOUNT OFF")
    if int(result.scalar_one()) < 0:
        raise DatabaseUnavailable(database="RS_DB", reason=f"another process holds the lock {name}")


def lock_statement(name: str) -> str:
    """T-SQL that waits for a lock and puts the result into `@got`: below 0 the lock was not acquired."""
    assert _NAME.fullmatch(name)  # noqa: S101 - no data gets here
    return (
        f"DECLARE @got INT; EXEC @got = sp_getapplock @Resource = N'{name}', @LockMode = N'Exclusive', "
        f"@LockOwner = N'Transaction', @LockTimeout = {_WAIT_SECONDS * 1000};"
    )
