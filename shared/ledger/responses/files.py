"""Response files in the ledger: seen on the SFTP site, gathered into blob storage, loaded into RS_DB."""

import json
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, and_, case, delete, func, insert, or_, select, true, update
from sqlalchemy.exc import IntegrityError

from shared.clock import Clock
from shared.database.connections import Database
from shared.errors import BridgeError, LeaseLost
from shared.ledger import tables
from shared.ledger.tables import response_file as table
from shared.ledger.tables import response_staging as staging
from shared.rejects import RejectReason
from shared.storage import blob_names


class FileState(StrEnum):
    """Where a response file stands."""

    SEEN = "seen"  #: on the SFTP site; taken when the next look finds it unchanged
    GATHERED = "gathered"  #: in blob storage
    LOADED = "loaded"  #: its rows are in RS_DB
    FAILED = "failed"  #: cannot be loaded as it is; it is kept and can be loaded again


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadCounts:
    """Rows of a response file; read = loaded + known + rejected (rule 5)."""

    read: int
    loaded: int
    known: int
    rejected: int
    #: Rows among the loaded that have not found their broadcast; it gets less when they find it later.
    unmatched: int
    by_type: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseFile:
    """A response file as the ledger has it."""

    id: int
    name: str
    size: int
    modified: datetime
    state: FileState
    sha256: str | None
    seen_at: datetime
    gathered_at: datetime | None
    loaded_at: datetime | None
    due_at: datetime
    attempts: int
    counts: LoadCounts | None
    error_code: str | None
    error: str | None
    #: The layout that it was seen under; None for files from before layouts were kept.
    layout: str | None
    #: Rounds in a row in which it could not be gathered, or put away.
    left_rounds: int
    #: When its kept file was removed after its time.
    removed_at: datetime | None

    @property
    def blob(self) -> str:
        """Name of the kept file in its container."""
        return blob_names.response_file(self.id, self.name)


