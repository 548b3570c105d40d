"""Transactions of which nothing is kept begin again, and no others."""

import pytest

from shared.database.connections import retry_transaction
from shared.errors import BridgeError, DatabaseFull, DatabaseUnavailable


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.database.connections.time.sleep", lambda _: None)


def deadlock() -> DatabaseUnavailable:
    return DatabaseUnavailable(database="RS_DB", reason="SQLSTATE 40001, error 1205", number=1205, undone=True)


class Transaction:
    """Fails with each of these errors in turn, then ends well."""

    def __init__(self, *errors: BridgeError) -> None:
        self.errors = list(errors)
        self.begun = 0

    @retry_transaction
    def run(self, what: str) -> str:
        self.begun += 1
        if self.errors:
            raise self.errors.pop(0)
        return what


def test_a_transaction_that_was_undone_begins_again() -> None:
    transaction = Transaction(deadlock(), deadlock())
    assert transaction.run("done") == "done"
    assert transaction.begun == 3


def test_it_does_so_a_few_times_only() -> None:
    transaction = Transaction(*(deadlock() for _ in range(20)))
    with pytest.raises(DatabaseUnavailable):
        transaction.run("done")
    assert transaction.begun == 5


@pytest.mark.parametrize(
    "error",
    [
        # A COMMIT may have got through.
        DatabaseUnavailable(database="RS_DB", reason="SQLSTATE 08S01", number=None, undone=False),
        DatabaseUnavailable(database="RS_DB", reason="OperationalError"),  # SQLite waits long enough by itself
        DatabaseFull(database="RS_DB", number=1105),
    ],
)
def test_what_may_have_happened_does_not_begin_again(error: BridgeError) -> None:
    transaction = Transaction(error)
    with pytest.raises(type(error)):
        transaction.run("done")
    assert transaction.begun == 1
