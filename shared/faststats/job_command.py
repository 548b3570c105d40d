"""The command of a WS_DB job: what broadcast it asks for, read with suspicion. Pure: nothing is asked of a database.

Of the channel's parameters (`key=value;key=value`) the bridge knows `Channel`, the name of a channel in CHANNELS_FILE,
and `SendAt`, the time to send at: ISO 8601, in the zone of WS_DB where it names none.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import PureWindowsPath
from typing import Final
from xml.etree.ElementTree import Element
from zoneinfo import ZoneInfo

from shared.broadcast import BroadcastRequest, RouteKind, job_key
from shared.clock import utc_from_outside
from shared.config.channels import DEFAULT, Channels
from shared.errors import JobCommandInvalid
from shared.faststats.channel_parameters import parse_parameters, send_mode_of, send_time
from shared.faststats.command_xml import CommandUnreadable, XmlPath, parse_command, whole_number
from shared.faststats.schema_map.names import WsDbSchema

#: ASSUMPTION: the header names FastStats writes where the command names none.
_URN, _EMAIL, _COMMUNICATION_KEY = "Urn", "Email", "Communication Key"
#: What the ledger has room for.
_MAX_NAME: Final = 255
_MAX_SYSTEM: Final = 100
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A claimed job of WS_DB with its command."""

    id: int
    system: str
    #: As WS_DB has it: the wall time of its server, labelled as UTC.
    time_added: datetime
    #: Cut off where it is longer than the longest command that is read.
    command: str | None
    #: Whether WS_DB has several commands for it.
    ambiguous: bool = False

    @property
    def key(self) -> str:
        """Natural key of the broadcast that the job asks for."""
        return job_key(self.system, self.id, self.time_added)


def read_job_command(job: Job, schema: WsDbSchema, channels: Channels) -> BroadcastRequest:
    """The broadcast that a job asks for, from its command and the settings of its channel.

    Args:
        job: the job.
        schema: the paths in the command, and the zone of a `SendAt` that names none.
        channels: the channels that jobs can name.

    Raises:
        JobCommandInvalid: the command is missing, is not XML, or lacks what a broadcast needs.
        ChannelUnknown: it names a channel that does not exist.
        SendModeImpossible: the channel's route cannot send in the way that it asks for.
    """
    paths = schema.paths
    details = _details(job, paths["details"])

    def one_line(what: object, value: str, longest: int = _MAX_NAME) -> str:
        if len(value) > longest or _CONTROL.search(value):
            raise JobCommandInvalid(job=job.id, reason=f"{what} is not one line of at most {longest} characters")
        return value

    def text(key: str) -> str:
        return paths[key].text(details)

    def name(key: str) -> str:
        return one_line(paths[key], text(key))

    one_line("the name of its system", job.system, _MAX_SYSTEM)
    # FastStats writes a Windows path of its own machine: only the name counts here, never a folder.
    file_name = one_line(paths["file_path"], PureWindowsPath(text("file_path")).name)
    if file_name in {"", ".."}:
        raise JobCommandInvalid(job=job.id, reason=f"it names no delivery file ({paths['file_path']})")
    parameters = parse_parameters(text("parameters"))
    channel = parameters.get("channel") or DEFAULT
    exported = channels[channel].route is RouteKind.EXPORT_FILE
    list_name, message_name = name("list_name"), name("message_name")
    if not list_name and not exported:
        raise JobCommandInvalid(job=job.id, reason=f"it names no list ({paths['list_name']})")
    upload_only = exported or text("upload_only").lower() in {"true", "1"}
    if not upload_only and not message_name:
        raise JobCommandInvalid(job=job.id, reason=f"it names no message ({paths['message_name']})")
    try:
        send_at = None if upload_only else send_time(parameters.get("sendat", ""), schema.zone, channels[channel])
    except ValueError as error:
        raise JobCommandInvalid(job=job.id, reason=f"its parameter SendAt is {error}") from None
    send_mode = send_mode_of(channels, channel, upload_only=upload_only, timed=send_at is not None)
    return BroadcastRequest(
        key=job.key,
        job_id=job.id,
        system=job.system,
        list_name=list_name,
        message_name=message_name,
        delivery_file=file_name,
        step_id=whole_number(text("step_id")),
        run=whole_number(text("run")),
        parameters=text("parameters"),
        channel=channel,
        route=channels[channel].route,
        send_mode=send_mode,
        send_at=send_at,
        requested_at=_requested_at(job, schema.zone),
        urn_column=name("urn_column") or _URN,
        email_column=name("email_column") or _EMAIL,
        communication_key_column=name("communication_key_column") or _COMMUNICATION_KEY,
    )


def _requested_at(job: Job, zone: str) -> datetime | None:
    try:
        return utc_from_outside(job.time_added.replace(tzinfo=ZoneInfo(zone)))
    except ValueError:
        return None  # as of a job without a time


def _details(job: Job, path: XmlPath) -> Element:
    if job.ambiguous:
        raise JobCommandInvalid(job=job.id, reason="it has several")
    try:
        root = parse_command(job.command)
    except CommandUnreadable as error:
        raise JobCommandInvalid(job=job.id, reason=str(error)) from None
    details = path.find(root)
    if details is None:
        raise JobCommandInvalid(job=job.id, reason=f"it has no element {path}")
    return details
