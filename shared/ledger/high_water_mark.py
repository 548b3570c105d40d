"""The high-water mark: shows that the ledger is older than what was done with it, as after a restore of RS_DB.

The ledger has an id and a number that grows with every attempt at an effect, in the transaction that records it, and
with every run of housekeeping. Both are copied into the storage account before the effect. A ledger that is behind its
copy was restored to an earlier moment; one without its copy, or with that of another ledger, may have been. No clock is
compared.
"""

import uuid
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, unquote

from sqlalchemy import Connection, insert, select, update
from sqlalchemy.exc import IntegrityError

from shared.clock import Clock
from shared.database.connections import Database, retry_transaction
from shared.errors import BridgeError, LedgerMarkMissing, LedgerOlder, LedgerOther, StorageUnavailable
from shared.ledger.holds import Holds
from shared.ledger.tables import high_water_mark as table
from shared.storage import blob_names
from shared.storage.staging import StagedFile, Staging

#: The bridge itself, as the one who places a hold.
BRIDGE: Final = "the bridge"
#: The only row.
_ROW: Final = 1
#: Attempts to write the copy while other processes write it too; one of them succeeds each time.
_ATTEMPTS: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class _Mark:
    ledger: str
    number: int


class HighWaterMark:
    """The mark of the ledger, and its copy in the storage account.

    Args:
        database: where the ledger is.
        container: where the copy is.
        hold: what is placed where the two disagree.
        name: name of this installation, for people.
        clock: the clock, for people.
    """

    def __init__(self, database: Database, container: Staging, hold: Holds, *, name: str, clock: Clock) -> None:
        self._database = database
        self._container = container
        self._hold = hold
        self._name = name
        self._clock = clock

    def grow(self) -> None:
        """Let it grow by one, so that moments at which nothing is tried have marks too. Raises as `sync`."""
        self.sync()
        self._grow()
        self.sync()

    def sync(self) -> None:
        """Compare the ledger with the copy, and bring the copy up to date; hold everything where they disagree.

        Raises:
            DatabaseUnavailable: the ledger could not be read.
            StorageUnavailable: the copy could not be read or written.
        """
        for _ in range(_ATTEMPTS):
            copy = self._container.find(blob_names.HIGH_WATER_MARK)
            own = self._own()  # read after the copy, or an attempt in between would look like a restored ledger
            disagreement = _disagreement(own, copy)
            if disagreement is not None:
                if copy is None and self._container.find(blob_names.HIGH_WATER_MARK) is not None:
                    continue  # another process wrote the first copy in between
                self._hold.add(disagreement.sentence, by=BRIDGE, code=disagreement.code)
                return
            if (copy is not None and _read(copy).number >= own.number) or self._write(own, copy):
                return
        raise StorageUnavailable(operation="write the mark of the ledger", reason="other processes write it")

    def accept(self) -> None:
        """Let the ledger be what it is, with a mark beyond its copy: an operator has checked what was sent since.

        Raises as `sync`.
        """
        for _ in range(_ATTEMPTS):
            copy = self._container.find(blob_names.HIGH_WATER_MARK)
            own = self._own()
            if copy is not None and _read(copy).number >= own.number:
                own = self._raise(_read(copy).number + 1)
            if self._write(own, copy):
                return
        raise StorageUnavailable(operation="write the mark of the ledger", reason="other processes write it")

    def _own(self) -> _Mark:
        query = select(table.c.ledger, table.c.number).where(table.c.id == _ROW)
        with self._database.reading() as connection:
            row = connection.execute(query).one_or_none()
        return self._create() if row is None else _Mark(ledger=row.ledger, number=row.number)

    def _create(self) -> _Mark:
        mark = _Mark(ledger=uuid.uuid4().hex, number=0)
        try:
            with self._database.writing() as connection:
                connection.execute(insert(table).values(id=_ROW, ledger=mark.ledger, number=mark.number))
        except IntegrityError:
            return self._own()  # another process was faster
        return mark

    @retry_transaction
    def _grow(self) -> None:
        with self._database.writing() as connection:
            grow(connection)

    @retry_transaction
    def _raise(self, number: int) -> _Mark:
        raised = update(table).where(table.c.id == _ROW).values(number=number).returning(table.c.ledger)
        with self._database.writing() as connection:
            return _Mark(ledger=connection.execute(raised).scalar_one(), number=number)

    def _write(self, mark: _Mark, copy: StagedFile | None) -> bool:
        """Write the copy, unless another process has written it since it was read."""
        written_at = self._clock.now().isoformat(timespec="seconds")
        # Metadata of blobs is ASCII; a name of people need not be.
        by = quote(self._name, safe=" ")
        metadata = {"ledger": mark.ledger, "number": str(mark.number), "by": by, "written_at": written_at}
        return self._container.put_metadata(blob_names.HIGH_WATER_MARK, metadata, replacing=copy)


def grow(connection: Connection) -> None:
    """Let the mark grow by one, in the transaction that writes what is about to be done."""
    connection.execute(update(table).where(table.c.id == _ROW).values(number=table.c.number + 1))


def _disagreement(own: _Mark, copy: StagedFile | None) -> BridgeError | None:
    if copy is None:
        # A ledger whose mark never grew has never written a copy.
        return None if own.number == 0 else LedgerMarkMissing(number=own.number)
    mark, written_at, by = _read(copy), copy.metadata.get("written_at", "?"), unquote(copy.metadata.get("by", "?"))
    if mark.ledger != own.ledger:
        return LedgerOther(by=by, written_at=written_at)
    if mark.number > own.number:
        return LedgerOlder(number=own.number, reached=mark.number, written_at=written_at)
    return None


def _read(copy: StagedFile) -> _Mark:
    return _Mark(ledger=copy.metadata.get("ledger", ""), number=int(copy.metadata.get("number", "0")))
