"""Bulk loading: rows are written to a table in chunks, by the fastest method that is available.

Each chunk is committed by itself, so that neither the transaction log nor a lock grows with the load. A stamp in every
row (a load id, say) identifies the rows of the load: by it they are counted at the end, and removed when it fails.
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, ExitStack
from types import TracebackType
from typing import Final, Self

from sqlalchemy import Table, delete, func, select

from shared.config.settings import BulkMethod
from shared.database.bulk.bulk_copy import ROWS as ROWS_OF_BULK_COPY
from shared.database.bulk.bulk_copy import bulk_copy_method
from shared.database.bulk.bulk_insert import ROWS as ROWS_OF_BULK_INSERT
from shared.database.bulk.bulk_insert import BulkInsertSource, bulk_insert_method
from shared.database.bulk.insert import ROWS as ROWS_OF_INSERT
from shared.database.bulk.insert import insert_method
from shared.database.bulk.target import Row, Stamp, Target
from shared.database.connections import Database
from shared.errors import BridgeError, BulkLoadIncomplete
from shared.telemetry import log

#: Below this number of rows a bulk copy, which logs in twice, takes longer than it saves.
_MIN_BULK_COPY: Final = 500
_ROWS: Final = {
    BulkMethod.AUTO: ROWS_OF_BULK_COPY,
    BulkMethod.BULK_COPY: ROWS_OF_BULK_COPY,
    BulkMethod.INSERT: ROWS_OF_INSERT,
    BulkMethod.BULK_INSERT: ROWS_OF_BULK_INSERT,
}
_Write = Callable[[list[Row]], None]


class BulkLoad:
    """Loads rows into tables of one database. Safe to share between threads.

    Args:
        database: the database. SQLite has one method, INSERT.
        method: how rows are written. `auto`: by bulk copy, or by INSERT when they are few or the first chunk fails.
        source: where the files of `bulk insert` are kept; needed for that method only.
    """

    def __init__(
        self, database: Database, method: BulkMethod = BulkMethod.AUTO, source: BulkInsertSource | None = None
    ) -> None:
        if method is BulkMethod.BULK_INSERT and source is None:
            raise ValueError("bulk insert needs a source")
        self.database = database
        #: The method that is used, or tried first.
        self.method = BulkMethod.INSERT if database.server is None else method
        self._source = source
        self._reported: set[type[BridgeError]] = set()

    def load(self, table: Table, columns: Sequence[str], rows: Iterable[Row], *, stamp: Stamp) -> int:
        """Load rows, all of them or none. One chunk is in memory at a time.

        Args:
            table: the table.
            columns: names of its columns, without that of the stamp; all others are NULL.
            rows: values in the order of `columns`: texts, whole numbers, bytes, aware times, None.
            stamp: a column, and the value in it that only the rows of this load have.

        Returns:
            How many rows the table has of this load, as counted in the table.

        Raises:
            DatabaseValueTooLong: a value does not fit its column.
            DatabaseTextNotAscii: a text would lose characters in its column.
            BulkLoadClosed: the requested method cannot be used.
            BulkLoadIncomplete: rows are missing, or there are too many; none remain.
            DatabaseUnavailable: the database did not answer.
        """
        with self.loading(table, columns, stamp=stamp) as loading:
            loading.add(rows)
        return loading.arrived

    def loading(self, table: Table, columns: Sequence[str], *, stamp: Stamp) -> "Loading":
        """A load to which rows are added as they come; arguments and errors are those of `load`."""
        return Loading(self, Target(self.database, table, columns, stamp))

    def writer_for(self, method: BulkMethod, target: Target) -> AbstractContextManager[_Write]:
        """A function that writes chunks by this method."""
        match method:
            case BulkMethod.BULK_COPY:
                return bulk_copy_method(target)
            case BulkMethod.BULK_INSERT if self._source is not None:
                return bulk_insert_method(target, self._source)
        return insert_method(target)

    def report_once(self, error: BridgeError) -> None:
        """Log why rows are not written by bulk copy, once for each kind of error."""
        if type(error) not in self._reported:
            self._reported.add(type(error))
            log.warning(
                "Rows are written by INSERT instead of bulk copy: %s",
                error,
                extra={"action": "insert", "code": error.code},
            )


class Loading(AbstractContextManager["Loading"]):
    """One load. At the end of the block it is complete, or an error is raised and none of its rows remain.

    Attributes:
        arrived: after the block, how many rows the table has of this load.
    """

    def __init__(self, bulk: BulkLoad, target: Target) -> None:
        self.arrived = 0
        self._bulk = bulk
        self._target = target
        self._method = bulk.method
        self._write: _Write | None = None
        self._resources = ExitStack()
        self._pending: list[Row] = []
        self._given = 0

    def __enter__(self) -> Self:
        """Nothing is sent to the database before there are rows."""
        return self

    def add(self, rows: Iterable[Row]) -> None:
        """Add rows; every full chunk is written."""
        for row in rows:
            self._pending.append(row)
            if len(self._pending) == _ROWS[self._bulk.method]:
                self._flush()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write the rest and count; or remove what was written."""
        with self._resources:
            try:
                if kind is None:
                    self._finish()
            except Exception:
                self._try_to_remove()
                raise
            if error is not None and isinstance(error, Exception):
                self._try_to_remove()

    def _finish(self) -> None:
        if self._pending:
            self._flush()
        if not self._given:
            return
        with self._bulk.database.reading() as connection:
            count = select(func.count()).select_from(self._target.table).where(self._target.rows)
            self.arrived = connection.execute(count).scalar_one()
        if self.arrived != self._given:
            raise BulkLoadIncomplete(
                database=self._bulk.database.name,
                table=self._target.table.name,
                method=self._method,
                given=self._given,
                arrived=self.arrived,
            )

    def _flush(self) -> None:
        rows = self._target.prepared(self._pending)
        self._pending.clear()
        self._given += len(rows)
        if self._write is None:
            self._write = self._begin(rows)
        else:
            self._write(rows)

    def _begin(self, first: list[Row]) -> _Write:
        """Write the first chunk; returns what writes the following ones."""
        if self._method is BulkMethod.AUTO and len(first) >= _MIN_BULK_COPY:
            try:
                return self._open_writer(BulkMethod.BULK_COPY, first)
            except BulkLoadIncomplete:
                raise
            except BridgeError as error:
                # Whatever the error was: INSERT either works or gives a better error.
                self._bulk.report_once(error)
                self._remove()
        return self._open_writer(
            BulkMethod.INSERT if self._bulk.method is BulkMethod.AUTO else self._bulk.method, first
        )

    def _open_writer(self, method: BulkMethod, first: list[Row]) -> _Write:
        self._method = method
        with ExitStack() as resources:
            write = resources.enter_context(self._bulk.writer_for(method, self._target))
            write(first)
            self._resources.push(resources.pop_all())
        return write

    def _remove(self) -> None:
        with self._bulk.database.writing() as connection:
            connection.execute(delete(self._target.table).where(self._target.rows))

    def _try_to_remove(self) -> None:
        if not self._given:
            return
        try:
            self._remove()
        except BridgeError as error:
            # The error of the load says more. No later load has this stamp.
            extra = {"action": "load-left", "code": error.code}
            log.warning("The rows of a failed load remain in %s: %s", self._target.table.name, error, extra=extra)
