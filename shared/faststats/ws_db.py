"""WS_DB, the Web Service Control database: the queue of jobs that FastStats puts broadcasts on.

A job that is claimed carries a mark in its column Server until its broadcast is in the ledger. By it the jobs of a
process that died in between are found without a look at all the others.

FastStats may give a job free again by itself (state `unassigned`). It keeps its JobID and TimeAdded, so it is claimed
again as the same broadcast: `poll_jobs` says what becomes of it.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import PureWindowsPath
from typing import Any, Final
from xml.etree.ElementTree import Element, SubElement, tostring

from sqlalchemy import (
    ColumnElement,
    Connection,
    DateTime,
    Row,
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

from shared.broadcast import Broadcast, BroadcastRequest, RouteKind, State, job_key
from shared.config.channels import DEFAULT, Channels
from shared.database.connections import Database, retry_transaction
from shared.errors import BridgeError, JobCommandInvalid
from shared.faststats.channel_parameters import parse_parameters, send_mode_of, send_time
from shared.faststats.command_xml import LONGEST_COMMAND, CommandUnreadable, XmlPath, parse_command, whole_number
from shared.faststats.schema_map.check import SchemaCheck
from shared.faststats.schema_map.names import WsDbSchema, present

#: ASSUMPTION: the header names FastStats writes where the command names none.
_URN, _EMAIL, _COMMUNICATION_KEY = "Urn", "Email", "Communication Key"
#: What the ledger has room for.
_LONGEST_NAME = 255
_LONGEST_SYSTEM = 100
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
#: What no XML can hold.
_NOT_IN_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
#: Most jobs that one statement claims: their commands are in memory together.
MOST_AT_ONCE: Final = 50
#: How often in a row other pollers may take the chosen jobs away before this one leaves the rest for its next run.
_LOST_RACES: Final = 5
#: For SQL Server: rows that another poller is just claiming are passed by, not waited for, and the rows that are only
#: looked at are not kept locked. Babelfish ignores both, and SQLite has one writer at a time.
_CLAIMED_ROWS: Final = "WITH (READPAST, UPDLOCK, ROWLOCK)"
_SEEN_ROWS: Final = "WITH (READPAST, ROWLOCK)"
#: Behind the name of the bridge while the job is not in the ledger.
_CLAIMING: Final = " (claiming)"
#: Longest line of the delivery job summary.
_LONGEST_LINE: Final = 1000
#: Of a job that tells no time of its own.
_NO_TIME: Final = datetime(1900, 1, 1)  # noqa: DTZ001 - a wall time, as WS_DB has it


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A claimed job of WS_DB with its command."""

    id: int
    system: str
    #: As WS_DB has it: the wall time of its server, told as UTC.
    time_added: datetime
    #: Cut off where it is longer than any command that is read.
    command: str | None
    #: Whether WS_DB has several commands for it.
    ambiguous: bool = False

    @property
    def key(self) -> str:
        """Natural key of the broadcast that the job asks for."""
        return job_key(self.system, self.id, self.time_added)


def longest_written(server: str) -> dict[str, int]:
    """Characters of what the settings let the bridge write to WS_DB, by `table.column`."""
    return {"job_queue.server": len(server + _CLAIMING)}


