"""WS_DB, the Web Service Control database: the queue of jobs that FastStats puts broadcasts on.

A claimed job carries a mark in its column Server until its broadcast is in the ledger. By this mark the jobs of a
process that died in between are found without reading all the others.

FastStats may release a job by itself (state `unassigned`). The job keeps its JobID and TimeAdded, so it is claimed
again as the same broadcast: `poll_jobs` decides what becomes of it.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    DateTime,
    Select,
    Unicode,
    cast,
    delete,
    func,
    insert,
    literal,
    null,
    or_,
    select,
    type_coerce,
    update,
)
from sqlalchemy.sql.dml import ReturningUpdate

from shared.broadcast import Broadcast, State
from shared.clock import Clock
from shared.database.connections import Database, retry_transaction
from shared.database.rules import rules_of
from shared.errors import BridgeError
from shared.faststats.command_xml import MAX_COMMAND
from shared.faststats.job_command import Job
from shared.faststats.job_results import broadcast_results, results_xml, summary_line
from shared.faststats.schema_map.check import SchemaCheck
from shared.faststats.schema_map.names import WsDbSchema, present

#: Most jobs that one statement claims: their commands are in memory together.
MAX_CLAIMED: Final = 50
#: How often in a row other pollers may claim the chosen jobs first before this one leaves the rest for its next run.
_MAX_LOST_RACES: Final = 5
#: For SQL Server: rows that another poller is claiming are skipped, not waited for, and rows that are only read are not
#: kept locked. Babelfish ignores both, and SQLite has one writer at a time.
_CLAIMED_ROWS: Final = "WITH (READPAST, UPDLOCK, ROWLOCK)"
_READ_ROWS: Final = "WITH (READPAST, ROWLOCK)"
#: Appended to the name of the bridge until the job is in the ledger.
_CLAIMING: Final = " (claiming)"
#: Most characters of a line of the delivery job summary.
_MAX_LINE: Final = 1000
#: For a job without a time of its own.
_NO_TIME: Final = datetime(1900, 1, 1)  # noqa: DTZ001 - a wall time, as WS_DB has it


def longest_written(server: str) -> dict[str, int]:
    """Characters of what the settings let the bridge write to WS_DB, by `table.column`."""
    return {"job_queue.server": len(server + _CLAIMING)}


class WsDb:
    """The job queue of WS_DB. Before the first use the schema map is compared with the catalogue.

    Every method raises SchemaMapMismatch while WS_DB is not as the schema map says, and DatabaseUnavailable; one that
    writes raises DatabaseRuleBroken where a constraint or a trigger of the customer's refuses it.

    Args:
        database: WS_DB.
        schema: its tables.
        server: written to the column Server of claimed jobs; it distinguishes them from those of other services.
        system: name of the FastStats system, for jobs that do not name theirs.
        clock: the clock.
    """

    def __init__(
        self,
        database: Database,
        schema: WsDbSchema,
        *,
        server: str,
        system: str = "",
        clock: Clock,
    ) -> None:
        self._database = database
        self.schema = schema
        self._server = server
        self._claiming = server + _CLAIMING
        self._system = system
        self._clock = clock
        #: Whether WS_DB is as the schema map says.
        self.check = SchemaCheck(database, schema, longest_written(server))

    # The queue

    def claim(self, most: int = 1) -> list[Job]:
        """Claim waiting broadcast jobs by priority, then age, by one conditional statement (rule 4).

        The condition alone makes it correct: of two pollers that choose the same job, one updates it. On SQL Server the
        hints let them pass each other. A poller whose chosen jobs were claimed by others chooses again, so that it
        returns nothing only when no job waits, or when the others are claiming them.

        Args:
            most: how many at most; never more than `MAX_CLAIMED`.

        Returns:
            The claimed jobs, in that order.
        """
        self.check.require()
        for _ in range(_MAX_LOST_RACES):
            if ids := self._claim_once(min(most, MAX_CLAIMED)):
                return self._jobs(self.schema.job_queue.c.job_id.in_(ids))
            with self._database.reading() as connection:
                if connection.scalar(self._chosen(1, cancelled=False)) is None:
                    break
        return []

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        """A writing transaction; raises DatabaseRuleBroken where a rule of the customer's refuses what is written."""
        with self._database.writing() as connection, rules_of(connection, self.schema.job_queue, "WS_DB"):
            yield connection

    @retry_transaction
    def _claim_once(self, most: int) -> Sequence[int]:
        with self._writing() as connection:
            return connection.scalars(self._claim(most)).all()

    def _claim(self, most: int) -> ReturningUpdate[int]:
        queue, states = self.schema.job_queue, self.schema.states
        chosen = self._chosen(most, cancelled=False, hint=_READ_ROWS)
        return (
            update(queue)
            .with_hint(_CLAIMED_ROWS, dialect_name="mssql")
            .where(queue.c.job_id.in_(chosen), queue.c.state == states["waiting"])
            .values(
                present(queue, {"state": states["claimed"], "server": self._claiming, "time_sent": self._clock.now()})
            )
            .returning(queue.c.job_id)
        )

    def orphans(self, *, after: int, claimed_before: datetime) -> list[Job]:
        """Jobs that this bridge claimed but that did not reach the ledger: the process that claimed them died.

        Args:
            after: only jobs of larger ids.
            claimed_before: only jobs claimed before; later ones are still being recorded.

        Returns:
            At most `MAX_CLAIMED`, in the order of their ids.
        """
        self.check.require()
        queue = self.schema.job_queue
        conditions = [
            queue.c.state == self.schema.states["claimed"],
            queue.c.server == self._claiming,
            queue.c.job_id > after,
        ]
        if "time_sent" in queue.c:
            conditions.append(or_(queue.c.time_sent.is_(None), queue.c.time_sent < claimed_before))
        chosen = select(queue.c.job_id).where(*conditions).order_by(queue.c.job_id).limit(MAX_CLAIMED)
        with self._database.reading() as connection:
            ids = connection.scalars(chosen).all()
        return sorted(self._jobs(queue.c.job_id.in_(ids)), key=lambda job: job.id) if ids else []

    @retry_transaction
    def clear_claim_marks(self, job_ids: Sequence[int]) -> None:
        """Record that these claimed jobs, at most `MAX_CLAIMED`, are in the ledger."""
        self.check.require()
        queue = self.schema.job_queue
        if job_ids:
            with self._writing() as connection:
                connection.execute(
                    update(queue)
                    .where(queue.c.job_id.in_(job_ids), queue.c.server == self._claiming)
                    .values({queue.c.server: self._server})
                )

    @retry_transaction
    def end_cancelled(self) -> int:
        """End the broadcast jobs that were cancelled while they waited: no other service acts on them.

        Returns:
            How many; at most `MAX_CLAIMED` at a time.
        """
        self.check.require()
        queue, states = self.schema.job_queue, self.schema.states
        if "cancel_requested" not in queue.c:
            return 0
        cancelled = (
            update(queue)
            .with_hint(_CLAIMED_ROWS, dialect_name="mssql")
            .where(
                queue.c.job_id.in_(self._chosen(MAX_CLAIMED, cancelled=True, hint=_READ_ROWS)),
                queue.c.state == states["waiting"],
                queue.c.cancel_requested != 0,
            )
            .values(
                present(
                    queue, {"state": states["cancelled"], "server": self._server, "time_finished": self._clock.now()}
                )
            )
            .returning(queue.c.job_id)
        )
        with self._writing() as connection:
            ids = connection.scalars(cancelled).all()
            for job_id in ids:
                line = "It was cancelled before it was claimed."
                self._write_results(connection, job_id, {"State": State.CANCELLED}, line)
        return len(ids)

    def _chosen(self, most: int, *, cancelled: bool, hint: str = "") -> Select[int]:
        """Ids of waiting broadcast jobs, the most important and oldest first."""
        queue = self.schema.job_queue.alias("waiting")
        conditions = [
            queue.c.state == self.schema.states["waiting"],
            queue.c.job_type == self.schema.broadcast_job_type,
        ]
        if "cancel_requested" in queue.c:
            requested = queue.c.cancel_requested
            conditions.append(requested != 0 if cancelled else or_(requested.is_(None), requested == 0))
        order = [queue.c[key] for key in ("priority", "time_added", "job_id") if key in queue.c]
        chosen = select(queue.c.job_id).where(*conditions).order_by(*order).limit(most)
        return chosen.with_hint(queue, hint, dialect_name="mssql") if hint else chosen

    def _jobs(self, condition: ColumnElement[bool]) -> list[Job]:
        """Jobs with their commands, by priority, then age."""
        queue, commands = self.schema.job_queue, self.schema.commands
        query = (
            select(
                queue.c.job_id,
                (queue.c.system_name if "system_name" in queue.c else null()).label("system_name"),
                # The wall time as it is in the column: a changed zone setting must not make a claimed job another
                # broadcast, and a time that the zone cannot express must not stop the others.
                type_coerce(queue.c.time_added, DateTime).label("time_added"),
                # XML and NTEXT have no SUBSTRING of their own.
                func.substring(cast(commands.c.command, Unicode()), 1, MAX_COMMAND + 1).label("command"),
            )
            .select_from(queue.outerjoin(commands, commands.c.job_id == queue.c.job_id))
            .where(condition)
            .order_by(*(queue.c[key] for key in ("priority", "time_added", "job_id") if key in queue.c))
        )
        with self._database.reading() as connection:
            rows = connection.execute(query).all()
        jobs: dict[int, Job] = {}
        for row in rows:
            jobs[row.job_id] = Job(
                id=row.job_id,
                system=row.system_name or self._system,
                time_added=(row.time_added or _NO_TIME).replace(tzinfo=UTC),
                command=row.command,
                ambiguous=row.job_id in jobs,
            )
        return list(jobs.values())

    # What the client reads

    def cancel_requested(self, job_id: int) -> bool:
        """Whether the client asked to cancel the job, or FastStats has cancelled it by itself."""
        self.check.require()
        queue = self.schema.job_queue
        conditions = [queue.c.state == self.schema.states["cancelled"]]
        if "cancel_requested" in queue.c:
            conditions.append(queue.c.cancel_requested != 0)
        query = select(queue.c.job_id).where(queue.c.job_id == job_id, or_(*conditions))
        with self._database.reading() as connection:
            return connection.scalar(query) is not None

    @retry_transaction
    def add_summary_line(self, job_id: int, message: str) -> None:
        """Write a line to the delivery job summary of a job of this bridge, which the client shows."""
        self.check.require()
        if self.schema.delivery_job_summary is not None:
            with self._writing() as connection:
                self._add_line(connection, job_id, message)

    def report_progress(self, job_id: int, broadcast: Broadcast) -> None:
        """Write to the delivery job summary how far the broadcast of a job is."""
        self.add_summary_line(job_id, summary_line(broadcast, {}))

    def report(self, broadcast: Broadcast, reasons: Mapping[str, int]) -> None:
        """Write the end of a broadcast to its job, or what an operator has to do. Idempotent.

        Args:
            broadcast: as the ledger has it.
            reasons: how many rows of its delivery file were not uploaded, by reason.
        """
        job_id = broadcast.request.job_id
        if job_id is None:
            return
        if broadcast.state is State.NEEDS_OPERATOR:
            self.add_summary_line(job_id, summary_line(broadcast, reasons))
            return
        self.finish(
            job_id,
            broadcast_results(broadcast, reasons),
            line=summary_line(broadcast, reasons),
            state=broadcast.state,
        )

    def refuse(self, job: Job, error: BridgeError) -> None:
        """End a claimed job of which no broadcast can be made."""
        results = {"State": State.FAILED, "ErrorCode": error.code, "Error": error.sentence}
        self.finish(job.id, results, line=str(error), state=State.FAILED)

    @retry_transaction
    def finish(
        self, job_id: int, results: Mapping[str, object], *, line: str = "", state: State = State.CLOSED
    ) -> None:
        """Mark a job of this bridge as ended and write its results; a second call replaces the results.

        Args:
            job_id: the job.
            results: what the client reads, by name; None values are left out.
            line: the line of the delivery job summary; none if empty.
            state: how its broadcast ended.
        """
        self.check.require()
        queue, states = self.schema.job_queue, self.schema.states
        ended = {State.CANCELLED: states["cancelled"], State.FAILED: states["failed"]}.get(state, states["done"])
        values = present(queue, {"state": ended, "server": self._server, "time_finished": self._clock.now()})
        is_its = queue.c.job_id == job_id
        with self._writing() as connection:
            # Asked for the row, not for a count: a trigger on the queue adds counts of its own.
            marked = update(queue).where(is_its, self._is_ours()).values(values).returning(queue.c.job_id)
            if connection.scalars(marked).all():
                self._write_results(connection, job_id, results, line)

    def _write_results(self, connection: Connection, job_id: int, results: Mapping[str, object], line: str) -> None:
        table = self.schema.results
        if table is not None:
            with rules_of(connection, table, "WS_DB"):
                connection.execute(delete(table).where(table.c.job_id == job_id))
                connection.execute(insert(table).values(job_id=job_id, results=results_xml(results)))
        if line:
            self._add_line(connection, job_id, line)

    def _add_line(self, connection: Connection, job_id: int, line: str) -> None:
        queue, summary = self.schema.job_queue, self.schema.delivery_job_summary
        if summary is None:
            return
        columns: dict[str, ColumnElement[Any]] = {"job_id": queue.c.job_id}
        if "time_added" in summary.c:
            columns["time_added"] = literal(self._clock.now(), summary.c.time_added.type)
        columns["message"] = literal(line if len(line) <= _MAX_LINE else line[: _MAX_LINE - 1] + "…")
        # FastStats deletes old jobs: no line is written for a job that is gone.
        row = select(*columns.values()).where(queue.c.job_id == job_id, self._is_ours())
        with rules_of(connection, summary, "WS_DB"):
            connection.execute(insert(summary).from_select(list(columns), row))

    def _is_ours(self) -> ColumnElement[bool]:
        return self.schema.job_queue.c.server.in_((self._server, self._claiming))
