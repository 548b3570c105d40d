"""WS_DB, the Web Service Control database: the queue of jobs that FastStats puts broadcasts on."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import PureWindowsPath
from typing import Any
from xml.etree.ElementTree import Element, ParseError, SubElement, tostring
from zoneinfo import ZoneInfo

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring
from sqlalchemy import Row, and_, delete, insert, literal, select, update

from shared.broadcast import SEND_MODES, BroadcastRequest, RouteKind, SendMode, job_key
from shared.channels import DEFAULT, Channels
from shared.database import Database
from shared.errors import JobCommandInvalid, SendModeImpossible
from shared.faststats.schema_map import WsDbSchema

#: ASSUMPTION: the header names FastStats writes where the command names none.
_URN, _EMAIL, _COMMUNICATION_KEY = "Urn", "Email", "Communication Key"
#: What the ledger has room for.
_LONGEST_NAME = 255
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A claimed job of WS_DB with its command."""

    id: int
    system: str
    #: As WS_DB has it: the wall time of its server, told as UTC.
    time_added: datetime
    command: str | None

    @property
    def key(self) -> str:
        """Natural key of the broadcast that the job asks for."""
        return job_key(self.system, self.id, self.time_added)


class WsDb:
    """The job queue of WS_DB.

    Args:
        database: WS_DB.
        schema: its tables.
        server: written to the column Server of claimed jobs; it tells them from those of other services.
        channels: the channels that jobs can name.
        now: the clock.
    """

    def __init__(
        self,
        database: Database,
        schema: WsDbSchema,
        *,
        server: str,
        channels: Channels,
        now: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._schema = schema
        self._server = server
        self._channels = channels
        self._now = now

    def claim(self) -> Job | None:
        """Claim the waiting broadcast job of highest priority, then age, by one conditional statement (rule 4).

        The condition alone makes it right: two pollers that choose the same job update it once. On SQL
        Server the hint lets them pass each other.
        """
        queue, states = self._schema.job_queue, self._schema.states
        waiting = (
            select(queue.c.job_id)
            .where(
                queue.c.state == states.waiting,
                queue.c.job_type == self._schema.broadcast_job_type,
                queue.c.cancel_requested == 0,
            )
            .order_by(queue.c.priority, queue.c.time_added, queue.c.job_id)
            .limit(1)
            .scalar_subquery()
        )
        claimed = (
            update(queue)
            .with_hint("WITH (READPAST, UPDLOCK, ROWLOCK)", dialect_name="mssql")
            .where(queue.c.job_id == waiting, queue.c.state == states.waiting)
            .values(state=states.claimed, server=self._server, time_sent=self._now())
            .returning(queue.c.job_id)
        )
        with self._database.writing() as connection:
            job_id = connection.scalar(claimed)
        return None if job_id is None else self._job(job_id)

    def claimed(self, *, after: int, limit: int) -> list[Job]:
        """Jobs that this bridge has claimed and not finished, in the order of their ids after `after`."""
        queue = self._schema.job_queue
        wanted = (
            self._jobs()
            .where(queue.c.state == self._schema.states.claimed, queue.c.server == self._server, queue.c.job_id > after)
            .order_by(queue.c.job_id)
            .limit(limit)
        )
        with self._database.reading() as connection:
            return [_job(row, self._schema.zone) for row in connection.execute(wanted)]

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
        if not job.command:
            raise JobCommandInvalid(job=job.id, reason="it has none")
        try:
            root = fromstring(job.command, forbid_dtd=True)
        except (ParseError, DefusedXmlException, ValueError):
            raise JobCommandInvalid(job=job.id, reason="it is not well-formed XML") from None
        details = root.find(paths.details)
        if details is None:
            raise JobCommandInvalid(job=job.id, reason=f"it has no element {paths.details}")

        def text(path: str) -> str:
            return (details.findtext(path) or "").strip()

        def name(path: str, value: str) -> str:
            if len(value) > _LONGEST_NAME or _CONTROL.search(value):
                reason = f"{path} is not one line of at most {_LONGEST_NAME} characters"
                raise JobCommandInvalid(job=job.id, reason=reason)
            return value

        # FastStats writes a Windows path of its own machine: only the name counts here, never a folder.
        file_name = name(paths.file_path, PureWindowsPath(text(paths.file_path)).name)
        if file_name in {"", ".."}:
            raise JobCommandInvalid(job=job.id, reason=f"it names no delivery file ({paths.file_path})")
        parameters = _parameters(text(paths.parameters))
        channel = parameters.get("channel") or DEFAULT
        exported = self._channels[channel].route is RouteKind.EXPORT_FILE
        list_name, message_name = (name(path, text(path)) for path in (paths.list_name, paths.message_name))
        if not list_name and not exported:
            raise JobCommandInvalid(job=job.id, reason=f"it names no list ({paths.list_name})")
        upload_only = exported or text(paths.upload_only).lower() in {"true", "1"}
        if not upload_only and not message_name:
            raise JobCommandInvalid(job=job.id, reason=f"it names no message ({paths.message_name})")
        send_at = None if upload_only else self._send_at(job, parameters.get("sendat", ""))
        send_mode = self._send_mode(channel, upload_only=upload_only, timed=send_at is not None)
        return BroadcastRequest(
            key=job.key,
            job_id=job.id,
            system=job.system,
            list_name=list_name,
            message_name=message_name,
            delivery_file=file_name,
            step_id=_number(text(paths.step_id)),
            run=_number(text(paths.run)),
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

    def _send_mode(self, name: str, *, upload_only: bool, timed: bool) -> SendMode:
        """What makes Optimizely send: what the job says, else what its channel says."""
        channel = self._channels[name]
        send_mode = channel.default_send_mode
        if upload_only:
            send_mode = SendMode.UPLOAD_ONLY
        elif timed:
            send_mode = SendMode.AT_TIME
        possible = SEND_MODES[channel.route]
        if send_mode not in possible:
            modes = ", ".join(sorted(possible))
            raise SendModeImpossible(route=str(channel.route), channel=name, mode=str(send_mode), possible=modes)
        return send_mode

    def _send_at(self, job: Job, text: str) -> datetime | None:
        if not text:
            return None
        try:
            time = datetime.fromisoformat(text)
        except ValueError:
            raise JobCommandInvalid(job=job.id, reason="its parameter SendAt is not a time as ISO 8601") from None
        if time.tzinfo is None:
            time = time.replace(tzinfo=ZoneInfo(self._schema.zone))
            if time.astimezone(UTC).astimezone(time.tzinfo).replace(tzinfo=None) != time.replace(tzinfo=None):
                reason = f"its parameter SendAt is a time that the zone {self._schema.zone} leaves out"
                raise JobCommandInvalid(job=job.id, reason=reason)
        return time.astimezone(UTC)

    def cancel_requested(self, job_id: int) -> bool:
        """Whether the client asked to cancel the job."""
        queue = self._schema.job_queue
        with self._database.reading() as connection:
            return bool(connection.scalar(select(queue.c.cancel_requested).where(queue.c.job_id == job_id)))

    def note(self, job_id: int, message: str) -> None:
        """Write a line to the delivery job summary of a job of this bridge, which the client shows."""
        queue, summary = self._schema.job_queue, self._schema.delivery_job_summary
        # FastStats clears old jobs away: the line is left out when the job is gone.
        line = select(queue.c.job_id, literal(self._now(), summary.c.time_added.type), literal(message)).where(
            queue.c.job_id == job_id, queue.c.server == self._server
        )
        with self._database.writing() as connection:
            connection.execute(insert(summary).from_select(["job_id", "time_added", "message"], line))

    def finish(self, job_id: int, results: dict[str, object], *, cancelled: bool = False) -> None:
        """Mark a job of this bridge as ended and write its results; doing it twice leaves the last results.

        Args:
            job_id: the job.
            results: what the client shall read, by name; None values are left out.
            cancelled: the job ended because its client asked for it.
        """
        queue, states = self._schema.job_queue, self._schema.states
        with self._database.writing() as connection:
            ended = connection.execute(
                update(queue)
                .where(and_(queue.c.job_id == job_id, queue.c.server == self._server))
                .values(state=states.cancelled if cancelled else states.done, time_finished=self._now())
            )
            if ended.rowcount:
                connection.execute(delete(self._schema.results).where(self._schema.results.c.job_id == job_id))
                connection.execute(insert(self._schema.results).values(job_id=job_id, results=_results_xml(results)))

    def _job(self, job_id: int) -> Job:
        with self._database.reading() as connection:
            return _job(
                connection.execute(self._jobs().where(self._schema.job_queue.c.job_id == job_id)).one(),
                self._schema.zone,
            )

    def _jobs(self) -> Any:  # noqa: ANN401 - a select of four columns
        queue, commands = self._schema.job_queue, self._schema.commands
        return select(queue.c.job_id, queue.c.system_name, queue.c.time_added, commands.c.command).select_from(
            queue.outerjoin(commands, commands.c.job_id == queue.c.job_id)
        )


def _job(row: Row[Any], zone: str) -> Job:
    # As the database has it, whatever DATABASE_TIME_ZONE says: a changed setting must not make a claimed
    # job another broadcast.
    added = row.time_added.astimezone(ZoneInfo(zone)).replace(tzinfo=UTC)
    return Job(id=row.job_id, system=row.system_name, time_added=added, command=row.command)


def _parameters(text: str) -> dict[str, str]:
    """The channel's parameters by name; case and spaces of names do not count."""
    pairs = (pair.partition("=") for pair in text.split(";"))
    return {"".join(name.split()).lower(): value.strip() for name, separator, value in pairs if separator}


def _number(text: str) -> int | None:
    return int(text) if re.fullmatch(r"-?\d{1,18}", text) else None


def _results_xml(results: dict[str, object]) -> str:
    root = Element("BroadcastResults")
    for name, value in results.items():
        if value is not None:
            SubElement(root, name).text = str(value)
    return tostring(root, encoding="unicode")
