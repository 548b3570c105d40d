"""Response files in the ledger: every change is a compare-and-set, and a change of state appends to the history."""

import json
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import fields
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, delete, func, insert, or_, select, true, update
from sqlalchemy.exc import IntegrityError

from shared.clock import Clock
from shared.database.connections import Database, retry_transaction
from shared.errors import BridgeError, LeaseLost, ResponseFileUnknown
from shared.ledger import tables
from shared.ledger.leases import HeldLease, LeaseName, is_response_file_leased, writing
from shared.ledger.tables import response_file as table
from shared.ledger.tables import response_file_history as history
from shared.ledger.tables import response_staging as staging
from shared.ledger.waiting import begins, wait_columns
from shared.rejects import RejectReason
from shared.response_file import FileState, LoadCounts, ResponseFile

_NOTE_LENGTH = 2000
_NO_ROWS = LoadCounts(read=0, loaded=0, known=0, rejected=0, unmatched=0)


class ResponseFiles:
    """The response files of the ledger."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    # Reading

    def get(self, file_id: int) -> ResponseFile:
        """The response file with this id.

        Raises:
            ResponseFileUnknown: there is none.
        """
        for file in self._select(table.c.id == file_id):
            return file
        raise ResponseFileUnknown(file=file_id)

    def find(self, name: str, size: int, modified: datetime) -> ResponseFile | None:
        """The response file with this name, size and time of change."""
        files = self._select(table.c.name == name, table.c.size == size, table.c.modified == modified)
        return files[0] if files else None

    def newest(self, limit: int) -> list[ResponseFile]:
        """The newest response files, newest first."""
        return self._select(order_by=(table.c.id.desc(),), limit=limit)

    def seen(self) -> list[ResponseFile]:
        """Files that were seen on the SFTP site and are not gathered yet."""
        return self._select(table.c.state == FileState.SEEN)

    def kept(self) -> list[ResponseFile]:
        """The files that are in blob storage, in the order in which they were first seen."""
        return self._select(table.c.gathered_at.is_not(None), table.c.removed_at.is_(None))

    def expired(self, *, before: datetime, limit: int) -> list[ResponseFile]:
        """Kept files that were gathered before this time and do not wait for their load."""
        ended = table.c.state.in_((FileState.LOADED, FileState.FAILED))
        return self._select(table.c.gathered_at < before, table.c.removed_at.is_(None), ended, limit=limit)

    def to_archive(self, layouts: Collection[str], limit: int) -> list[ResponseFile]:
        """Loaded files of these layouts whose remote files are not archived yet, those left most often last."""
        conditions = (
            table.c.state == FileState.LOADED,
            table.c.put_away_at.is_(None),
            table.c.layout.in_(layouts),
        )
        return self._select(*conditions, order_by=(table.c.left_rounds, table.c.id), limit=limit)

    def gathered_since(self, since: datetime) -> list[ResponseFile]:
        """The files that were gathered at this time or later, in the order in which they were first seen."""
        return self._select(table.c.gathered_at >= since, table.c.state != FileState.SEEN)

    def named(self, name: str) -> list[ResponseFile]:
        """The files of this name, in the order in which they were first seen."""
        return self._select(table.c.name == name)

    def forgotten(self, limit: int) -> list[ResponseFile]:
        """Gathered files whose load is overdue and not in progress (rule 3)."""
        overdue = table.c.due_at < self._clock.now()
        leased = is_response_file_leased(table.c.name, self._database.now())
        return self._select(
            table.c.state == FileState.GATHERED, overdue, ~leased, order_by=(table.c.due_at,), limit=limit
        )

    def history(self, file: ResponseFile) -> list[Row[Any]]:
        """Every change of state, oldest first: `at, from_state, to_state, owner, note`."""
        query = select(history).where(history.c.response_file_id == file.id).order_by(history.c.id)
        with self._database.reading() as connection:
            return list(connection.execute(query))

    def last_gathered(self) -> dict[str | None, datetime]:
        """When the last file of each layout was gathered; under None that of files whose layout is not known."""
        query = select(table.c.layout, func.max(table.c.gathered_at)).group_by(table.c.layout)
        with self._database.reading() as connection:
            rows = connection.execute(query.where(table.c.gathered_at.is_not(None))).all()
        return {layout: at for layout, at in rows}  # noqa: C416 - rows are no pairs to mypy

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

    def _select(
        self,
        *conditions: ColumnElement[bool],
        order_by: tuple[ColumnElement[Any], ...] = (table.c.id,),
        limit: int | None = None,
    ) -> list[ResponseFile]:
        query = select(table).where(*conditions).order_by(*order_by).limit(limit)
        with self._database.reading() as connection:
            return [_from_row(row) for row in connection.execute(query)]

    # Changing

    def add(self, name: str, size: int, modified: datetime, *, layout: str, owner: str, note: str) -> int:
        """Add a file in state `seen`, in place of a seen file of this name that has another size or time.

        Returns:
            In how many rounds in a row a file of this name was left: more than 0 where it replaces one.
        """
        now = self._clock.now()
        changed = or_(table.c.size != size, table.c.modified != modified)
        outgrown = and_(table.c.name == name, table.c.state == FileState.SEEN, changed)
        try:
            with self._database.writing() as connection:
                rounds = connection.scalar(select(func.max(table.c.left_rounds)).where(outgrown))
                left_rounds = 0 if rounds is None else rounds + 1
                connection.execute(delete(table).where(outgrown))
                file_id = connection.execute(
                    insert(table)
                    .values(
                        name=name,
                        size=size,
                        modified=modified,
                        state=FileState.SEEN,
                        version=1,
                        seen_at=now,
                        due_at=now,
                        attempts=0,
                        layout=layout,
                        left_rounds=left_rounds,
                    )
                    .returning(table.c.id)
                ).scalar_one()
                _append_history(connection, file_id, None, FileState.SEEN, owner, note, now)
        except IntegrityError:
            return 0  # another gatherer added it first
        return left_rounds

    @retry_transaction
    def update(self, file: ResponseFile, *, lease: HeldLease | None = None, **columns: object) -> ResponseFile:
        """Change columns, not the state; under a lease, only while it is held.

        Raises:
            LeaseLost: somebody else changed the file first, or the lease is lost; nothing was written.
        """
        with writing(self._database, lease) as connection:
            return _compare_and_set(connection, file, columns)

    @retry_transaction
    def record(
        self, file: ResponseFile, note: str, *, owner: str, lease: HeldLease | None = None, **columns: object
    ) -> ResponseFile:
        """Change columns, not the state, and append to the history; under a lease, only while it is held.

        Raises:
            LeaseLost: somebody else changed the file first, or the lease is lost; nothing was written.
        """
        with writing(self._database, lease) as connection:
            return record_change(connection, file, note, owner=owner, now=self._clock.now(), columns=columns)

    def wait(
        self,
        file: ResponseFile,
        waiting_for: str | None,
        *,
        owner: str,
        lease: HeldLease | None = None,
        **columns: object,
    ) -> ResponseFile:
        """Keep what it waits for, and change columns, not the state; a wait that begins is appended to the history.

        Raises:
            LeaseLost: somebody else changed the file first; nothing was written.
        """
        columns |= wait_columns(file, waiting_for, self._clock.now())
        if begins(file, waiting_for):
            return self.record(file, f"waits for {waiting_for}", owner=owner, lease=lease, **columns)
        return self.update(file, lease=lease, **columns)

    @retry_transaction
    def advance(self, file: ResponseFile, to: FileState, *, owner: str, note: str, **columns: object) -> ResponseFile:
        """Change the state, and append to the history.

        Raises:
            LeaseLost: somebody else changed the file first; nothing was written.
        """
        with self._database.writing() as connection:
            return _advance(connection, file, to, owner=owner, note=note, now=self._clock.now(), **columns)

    @retry_transaction
    def fail(self, file: ResponseFile, error: BridgeError, *, owner: str) -> ResponseFile:
        """Record that a gathered file cannot be loaded as it is. A file that was loaded before is loaded still.

        Raises:
            LeaseLost: somebody else changed the file first; nothing was written.
        """
        to = FileState.FAILED if file.counts is None else FileState.LOADED
        marks = {"error_code": error.code, "error": error.sentence[:2000]}
        with self._database.writing() as connection:
            connection.execute(delete(staging).where(staging.c.response_file_id == file.id, staging.c.place.is_(None)))
            note = error.sentence
            return _advance(connection, file, to, owner=owner, note=note, now=self._clock.now(), **marks)

    def load_again(self, file: ResponseFile, *, due_at: datetime, owner: str) -> ResponseFile:
        """Let a kept file be loaded once more, with all its attempts.

        Raises:
            LeaseLost: somebody else changed the file first; nothing was written.
        """
        if file.state is FileState.GATHERED:
            return self.update(file, attempts=0, due_at=due_at)
        note = "to be loaded again"
        return self.advance(file, FileState.GATHERED, owner=owner, note=note, attempts=0, due_at=due_at)

    def count_left_round(self, file: ResponseFile, *, code: str) -> int:
        """Count a round in which the file could not be gathered, or archived; how many there are in a row now.

        The count only grows by one, so it needs no version, and disturbs nobody who works on the file.
        """
        with self._database.writing() as connection:
            this = table.c.id == file.id
            connection.execute(update(table).where(this).values(left_rounds=table.c.left_rounds + 1, left_code=code))
            return connection.scalar(select(table.c.left_rounds).where(this)) or 0


def record_load(
    connection: Connection,
    file: ResponseFile,
    counts: LoadCounts,
    rejects: Mapping[RejectReason, int],
    *,
    owner: str,
    now: datetime,
    refused: BridgeError | None = None,
    keep_new: bool = False,
) -> ResponseFile:
    """Record, within the transaction that moved the rows, that the file is loaded.

    If it was loaded before, the rows that were loaded then no longer count as known.

    Args:
        connection: the transaction.
        file: the response file.
        counts: what became of its rows in this load.
        rejects: its rejected rows, by reason.
        owner: who loads it.
        now: the time.
        refused: the error that the file is marked with if rows were rejected.
        keep_new: leave the new rows staged, for a file that is made of them.

    Returns:
        The loaded file.

    Raises:
        LeaseLost: somebody else changed the file, or its staged rows are not those that were counted; roll back.
    """
    its_rows = staging.c.response_file_id == file.id
    removed = delete(staging).where(its_rows, staging.c.place.is_(None) if keep_new else true())
    staged = connection.execute(removed).rowcount
    if keep_new:
        staged += connection.scalar(select(func.count()).select_from(staging).where(its_rows)) or 0
    if staged != counts.loaded + counts.known or file.state is not FileState.GATHERED:
        raise LeaseLost(lease=LeaseName.for_response_file(file.name))
    connection.execute(delete(tables.reject_count).where(tables.reject_count.c.response_file_id == file.id))
    if rejects:
        connection.execute(
            insert(tables.reject_count),
            [{"response_file_id": file.id, "reason": reason, "rows": rows} for reason, rows in rejects.items()],
        )
    before = file.counts or _NO_ROWS
    # Of a file from which a person was erased, fewer rows are known than were loaded.
    loaded_before = min(before.loaded, counts.known)
    return _advance(
        connection,
        file,
        FileState.LOADED,
        owner=owner,
        note=f"{counts.read} rows: {counts.loaded} loaded, {counts.known} known, {counts.rejected} rejected",
        now=now,
        loaded_at=now,
        rows_read=counts.read,
        rows_loaded=loaded_before + counts.loaded,
        rows_known=counts.known - loaded_before,
        rows_rejected=counts.rejected,
        # Some of the rows loaded before may have found their broadcast meanwhile.
        rows_unmatched=func.coalesce(table.c.rows_unmatched, 0) + counts.unmatched,
        by_type=json.dumps(dict(Counter(before.by_type) + Counter(counts.by_type))),
        error_code=refused.code if refused else None,
        error=refused.sentence[:2000] if refused else None,
    )


def record_change(
    connection: Connection, file: ResponseFile, note: str, *, owner: str, now: datetime, columns: Mapping[str, object]
) -> ResponseFile:
    """Change columns, not the state, and append to the history, within a transaction.

    Raises:
        LeaseLost: somebody else changed the file first; roll back.
    """
    changed = _compare_and_set(connection, file, columns)
    _append_history(connection, file.id, file.state, file.state, owner, note, now)
    return changed


def no_longer_unmatched(connection: Connection, file_id: int, rows: int) -> None:
    """Record that so many rows of a file that had found no broadcast look for none any more.

    The count only changes by a difference, so it needs no version.
    """
    connection.execute(update(table).where(table.c.id == file_id).values(rows_unmatched=table.c.rows_unmatched - rows))


def _advance(
    connection: Connection,
    file: ResponseFile,
    to: FileState,
    *,
    owner: str,
    note: str,
    now: datetime,
    **columns: object,
) -> ResponseFile:
    file.check_transition(to)
    changed = _compare_and_set(connection, file, {"state": to, **wait_columns(file, None, now), **columns})
    _append_history(connection, file.id, file.state, to, owner, note, now)
    return changed


def _compare_and_set(connection: Connection, file: ResponseFile, columns: Mapping[str, object]) -> ResponseFile:
    changed = connection.execute(
        update(table)
        # The state too: code from before versions changes it without a new version.
        .where(table.c.id == file.id, table.c.version == file.version, table.c.state == file.state)
        .values(version=file.version + 1, **columns)
        .returning(*table.c)
    ).one_or_none()
    if changed is None:
        raise LeaseLost(lease=LeaseName.for_response_file(file.name))
    return _from_row(changed)


def _append_history(
    connection: Connection,
    file_id: int,
    was: FileState | None,
    to: FileState,
    owner: str,
    note: str,
    now: datetime,
) -> None:
    connection.execute(
        insert(history).values(
            response_file_id=file_id, at=now, from_state=was, to_state=to, owner=owner, note=note[:_NOTE_LENGTH]
        )
    )


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
    values = {field.name: getattr(row, field.name) for field in fields(ResponseFile) if field.name != "counts"}
    return ResponseFile(**values | {"state": FileState(row.state)}, counts=counts)