class WsDb:
    """The job queue of WS_DB. Before the first use the schema map is compared with the catalogue.

    Every method raises SchemaMapMismatch while WS_DB is not as the schema map says, and DatabaseUnavailable.

    Args:
        database: WS_DB.
        schema: its tables.
        server: written to the column Server of claimed jobs; it tells them from those of other services.
        system: name of the FastStats system, for jobs that do not tell theirs.
        channels: the channels that jobs can name.
        now: the clock.
    """

    def __init__(
        self,
        database: Database,
        schema: WsDbSchema,
        *,
        server: str,
        system: str = "",
        channels: Channels,
        now: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._schema = schema
        self._server = server
        self._claiming = server + _CLAIMING
        self._system = system
        self._channels = channels
        self._now = now
        #: Whether WS_DB is as the schema map says.
        self.check = SchemaCheck(database, schema, longest_written(server))

    # The queue

    def claim(self, most: int = 1) -> list[Job]:
        """Claim waiting broadcast jobs by priority, then age, by one conditional statement (rule 4).

        The condition alone makes it right: of two pollers that choose the same job, one updates it. On SQL Server the
        hints let them pass each other. Whoever finds that others took what it chose looks again, so that a poller
        comes back with nothing only when nothing waits, or when the others are at it.

        Args:
            most: how many at most, and never more than `MOST_AT_ONCE`.

        Returns:
            The claimed jobs, in that order.
        """
        self.check.require()
        for _ in range(_LOST_RACES):
            if ids := self._claim_now(min(most, MOST_AT_ONCE)):
                return self._jobs(self._schema.job_queue.c.job_id.in_(ids))
            with self._database.reading() as connection:
                if connection.scalar(self._chosen(1, cancelled=False)) is None:
                    break
        return []

    @retry_transaction
    def _claim_now(self, most: int) -> Sequence[int]:
        with self._database.writing() as connection:
            return connection.scalars(self._claim(most)).all()

    def _claim(self, most: int) -> ReturningUpdate[int]:
        queue, states = self._schema.job_queue, self._schema.states
        chosen = self._chosen(most, cancelled=False, hint=_SEEN_ROWS)
        return (
            update(queue)
            .with_hint(_CLAIMED_ROWS, dialect_name="mssql")
            .where(queue.c.job_id.in_(chosen), queue.c.state == states.waiting)
            .values(present(queue, {"state": states.claimed, "server": self._claiming, "time_sent": self._now()}))
            .returning(queue.c.job_id)
        )

    def orphans(self, *, after: int, claimed_before: datetime) -> list[Job]:
        """Jobs that this bridge has claimed, but that did not reach the ledger: somebody stopped in between.

        Args:
            after: only jobs of larger ids.
            claimed_before: only jobs claimed before; who claimed later is still at it.

        Returns:
            At most `MOST_AT_ONCE`, in the order of their ids.
        """
        self.check.require()
        queue = self._schema.job_queue
        conditions = [
            queue.c.state == self._schema.states.claimed,
            queue.c.server == self._claiming,
            queue.c.job_id > after,
        ]
        if "time_sent" in queue.c:
            conditions.append(or_(queue.c.time_sent.is_(None), queue.c.time_sent < claimed_before))
        chosen = select(queue.c.job_id).where(*conditions).order_by(queue.c.job_id).limit(MOST_AT_ONCE)
        with self._database.reading() as connection:
            ids = connection.scalars(chosen).all()
        return sorted(self._jobs(queue.c.job_id.in_(ids)), key=lambda job: job.id) if ids else []

    @retry_transaction
    def take_mark_off(self, job_ids: Sequence[int]) -> None:
        """Say that these claimed jobs are in the ledger; at most `MOST_AT_ONCE`."""
        self.check.require()
        queue = self._schema.job_queue
        if job_ids:
            with self._database.writing() as connection:
                connection.execute(
                    update(queue)
                    .where(queue.c.job_id.in_(job_ids), queue.c.server == self._claiming)
                    .values({queue.c.server: self._server})
                )

    @retry_transaction
    def end_cancelled(self) -> int:
        """End the broadcast jobs that were cancelled while they waited: nobody else acts on them.

        Returns:
            How many; at most `MOST_AT_ONCE` at a time.
        """
        self.check.require()
        queue, states = self._schema.job_queue, self._schema.states
        if "cancel_requested" not in queue.c:
            return 0
        cancelled = (
            update(queue)
            .with_hint(_CLAIMED_ROWS, dialect_name="mssql")
            .where(
                queue.c.job_id.in_(self._chosen(MOST_AT_ONCE, cancelled=True, hint=_SEEN_ROWS)),
                queue.c.state == states.waiting,
                queue.c.cancel_requested != 0,
            )
            .values(present(queue, {"state": states.cancelled, "server": self._server, "time_finished": self._now()}))
            .returning(queue.c.job_id)
        )
        with self._database.writing() as connection:
            ids = connection.scalars(cancelled).all()
            for job_id in ids:
                self._tell(connection, job_id, {"State": State.CANCELLED}, "It was cancelled before it was taken.")
        return len(ids)

    def _chosen(self, most: int, *, cancelled: bool, hint: str = "") -> Select[int]:
        """Ids of waiting broadcast jobs, the most important and oldest first."""
        queue = self._schema.job_queue.alias("waiting")
        conditions = [
            queue.c.state == self._schema.states.waiting,
            queue.c.job_type == self._schema.broadcast_job_type,
        ]
        if "cancel_requested" in queue.c:
            asked = queue.c.cancel_requested
            conditions.append(asked != 0 if cancelled else or_(asked.is_(None), asked == 0))
        order = [queue.c[key] for key in ("priority", "time_added", "job_id") if key in queue.c]
        chosen = select(queue.c.job_id).where(*conditions).order_by(*order).limit(most)
        return chosen.with_hint(queue, hint, dialect_name="mssql") if hint else chosen

    def _jobs(self, condition: ColumnElement[bool]) -> list[Job]:
        """Jobs with their commands, by priority, then age."""
        queue, commands = self._schema.job_queue, self._schema.commands
        wanted = (
            select(
                queue.c.job_id,
                (queue.c.system_name if "system_name" in queue.c else null()).label("system_name"),
                # The wall time as it stands there: a changed zone setting must not make a claimed job another
                # broadcast, and a time that no zone can tell must not stop the others.
                type_coerce(queue.c.time_added, DateTime).label("time_added"),
                # XML and NTEXT have no SUBSTRING of their own.
                func.substring(cast(commands.c.command, Unicode()), 1, LONGEST_COMMAND + 1).label("command"),
            )
            .select_from(queue.outerjoin(commands, commands.c.job_id == queue.c.job_id))
            .where(condition)
            .order_by(*(queue.c[key] for key in ("priority", "time_added", "job_id") if key in queue.c))
        )
        with self._database.reading() as connection:
            rows = connection.execute(wanted).all()
        jobs: dict[int, Job] = {}
        for row in rows:
            jobs[row.job_id] = self._job(row, ambiguous=row.job_id in jobs)
        return list(jobs.values())

    def _job(self, row: Row[Any], *, ambiguous: bool) -> Job:
        return Job(
            id=row.job_id,
            system=row.system_name or self._system,
            time_added=(row.time_added or _NO_TIME).replace(tzinfo=UTC),
            command=row.command,
            ambiguous=ambiguous,
        )

    # The command

    def request(self, job: Job) -> BroadcastRequest:
        """What the job asks for, read from its command and the settings of its channel.

        Of the channel's parameters (`key=value;key=value`) the bridge knows `Channel`, the name of a channel
        in CHANNELS_FILE, and `SendAt`, the time to send at: ISO 8601, in the zone of WS_DB where it tells none.

        Raises:
            JobCommandInvalid: the command is missing, is not XML, or lacks what a broadcast needs.
            ChannelUnknown: it names a channel that there is not.
            SendModeImpossible: the channel's route cannot send in the way that it asks for.
        """
        paths = self._schema.command
        if job.ambiguous:
            raise JobCommandInvalid(job=job.id, reason="it has several")
        try:
            root = parse_command(job.command)
        except CommandUnreadable as error:
            raise JobCommandInvalid(job=job.id, reason=str(error)) from None
        details = paths.details.find(root)
        if details is None:
            raise JobCommandInvalid(job=job.id, reason=f"it has no element {paths.details}")

        def text(path: XmlPath) -> str:
            return path.text(details)

        def name(path: XmlPath | str, value: str, longest: int = _LONGEST_NAME) -> str:
            if len(value) > longest or _CONTROL.search(value):
                reason = f"{path} is not one line of at most {longest} characters"
                raise JobCommandInvalid(job=job.id, reason=reason)
            return value

        name("the name of its system", job.system, _LONGEST_SYSTEM)
        # FastStats writes a Windows path of its own machine: only the name counts here, never a folder.
        file_name = name(paths.file_path, PureWindowsPath(text(paths.file_path)).name)
        if file_name in {"", ".."}:
            raise JobCommandInvalid(job=job.id, reason=f"it names no delivery file ({paths.file_path})")
        parameters = parse_parameters(text(paths.parameters))
        channel = parameters.get("channel") or DEFAULT
        exported = self._channels[channel].route is RouteKind.EXPORT_FILE
        list_name, message_name = (name(path, text(path)) for path in (paths.list_name, paths.message_name))
        if not list_name and not exported:
            raise JobCommandInvalid(job=job.id, reason=f"it names no list ({paths.list_name})")
        upload_only = exported or text(paths.upload_only).lower() in {"true", "1"}
        if not upload_only and not message_name:
            raise JobCommandInvalid(job=job.id, reason=f"it names no message ({paths.message_name})")
        send_at = None if upload_only else self._send_at(job, parameters.get("sendat", ""))
        send_mode = send_mode_of(self._channels, channel, upload_only=upload_only, timed=send_at is not None)
        return BroadcastRequest(
            key=job.key,
            job_id=job.id,
            system=job.system,
            list_name=list_name,
            message_name=message_name,
            delivery_file=file_name,
            step_id=whole_number(text(paths.step_id)),
            run=whole_number(text(paths.run)),
            parameters=text(paths.parameters),
            channel=channel,
            route=self._channels[channel].route,
            send_mode=send_mode,
            send_at=send_at,
            urn_column=name(paths.urn_column, text(paths.urn_column)) or _URN,
            email_column=name(paths.email_column, text(paths.email_column)) or _EMAIL,
            communication_key_column=name(paths.communication_key_column, text(paths.communication_key_column))
            or _COMMUNICATION_KEY,
        )

    def _send_at(self, job: Job, text: str) -> datetime | None:
        try:
            return send_time(text, self._schema.zone)
        except ValueError as error:
            raise JobCommandInvalid(job=job.id, reason=f"its parameter SendAt is {error}") from None

    # What the client reads

    def cancel_requested(self, job_id: int) -> bool:
        """Whether the client asked to cancel the job, or FastStats has cancelled it by itself."""
        self.check.require()
        queue = self._schema.job_queue
        asked = [queue.c.state == self._schema.states.cancelled]
        if "cancel_requested" in queue.c:
            asked.append(queue.c.cancel_requested != 0)
        with self._database.reading() as connection:
            return connection.scalar(select(queue.c.job_id).where(queue.c.job_id == job_id, or_(*asked))) is not None

    @retry_transaction
    def note(self, job_id: int, message: str) -> None:
        """Write a line to the delivery job summary of a job of this bridge, which the client shows."""
        self.check.require()
        if self._schema.delivery_job_summary is not None:
            with self._database.writing() as connection:
                self._add_line(connection, job_id, message)

    def note_progress(self, job_id: int, broadcast: Broadcast) -> None:
        """Write to the delivery job summary how far the broadcast of a job is."""
        self.note(job_id, _in_words(broadcast, {}))

    def report(self, broadcast: Broadcast, reasons: Mapping[str, int]) -> None:
        """Write the end of a broadcast to its job, or what an operator has to do; doing it twice is harmless.

        Args:
            broadcast: as the ledger has it.
            reasons: how many rows of its delivery file were not uploaded, by reason.
        """
        request, rows = broadcast.request, broadcast.rows
        if request.job_id is None:
            return
        if broadcast.state is State.NEEDS_OPERATOR:
            self.note(request.job_id, _in_words(broadcast, reasons))
            return
        self.finish(
            request.job_id,
            {
                "BroadcastKey": broadcast.key,
                "State": broadcast.state,
                "ListName": request.list_name or None,
                "MessageName": request.message_name or None,
                "ErrorCode": broadcast.error_code,
                "Error": broadcast.error,
                "BroadcastId": broadcast.rs_broadcast_id,
                "CampaignId": broadcast.campaign_id,
                "MailingId": broadcast.mailing_id,
                "RowsRead": rows and rows.read,
                "RecipientsUploaded": rows and rows.uploaded,
                "RecipientsRejected": rows and rows.rejected,
                "Duplicates": rows and rows.duplicates,
                "Suppressed": rows and rows.suppressed,
                "RejectReasons": ";".join(f"{reason}={count}" for reason, count in sorted(reasons.items())) or None,
                "RecipientsImported": broadcast.imported,
                "RecipientsBroadcast": broadcast.sent,
            },
            line=_in_words(broadcast, reasons),
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
        """Mark a job of this bridge as ended and write its results; doing it twice leaves the last results.

        Args:
            job_id: the job.
            results: what the client shall read, by name; None values are left out.
            line: what the delivery job summary shall say, if anything.
            state: how its broadcast ended.
        """
        self.check.require()
        queue, states = self._schema.job_queue, self._schema.states
        ended = {State.CANCELLED: states.cancelled, State.FAILED: states.failed}.get(state, states.done)
        with self._database.writing() as connection:
            marked = connection.execute(
                update(queue)
                .where(queue.c.job_id == job_id, self._is_ours())
                .values(present(queue, {"state": ended, "server": self._server, "time_finished": self._now()}))
            )
            if marked.rowcount:
                self._tell(connection, job_id, results, line)

    def _tell(self, connection: Connection, job_id: int, results: Mapping[str, object], line: str) -> None:
        table = self._schema.results
        if table is not None:
            connection.execute(delete(table).where(table.c.job_id == job_id))
            connection.execute(insert(table).values(job_id=job_id, results=_results_xml(results)))
        if line:
            self._add_line(connection, job_id, line)

    def _add_line(self, connection: Connection, job_id: int, line: str) -> None:
        queue, summary = self._schema.job_queue, self._schema.delivery_job_summary
        if summary is None:
            return
        columns: dict[str, ColumnElement[Any]] = {"job_id": queue.c.job_id}
        if "time_added" in summary.c:
            columns["time_added"] = literal(self._now(), summary.c.time_added.type)
        columns["message"] = literal(line if len(line) <= _LONGEST_LINE else line[: _LONGEST_LINE - 1] + "…")
        # FastStats clears old jobs away: the line is left out when the job is gone.
        row = select(*columns.values()).where(queue.c.job_id == job_id, self._is_ours())
        connection.execute(insert(summary).from_select(list(columns), row))

    def _is_ours(self) -> ColumnElement[bool]:
        return self._schema.job_queue.c.server.in_((self._server, self._claiming))


def _in_words(broadcast: Broadcast, reasons: Mapping[str, int]) -> str:
    """One line for the client: how a broadcast ended, its counts, and its error with what to do."""
    rows = broadcast.rows
    parts = [f"Broadcast {broadcast.key} is {broadcast.state}."]
    if rows is not None:
        parts.append(f"{rows.uploaded} of {rows.read} rows for the list.")
    if reasons:
        not_taken = ", ".join(f"{count} {reason}" for reason, count in sorted(reasons.items()))
        parts.append(f"Not uploaded: {not_taken}.")
    if broadcast.sent is not None:
        parts.append(f"Sent to {broadcast.sent} recipients by Smart Campaign {broadcast.campaign_id}.")
    if broadcast.error:
        parts.append(f"{broadcast.error} [{broadcast.error_code}]")
    return " ".join(parts)


def _results_xml(results: Mapping[str, object]) -> str:
    root = Element("BroadcastResults")
    for name, value in results.items():
        if value is not None:
            SubElement(root, name).text = _NOT_IN_XML.sub("\N{REPLACEMENT CHARACTER}", str(value))
    return tostring(root, encoding="unicode")
