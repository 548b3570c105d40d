"""Bulk loading: rows of a load go in chunks into a table, by the fastest road that there is.

Each chunk is committed by itself, so that neither the log nor a lock grows with the load. A stamp in every row (a load
id, say) tells which rows are the load's: by it they are counted at the end, and removed when the load fails.
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, ExitStack
from types import TracebackType
from typing import Final, Self

from sqlalchemy import Table, delete, func, select

from shared.config.settings import BulkRoad
from shared.database.bulk.bulk_copy import ROWS as ROWS_OF_BULK_COPY
from shared.database.bulk.bulk_copy import bulk_copy_road
from shared.database.bulk.bulk_insert import ROWS as ROWS_OF_BULK_INSERT
from shared.database.bulk.bulk_insert import BulkInsertSource, bulk_insert_road
from shared.database.bulk.insert import ROWS as ROWS_OF_INSERT
from shared.database.bulk.insert import insert_road
from shared.database.bulk.target import Row, Stamp, Target
from shared.database.connections import Database
from shared.errors import BridgeError, BulkLoadIncomplete
from shared.telemetry import log

#: Below it a bulk copy, which logs in twice, takes longer than what it saves.
_FEW: Final = 500
_ROWS: Final = {
    BulkRoad.AUTO: ROWS_OF_BULK_COPY,
    BulkRoad.BULK_COPY: ROWS_OF_BULK_COPY,
    BulkRoad.INSERT: ROWS_OF_INSERT,
    BulkRoad.BULK_INSERT: ROWS_OF_BULK_INSERT,
}
_Write = Callable[[list[Row]], None]


class BulkLoad:
    """Loads rows into tables of one database. Safe to share between threads.

    Args:
        database: the database. SQLite has one road, INSERT.
        road: how rows go. `auto`: by bulk copy; by INSERT when they are few, or when the first of them cannot go so.
        source: where the files of `bulk insert` lie; needed for no other road.
    """

    def __init__(
        self, database: Database, road: BulkRoad = BulkRoad.AUTO, source: BulkInsertSource | None = None
    ) -> None:
        if road is BulkRoad.BULK_INSERT and source is None:
            msg = "bulk insert needs a source"
            raise ValueError(msg)
        self.database = database
        #: The road that rows take, or try first.
        self.road = BulkRoad.INSERT if database.server is None else road
        self._source = source
        self._said: set[str] = set()

    def load(self, table: Table, columns: Sequence[str], rows: Iterable[Row], *, stamp: Stamp) -> int:
        """Load rows, all of them or none. One chunk of them is in memory at a time.

        Args:
            table: the table.
            columns: names of its columns, without that of the stamp; those that are not named are NULL.
            rows: values in the order of `columns`: texts, whole numbers, bytes, aware times, None.
            stamp: a column, and the value in it that the rows of this load have and no others.

        Returns:
            How many there are, by the table's own count.

        Raises:
            DatabaseValueTooLong: a value does not fit its column.
            DatabaseTextNotAscii: a text would lose characters in its column.
            BulkLoadClosed: the road that was asked for cannot be used.
            BulkLoadIncomplete: rows are missing, or there are too many; none are left.
            DatabaseUnavailable: the database did not answer.
        """
        with self.loading(table, columns, stamp=stamp) as loading:
            loading.add(rows)
        return loading.arrived

    def loading(self, table: Table, columns: Sequence[str], *, stamp: Stamp) -> "Loading":
        """A load to which rows are added as they come; arguments and errors are those of `load`."""
        return Loading(self, Target(self.database, table, columns, stamp))

    def road_of(self, road: BulkRoad, target: Target) -> AbstractContextManager[_Write]:
        """The road, to write chunks by."""
        match road:
            case BulkRoad.BULK_COPY:
                return bulk_copy_road(target)
            case BulkRoad.BULK_INSERT if self._source is not None:
                return bulk_insert_road(target, self._source)
        return insert_road(target)

    def say_once(self, error: BridgeError) -> None:
        """Log why rows do not go by bulk copy."""
        if error.code not in self._said:
            self._said.add(error.code)
            log.warning(
                "Rows go by INSERT, not by bulk copy: %s", error, extra={"action": "insert", "code": error.code}
            )


class Loading(AbstractContextManager["Loading"]):
    """One load. At the end of the block it is whole, or an error is raised and nothing of it is left.

    Attributes:
        arrived: after the block, how many rows there are by the table's own count.
    """

    def __init__(self, bulk: BulkLoad, target: Target) -> None:
        self.arrived = 0
        self._bulk = bulk
        self._target = target
        self._road = bulk.road
        self._write: _Write | None = None
        self._open = ExitStack()
        self._waiting: list[Row] = []
        self._given = 0

    def __enter__(self) -> Self:
        """Nothing is asked of the database before there are rows."""
        return self

    def add(self, rows: Iterable[Row]) -> None:
        """Add rows; those that fill a chunk are written."""
        for row in rows:
            self._waiting.append(row)
            if len(self._waiting) == _ROWS[self._bulk.road]:
                self._flush()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write the rest and count; or remove what was written."""
        with self._open:
            try:
                if kind is None:
                    self._finish()
            except Exception:
                self._try_to_remove()
                raise
            if error is not None and isinstance(error, Exception):
                self._try_to_remove()

    def _finish(self) -> None:
        if self._waiting:
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
                road=self._road,
                given=self._given,
                arrived=self.arrived,
            )

    def _flush(self) -> None:
        rows = self._target.prepared(self._waiting)
        self._waiting.clear()
        self._given += len(rows)
        if self._write is None:
            self._write = self._begin(rows)
        else:
            self._write(rows)

    def _begin(self, first: list[Row]) -> _Write:
        """Write the first chunk: what writes those after it."""
        if self._road is BulkRoad.AUTO and len(first) >= _FEW:
            try:
                return self._begun(BulkRoad.BULK_COPY, first)
            except BulkLoadIncomplete:
                raise
            except BridgeError as error:
                # Whatever it was: INSERT either works, or says better what is wrong.
                self._bulk.say_once(error)
                self._remove()
        return self._begun(BulkRoad.INSERT if self._bulk.road is BulkRoad.AUTO else self._bulk.road, first)

    def _begun(self, road: BulkRoad, first: list[Row]) -> _Write:
        self._road = road
        with ExitStack() as opened:
            write = opened.enter_context(self._bulk.road_of(road, self._target))
            write(first)
            self._open.push(opened.pop_all())
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
            # The load's own error tells more. No later load has this stamp.
            extra = {"action": "load-left", "code": error.code}
            log.warning("A load that failed is left in %s: %s", self._target.table.name, error, extra=extra)
