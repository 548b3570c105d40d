"""Bulk loading: rows of a load go in chunks into a staging table, by the fastest road that there is.

Each chunk is committed by itself, so that neither the log nor a lock grows with the load. The table has a column
`load_id`, by which a load that fails is removed and by which the step that moves the rows knows them.
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, ExitStack
from itertools import batched
from typing import Final

from sqlalchemy import Table, delete, func, select

from shared.bulk.bulk_copy import ROWS as ROWS_OF_BULK_COPY
from shared.bulk.bulk_copy import bulk_copy_road
from shared.bulk.bulk_insert import ROWS as ROWS_OF_BULK_INSERT
from shared.bulk.bulk_insert import BulkInsertSource, bulk_insert_road
from shared.bulk.insert import ROWS as ROWS_OF_INSERT
from shared.bulk.insert import insert_road
from shared.bulk.target import Row, Target
from shared.database import Database
from shared.errors import BridgeError, BulkLoadIncomplete
from shared.settings import BulkRoad
from shared.telemetry import log

#: Below it a bulk copy, which logs in twice, takes longer than what it saves.
_FEW: Final = 500
_Write = Callable[[list[Row]], None]
_ROWS: Final = {
    BulkRoad.AUTO: ROWS_OF_BULK_COPY,
    BulkRoad.BULK_COPY: ROWS_OF_BULK_COPY,
    BulkRoad.INSERT: ROWS_OF_INSERT,
    BulkRoad.BULK_INSERT: ROWS_OF_BULK_INSERT,
}


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

    def load(self, table: Table, columns: Sequence[str], rows: Iterable[Row], *, load_id: str) -> int:
        """Load rows, all of them or none. One chunk of them is in memory at a time.

        Args:
            table: a table with a column `load_id`.
            columns: names of columns of the table, without `load_id`; those that are not named are NULL.
            rows: values in the order of `columns`: texts, whole numbers, bytes, aware times, None.
            load_id: of this load alone.

        Returns:
            How many there are, by the table's own count.

        Raises:
            DatabaseValueTooLong: a value does not fit its column.
            DatabaseTextNotAscii: a text would lose characters in its column.
            BulkLoadClosed: the road that was asked for cannot be used.
            BulkLoadIncomplete: rows are missing, or there are too many; none are left.
            DatabaseUnavailable: the database did not answer.
        """
        target = Target(self.database, table, columns, load_id)
        try:
            return self._load(target, rows)
        except Exception:
            self._try_to_remove(target)
            raise

    def _load(self, target: Target, rows: Iterable[Row]) -> int:
        given = 0
        chunks = (target.prepared(chunk) for chunk in batched(rows, _ROWS[self.road], strict=False))
        first = next(chunks, None)
        if first is None:
            return 0
        with ExitStack() as stack:
            write, road = self._begin(stack, target, first)
            given += len(first)
            for chunk in chunks:
                write(chunk)
                given += len(chunk)
        arrived = self._count(target)
        if arrived != given:
            raise BulkLoadIncomplete(
                database=self.database.name, table=target.table.name, road=road, given=given, arrived=arrived
            )
        return arrived

    def _begin(self, stack: ExitStack, target: Target, first: list[Row]) -> tuple[_Write, BulkRoad]:
        """Write the first chunk: what goes on after it, and the road that it took."""
        road = self.road
        if road is BulkRoad.AUTO and len(first) < _FEW:
            road = BulkRoad.INSERT
        if road is BulkRoad.AUTO:
            try:
                return _begun(stack, bulk_copy_road(target), first), BulkRoad.BULK_COPY
            except BulkLoadIncomplete:
                raise
            except BridgeError as error:
                # Whatever it was: INSERT either works, or says better what is wrong.
                self._say_once(error)
                self._remove(target)
                road = BulkRoad.INSERT
        return _begun(stack, self._road_of(road, target), first), road

    def _road_of(self, road: BulkRoad, target: Target) -> AbstractContextManager[_Write]:
        match road:
            case BulkRoad.BULK_COPY:
                return bulk_copy_road(target)
            case BulkRoad.BULK_INSERT if self._source is not None:
                return bulk_insert_road(target, self._source)
        return insert_road(target)

    def _count(self, target: Target) -> int:
        with self.database.reading() as connection:
            count = select(func.count()).select_from(target.table).where(target.table.c.load_id == target.load_id)
            return connection.execute(count).scalar_one()

    def _remove(self, target: Target) -> None:
        with self.database.writing() as connection:
            connection.execute(delete(target.table).where(target.table.c.load_id == target.load_id))

    def _try_to_remove(self, target: Target) -> None:
        try:
            self._remove(target)
        except BridgeError as error:
            # The load's own error tells more. No later load has this id.
            log.warning("Load %s is left in %s: %s", target.load_id, target.table.name, error)

    def _say_once(self, error: BridgeError) -> None:
        if error.code not in self._said:
            self._said.add(error.code)
            log.warning("Rows go by INSERT, not by bulk copy: %s", error, extra={"action": "insert"})


def _begun(stack: ExitStack, road: AbstractContextManager[_Write], first: list[Row]) -> _Write:
    with ExitStack() as own:
        write = own.enter_context(road)
        write(first)
        stack.push(own.pop_all())
        return write