class ResponseFiles:
    """The response files of the ledger."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def get(self, file_id: int) -> ResponseFile | None:
        """The response file with this id."""
        with self._database.reading() as connection:
            row = connection.execute(select(table).where(table.c.id == file_id)).one_or_none()
        return None if row is None else _from_row(row)

    def find(self, name: str, size: int, modified: datetime) -> ResponseFile | None:
        """The response file with this name, size and time of change."""
        wanted = select(table).where(table.c.name == name, table.c.size == size, table.c.modified == modified)
        with self._database.reading() as connection:
            row = connection.execute(wanted).one_or_none()
        return None if row is None else _from_row(row)

    def see(self, name: str, size: int, modified: datetime, *, layout: str) -> int:
        """Record a first look at a file, in place of an earlier look at the same name that it outgrew.

        Returns:
            For how many rounds in a row the name was left, this one among them if it changed since the last.
        """
        now = self._clock.now()
        try:
            with self._database.writing() as connection:
                changed = or_(table.c.size != size, table.c.modified != modified)
                outgrown = and_(table.c.name == name, table.c.state == FileState.SEEN, changed)
                rounds = connection.scalar(select(func.max(table.c.left_rounds)).where(outgrown))
                left = 0 if rounds is None else rounds + 1
                connection.execute(delete(table).where(outgrown))
                connection.execute(
                    insert(table).values(
                        name=name,
                        size=size,
                        modified=modified,
                        state=FileState.SEEN,
                        seen_at=now,
                        due_at=now,
                        attempts=0,
                        layout=layout,
                        left_rounds=left,
                    )
                )
        except IntegrityError:
            return 0  # another gatherer saw it too
        return left

    def see_again(self, file: ResponseFile) -> None:
        """Record that a file that had vanished before it was gathered is there again."""
        with self._database.writing() as connection:
            connection.execute(
                update(table)
                .where(table.c.id == file.id, table.c.state == FileState.FAILED, table.c.sha256.is_(None))
                .values(state=FileState.SEEN, seen_at=self._clock.now(), error_code=None, error=None, left_rounds=0)
            )

    def left(self, file: ResponseFile, *, code: str) -> int:
        """Record that a file could not be gathered, or put away, in this round; for how many rounds in a row now."""
        with self._database.writing() as connection:
            this = table.c.id == file.id
            connection.execute(update(table).where(this).values(left_rounds=table.c.left_rounds + 1, left_code=code))
            return connection.scalar(select(table.c.left_rounds).where(this)) or 0

    def kept(self) -> list[ResponseFile]:
        """The files that lie in blob storage, in the order in which they were first seen."""
        wanted = (
            select(table).where(table.c.gathered_at.is_not(None), table.c.removed_at.is_(None)).order_by(table.c.id)
        )
        with self._database.reading() as connection:
            return [_from_row(row) for row in connection.execute(wanted)]

    def old(self, *, before: datetime, limit: int) -> list[ResponseFile]:
        """Files that were kept before then and do not wait for their load, in the order in which they were seen."""
        wanted = (
            select(table)
            .where(
                table.c.gathered_at < before,
                table.c.removed_at.is_(None),
                table.c.state.in_((FileState.LOADED, FileState.FAILED)),
            )
            .order_by(table.c.id)
            .limit(limit)
        )
        with self._database.reading() as connection:
            return [_from_row(row) for row in connection.execute(wanted)]

    def removed(self, file: ResponseFile) -> None:
        """Record that a file is not kept any more."""
        with self._database.writing() as connection:
            connection.execute(update(table).where(table.c.id == file.id).values(removed_at=self._clock.now()))

    def only_seen(self) -> list[ResponseFile]:
        """Files that were seen and are not gathered yet."""
        with self._database.reading() as connection:
            seen = select(table).where(table.c.state == FileState.SEEN).order_by(table.c.id)
            return [_from_row(row) for row in connection.execute(seen)]

    def vanished(self, file: ResponseFile, *, code: str, sentence: str) -> None:
        """Record that a file that was only seen will not be gathered."""
        with self._database.writing() as connection:
            connection.execute(
                update(table)
                .where(table.c.id == file.id, table.c.state == FileState.SEEN)
                .values(state=FileState.FAILED, error_code=code, error=sentence[:2000])
            )

    def not_put_away(self, layouts: Collection[str], limit: int) -> list[ResponseFile]:
        """Loaded files of these layouts whose remote files are not put away yet."""
        wanted = (
            select(table)
            .where(table.c.state == FileState.LOADED, table.c.put_away_at.is_(None), table.c.layout.in_(layouts))
            .order_by(table.c.left_rounds, table.c.id)
            .limit(limit)
        )
        with self._database.reading() as connection:
            return [_from_row(row) for row in connection.execute(wanted)]

    def put_away(self, file: ResponseFile) -> None:
        """Record that the remote file was moved or removed."""
        with self._database.writing() as connection:
            connection.execute(
                update(table)
                .where(table.c.id == file.id)
                .values(put_away_at=self._clock.now(), left_rounds=0, left_code=None)
            )

    def last_gathered(self) -> dict[str | None, datetime]:
        """When the last file of each layout was gathered; under None that of files whose layout is not known."""
        wanted = select(table.c.layout, func.max(table.c.gathered_at)).group_by(table.c.layout)
        with self._database.reading() as connection:
            rows = connection.execute(wanted.where(table.c.gathered_at.is_not(None))).all()
        return {layout: at for layout, at in rows}  # noqa: C416 - rows are no pairs to mypy

    def gathered(self, file: ResponseFile, *, sha256: str, due_at: datetime) -> bool:
        """Record that the file lies in blob storage; false when somebody else recorded it first."""
        with self._database.writing() as connection:
            changed = connection.execute(
                update(table)
                .where(table.c.id == file.id, table.c.state == FileState.SEEN)
                .values(
                    state=FileState.GATHERED,
                    sha256=sha256,
                    gathered_at=self._clock.now(),
                    due_at=due_at,
                    left_rounds=0,
                    left_code=None,
                )
            )
        return changed.rowcount == 1

    def try_load(self, file: ResponseFile, *, due_at: datetime) -> None:
        """Record that a load is tried now."""
        with self._database.writing() as connection:
            connection.execute(
                update(table).where(table.c.id == file.id).values(attempts=table.c.attempts + 1, due_at=due_at)
            )

    def failed(self, file: ResponseFile, *, code: str, sentence: str) -> None:
        """Record that a gathered file cannot be loaded as it is; one that was loaded before or meanwhile stays so."""
        with self._database.writing() as connection:
            connection.execute(delete(staging).where(staging.c.response_file_id == file.id, staging.c.place.is_(None)))
            connection.execute(
                update(table)
                .where(table.c.id == file.id, table.c.state == FileState.GATHERED)
                .values(
                    state=case((table.c.rows_read.is_(None), FileState.FAILED), else_=FileState.LOADED),
                    error_code=code,
                    error=sentence[:2000],
                )
            )

    def load_anew(self, file: ResponseFile, *, due_at: datetime) -> bool:
        """Let a kept file be loaded once more, from the beginning; false when it is not kept any more."""
        with self._database.writing() as connection:
            changed = connection.execute(
                update(table)
                .where(table.c.id == file.id, table.c.state != FileState.SEEN, table.c.removed_at.is_(None))
                .values(state=FileState.GATHERED, attempts=0, due_at=due_at)
            )
        return changed.rowcount == 1

    def kept_again(self, file: ResponseFile) -> None:
        """Record that a file that was removed after its time is kept once more."""
        with self._database.writing() as connection:
            connection.execute(
                update(table).where(table.c.id == file.id).values(gathered_at=self._clock.now(), removed_at=None)
            )

    def gathered_since(self, since: datetime) -> list[ResponseFile]:
        """The files that were gathered at this time or later, in the order in which they were first seen."""
        wanted = select(table).where(table.c.gathered_at >= since, table.c.state != FileState.SEEN).order_by(table.c.id)
        with self._database.reading() as connection:
            return [_from_row(row) for row in connection.execute(wanted)]

    def named(self, name: str) -> list[ResponseFile]:
        """The gathered files of this name, in the order in which they were first seen."""
        wanted = select(table).where(table.c.name == name, table.c.state != FileState.SEEN).order_by(table.c.id)
        with self._database.reading() as connection:
            return [_from_row(row) for row in connection.execute(wanted)]

    def put_off(self, file: ResponseFile, *, due_at: datetime) -> None:
        """Record when the next message of the file is due."""
        with self._database.writing() as connection:
            connection.execute(update(table).where(table.c.id == file.id).values(due_at=due_at))

    def forgotten(self, limit: int) -> list[ResponseFile]:
        """Gathered files whose load is overdue and not under way (rule 3)."""
        now = self._clock.now()
        leased = select(tables.lease.c.name).where(
            tables.lease.c.name == "response-file:" + table.c.name, tables.lease.c.expires_at > now
        )
        wanted = (
            select(table)
            .where(table.c.state == FileState.GATHERED, table.c.due_at < now, ~leased.exists())
            .order_by(table.c.due_at)
            .limit(limit)
        )
        with self._database.reading() as connection:
            return [_from_row(row) for row in connection.execute(wanted)]

    def newest(self, limit: int) -> list[ResponseFile]:
        """The newest response files, newest first."""
        with self._database.reading() as connection:
            return [
                _from_row(row) for row in connection.execute(select(table).order_by(table.c.id.desc()).limit(limit))
            ]

    def totals(self) -> dict[str, int]:
        """Files by state, as `files_<state>`, and the sums of their rows, as `rows_<what>`."""
        names = ("read", "loaded", "known", "rejected", "unmatched")
        with self._database.reading() as connection:
            states = dict.fromkeys(FileState, 0)
            for state, count in connection.execute(select(table.c.state, func.count()).group_by(table.c.state)):
                states[FileState(state)] = count
            sums = connection.execute(select(*(func.coalesce(func.sum(table.c[f"rows_{n}"]), 0) for n in names))).one()
        return {
            **{f"files_{state}": count for state, count in states.items()},
            **{f"rows_{name}": int(value) for name, value in zip(names, sums, strict=True)},
        }


def record_load(
    connection: Connection,
    file: ResponseFile,
    counts: LoadCounts,
    rejects: Mapping[RejectReason, int],
    *,
    refused: BridgeError | None = None,
    keep_new: bool = False,
    now: datetime,
) -> None:
    """Record, within the transaction that moved the rows, that the file is loaded.

    Of a file that was loaded before, the rows that were loaded then are no longer counted as known.

    Args:
        connection: the transaction.
        file: the response file.
        counts: what became of its rows in this load.
        rejects: those that were refused, by reason.
        refused: what the file is marked with where some were.
        keep_new: leave the new rows staged, for a file that is made of them.
        now: the time.

    Raises:
        LeaseLost: somebody else was at it: it is not waiting for its load any more, or its staged rows are not
            those that were counted; roll back.
    """
    mine = staging.c.response_file_id == file.id
    staged = connection.execute(delete(staging).where(mine, staging.c.place.is_(None) if keep_new else true())).rowcount
    if keep_new:
        staged += connection.scalar(select(func.count()).select_from(staging).where(mine)) or 0
    connection.execute(delete(tables.reject_count).where(tables.reject_count.c.response_file_id == file.id))
    if rejects:
        connection.execute(
            insert(tables.reject_count),
            [{"response_file_id": file.id, "reason": reason, "rows": rows} for reason, rows in rejects.items()],
        )
    before = file.counts or LoadCounts(read=0, loaded=0, known=0, rejected=0, unmatched=0)
    changed = connection.execute(
        update(table)
        .where(table.c.id == file.id, table.c.state == FileState.GATHERED)
        .values(
            state=FileState.LOADED,
            loaded_at=now,
            rows_read=counts.read,
            # Of a file from which a person was erased, fewer rows are known than were loaded.
            rows_loaded=min(before.loaded, counts.known) + counts.loaded,
            rows_known=counts.known - min(before.loaded, counts.known),
            rows_rejected=counts.rejected,
            # Others may have found their broadcast meanwhile.
            rows_unmatched=func.coalesce(table.c.rows_unmatched, 0) + counts.unmatched,
            by_type=json.dumps(dict(Counter(before.by_type) + Counter(counts.by_type))),
            error_code=refused.code if refused else None,
            error=refused.sentence[:2000] if refused else None,
        )
    )
    if changed.rowcount == 0 or staged != counts.loaded + counts.known:
        raise LeaseLost(lease=lease_name(file.name))


def no_longer_unmatched(connection: Connection, file_id: int, rows: int) -> None:
    """Record that so many rows of a file that had found no broadcast look for none any more."""
    connection.execute(update(table).where(table.c.id == file_id).values(rows_unmatched=table.c.rows_unmatched - rows))


def lease_name(name: str) -> str:
    """Name of the lease under which a file of this name is gathered or loaded."""
    return f"response-file:{name}"


def _from_row(row: Row[Any]) -> ResponseFile:
    counts = None
    if row.rows_read is not None:
        counts = LoadCounts(
            read=row.rows_read,
            loaded=row.rows_loaded,
            known=row.rows_known,
            rejected=row.rows_rejected,
            unmatched=row.rows_unmatched,
            by_type=json.loads(row.by_type),
        )
    return ResponseFile(
        id=row.id,
        name=row.name,
        size=row.size,
        modified=row.modified,
        state=FileState(row.state),
        sha256=row.sha256,
        seen_at=row.seen_at,
        gathered_at=row.gathered_at,
        loaded_at=row.loaded_at,
        due_at=row.due_at,
        attempts=row.attempts,
        counts=counts,
        error_code=row.error_code,
        error=row.error,
        layout=row.layout,
        left_rounds=row.left_rounds,
        removed_at=row.removed_at,
    )
