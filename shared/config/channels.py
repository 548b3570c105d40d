"""Channels: how broadcasts of one kind are carried, and their responses. Pure, except for reading the file.

A channel is named after the PeopleStage or FastStats channel that it serves. The file `CHANNELS_FILE`
(TOML, `docs/how-to/channels.md`) has the settings of each; what it leaves out has the default that is written
here. Without a file there is one channel, `default`, which also serves jobs that name none.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from functools import partial
from pathlib import Path
from string import Formatter
from types import MappingProxyType
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from shared.broadcast import SEND_MODES, Broadcast, RouteKind, SendMode
from shared.config.location_text import LocationText
from shared.config.response_layouts import ResponseLayout
from shared.config.send_window import SendBetween
from shared.config.validation import LONGEST_DAYS, MarkerName, TimeZoneName, read_toml
from shared.errors import ChannelUnknown

#: Name of the channel for jobs that name none.
DEFAULT = "default"

#: What the name of a list file may contain: ids of list and source mailing, names of list and delivery file, the
#: broadcast's key.
_IN_FILE_NAMES = frozenset({"list_id", "list", "broadcast", "mailing", "delivery_file"})
_ONLY_AT_OPTIMIZELY = ("{list_id}", "{mailing}")
_SAFE_IN_FILE_NAMES = re.compile(r"[A-Za-z0-9._-]*")


def _template(text: str, allowed: frozenset[str]) -> str:
    try:
        used = {name for _, name, specification, _ in Formatter().parse(text) if name is not None and not specification}
    except ValueError:
        used = {""}
    if not used <= allowed or "{" in text.format_map(dict.fromkeys(allowed, "")):
        raise ValueError("only these placeholders are allowed: " + ", ".join(sorted(allowed)))
    return text


def _file_name(text: str) -> str:
    _template(text, _IN_FILE_NAMES)
    if not _SAFE_IN_FILE_NAMES.fullmatch(text.format_map(dict.fromkeys(_IN_FILE_NAMES, ""))):
        raise ValueError("a file name may contain only letters, digits, dots, hyphens and underscores")
    if "{broadcast}" not in text:
        raise ValueError("{broadcast} is missing: it identifies the file of a broadcast")
    return text


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class DeliveryFileLayout(_Part):
    """The layout of a delivery file, as in the File Settings of the PeopleStage channel."""

    delimiter: Annotated[str, Field(min_length=1, max_length=1, pattern=r"[^\x00-\x08\n-\x1f\x7f-\x9f\"']")] = "\t"
    #: Quote around values; empty: quotation marks are data.
    quote: Literal['"', ""] = ""
    #: A BOM in the file takes precedence. `utf-16` without one is little-endian, as Windows writes it.
    encoding: Literal["utf-8", "utf-16", "windows-1252"] = "utf-8"
    #: Whether a last line without a line end is a row; otherwise it may still be being written, and is rejected.
    last_line: Literal["must-end", "may-end-without"] = "must-end"


class ListFileLayout(_Part):
    """The layout of a list file, as agreed with Optimizely support, who set up the import."""

    #: Its name; `{list_id}`, `{list}`, `{broadcast}`, `{mailing}` and `{delivery_file}` are filled in.
    name: Annotated[str, AfterValidator(_file_name)] = "{list_id}_{broadcast}.csv"
    delimiter: Annotated[str, Field(min_length=1, max_length=1, pattern=r"[^\r\n\"']")] = ";"
    #: Quote around values; empty: values that need one are rejected.
    quote: Literal['"', "'", ""] = '"'
    #: Whether every value is quoted, or only those that need it.
    quote_all: bool = False
    encoding: Literal["utf-8", "utf-8-sig", "utf-16", "windows-1252", "iso-8859-1", "iso-8859-15"] = "utf-8"
    line_end: Literal["LF", "CRLF"] = "LF"
    gzip: bool = False
    #: The list fields in the order of the file; empty: the four keys, then the order of the delivery file.
    columns: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.quote_all and not self.quote:
            raise ValueError("quote_all requires a quote")
        if self.gzip != self.name.endswith(".gz"):
            raise ValueError("the name of a list file ends with .gz if it is gzipped, and only then")
        if len(set(self.columns)) < len(self.columns):
            raise ValueError("a column is named twice")
        return self


class ImportJob(_Part):
    """The route `import job`."""

    #: Folder on the SFTP site from which the import job takes its files.
    folder: str = "/import"
    #: Name of a list's job, as Administration > Scheduled Jobs shows it; `{list}` is the list name.
    job_name: Annotated[str, AfterValidator(partial(_template, allowed=frozenset({"list"})))] = (
        "Recipient import {list}"
    )


class ClosedLoop(_Part):
    """The route `closed loop`."""

    #: Folder on the SFTP site that the closed-loop service watches.
    folder: str = "/closedloop"
    #: Column of the list file that carries the source mailing id; empty where its name carries it.
    mailing_column: str = "MailingId"
    #: Name that the service gives the copy of a Smart Campaign, with `*` for what varies.
    copy_name: Annotated[str, AfterValidator(partial(_template, allowed=frozenset({"campaign", "broadcast"})))] = (
        "{campaign}*"
    )


class SendingBatch(_Part):
    """The route `sending batch`."""

    #: Recipients in one request. The vendor documents no limit; its SOAP API accepts 1,000.
    chunk_rows: Annotated[int, Field(ge=1, le=10_000)] = 1000


class ExportFile(_Part):
    """The route `export file`."""

    #: Name of the SFTP site, one of `[sftp_sites]`.
    site: str = ""
    #: Folder on it. A file appears there when it is complete.
    folder: str = "/"


class Drop(_Part):
    """The folder that the channel watches for delivery files, and the broadcast that each of them becomes."""

    #: Where the files are dropped; a location, as for DELIVERY_FILES.
    place: LocationText
    #: Names of delivery files (`*` and `?`).
    pattern: Annotated[str, Field(min_length=1)] = "*.txt"
    list_name: Annotated[str, Field(max_length=255)] = ""
    message_name: Annotated[str, Field(max_length=255)] = ""
    urn_column: Annotated[str, Field(min_length=1, max_length=255)] = "Urn"
    email_column: Annotated[str, Field(min_length=1, max_length=255)] = "Email"
    communication_key_column: Annotated[str, Field(min_length=1, max_length=255)] = "Communication Key"
    #: A file is complete when it has not changed for so long.
    settle_seconds: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 60
    #: Older files are ignored: a full folder must not be mailed when it is watched for the first time.
    newest_hours: Annotated[float, Field(gt=0, le=LONGEST_DAYS * 24)] = 24


class SftpSiteLogin(_Part):
    """An SFTP site other than Optimizely's. Its secrets are in app settings, which are named here."""

    host: Annotated[str, Field(min_length=1)]
    port: Annotated[int, Field(ge=1, le=65535)] = 22
    user: Annotated[str, Field(min_length=1)]
    #: Pinned host keys: known_hosts lines or SHA256 fingerprints.
    host_keys: Annotated[tuple[str, ...], Field(min_length=1)]
    #: Names of the app settings that hold the private key, its passphrase, the password.
    private_key: str | None = None
    passphrase: str | None = None
    password: str | None = None
    #: Whether files are uploaded under their own names, to a site that refuses every rename.
    direct: bool = False
    #: With `direct`: name of the empty file that is written when a file is complete, such as `{name}.done`.
    direct_marker: MarkerName | None = None

    @model_validator(mode="after")
    def _marks_direct_files(self) -> Self:
        if self.direct_marker is not None and not self.direct:
            raise ValueError("direct_marker requires direct = true")
        return self

    @model_validator(mode="after")
    def _login_is_possible(self) -> Self:
        if self.private_key is None and self.password is None:
            raise ValueError("set private_key or password to the name of the app setting that holds it")
        return self


class Channel(_Part):
    """How broadcasts of one channel are carried."""

    route: RouteKind = RouteKind.IMPORT_JOB
    #: What makes Optimizely send, unless the job says (upload only, or a time).
    send: SendMode | None = None
    #: List field by column of the delivery file, where the two have different names.
    fields: Mapping[str, str] = Field(default_factory=dict)
    delivery_file: DeliveryFileLayout = DeliveryFileLayout()
    list_file: ListFileLayout = ListFileLayout()
    import_job: ImportJob = ImportJob()
    closed_loop: ClosedLoop = ClosedLoop()
    sending_batch: SendingBatch = SendingBatch()
    export_file: ExportFile = ExportFile()
    #: The folder that is watched for delivery files, if any.
    drop: Drop | None = None
    #: Whether unsubscribed, bounced-out and blocklisted recipients are removed before the upload.
    suppress: bool = False
    #: Percentage of the uploaded recipients that may be missing after the import (blocklisted, unsubscribed), and of
    #: the imported ones after the send.
    max_shortfall_percent: Annotated[float, Field(ge=0, le=100)] = 10
    #: Whether a broadcast is refused that sends a message again, to the same Communication Keys or from the same file.
    repeats: Literal["refuse", "allow"] = "refuse"
    #: Recipient list to which test messages go.
    seed_list: str = ""
    #: A broadcast to more recipients waits until an operator releases it.
    max_recipients: Annotated[int, Field(ge=1)] | None = None
    #: Hours of the day in which broadcasts are started, such as `08:00-20:00`; with a time zone.
    send_between: SendBetween | None = None
    #: Time zone of `send_between`.
    time_zone: TimeZoneName | None = None
    #: Hours after which a broadcast that could not be started in time fails instead of being sent late.
    latest_start_hours: Annotated[float, Field(gt=0, le=LONGEST_DAYS * 24)] | None = None

    @property
    def default_send_mode(self) -> SendMode:
        """What makes Optimizely send, unless job or channel says."""
        return self.send or default_send_mode(self.route)

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.send is not None and self.send not in SEND_MODES[self.route]:
            modes = ", ".join(sorted(SEND_MODES[self.route]))
            raise ValueError(f"the route '{self.route}' does not support send = '{self.send}'; it supports {modes}")
        if self.send is SendMode.AT_TIME:
            raise ValueError("send = 'at a time' is not possible for a channel, because the time comes from the job")
        if (
            self.route is RouteKind.CLOSED_LOOP
            and not self.closed_loop.mailing_column
            and "{mailing}" not in self.list_file.name
        ):
            msg = "a closed loop requires the mailing id: in a mailing_column, or as {mailing} in the list file's name"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _timed(self) -> Self:
        if (self.send_between is None) != (self.time_zone is None):
            raise ValueError("send_between requires the time_zone of its times, and the other way round")
        return self

    def needs_release(self, broadcast: Broadcast) -> bool:
        """Whether a staged broadcast has more recipients than may be mailed without an operator's release."""
        if self.max_recipients is None or broadcast.rows is None:
            return False
        return broadcast.rows.uploaded > max(self.max_recipients, broadcast.released_recipients or 0)

    def sends_at(self, moment: datetime) -> bool:
        """Whether a broadcast may be started at this moment."""
        return self.first_start(moment) == moment

    def first_start(self, moment: datetime) -> datetime:
        """The first moment from this one on at which a broadcast may be started, in UTC."""
        if self.send_between is None or self.time_zone is None:
            return moment
        return self.send_between.opens(moment, self.time_zone)

    @property
    def send_times(self) -> str:
        """When it sends, for people: `08:00-20:00 Europe/Berlin`."""
        return f"{self.send_between} {self.time_zone}"

    @model_validator(mode="after")
    def _exportable(self) -> Self:
        if self.route is not RouteKind.EXPORT_FILE:
            return self
        if not self.export_file.site:
            raise ValueError("the route 'export file' requires export_file.site, the name of one of the sftp_sites")
        if any(name in self.list_file.name for name in _ONLY_AT_OPTIMIZELY):
            raise ValueError("the route 'export file' has no list: set list_file.name without {list_id} and {mailing}")
        if self.suppress:
            raise ValueError("suppress is not possible with the route 'export file', which does not use Optimizely")
        return self

    @model_validator(mode="after")
    def _droppable(self) -> Self:
        if self.drop is None or self.route is RouteKind.EXPORT_FILE:
            return self
        if not self.drop.list_name:
            raise ValueError("drop.list_name is missing: the list that a dropped file is for")
        if not self.drop.message_name and self.default_send_mode is not SendMode.UPLOAD_ONLY:
            raise ValueError("drop.message_name is missing; or set send = 'upload only'")
        return self


def default_send_mode(route: RouteKind) -> SendMode:
    """What makes Optimizely send on this route by default."""
    preferred = (SendMode.VERIFY_THEN_START, SendMode.AFTER_IMPORT, SendMode.UPLOAD_ONLY)
    return next(mode for mode in preferred if mode in SEND_MODES[route])


class _File(_Part):
    responses: Mapping[Annotated[str, Field(min_length=1, max_length=100)], ResponseLayout] = Field(
        default_factory=dict
    )
    channels: Mapping[Annotated[str, Field(min_length=1, max_length=100)], Channel] = Field(default_factory=dict)
    sftp_sites: Mapping[Annotated[str, Field(min_length=1, pattern=r"[A-Za-z0-9._-]+$")], SftpSiteLogin] = Field(
        default_factory=dict
    )

    @model_validator(mode="after")
    def _sites_are_known(self) -> Self:
        for name, channel in self.channels.items():
            site = channel.export_file.site
            if site and site not in self.sftp_sites:
                raise ValueError(f"channel {name}: there is no [sftp_sites.{site}]")
        return self


class Channels:
    """The channels by name.

    Args:
        channels: the channels; `default` is added if it is missing.
        sftp_sites: the SFTP sites that they name, other than Optimizely's.
        responses: layouts of response files by name; the default is one, `default`.
    """

    def __init__(
        self,
        channels: Mapping[str, Channel] | None = None,
        sftp_sites: Mapping[str, SftpSiteLogin] | None = None,
        responses: Mapping[str, ResponseLayout] | None = None,
    ) -> None:
        self._channels = MappingProxyType({DEFAULT: Channel(), **(channels or {})})
        self.sftp_sites = MappingProxyType(dict(sftp_sites or {}))
        self.responses = MappingProxyType(dict(responses or {DEFAULT: ResponseLayout()}))

    @classmethod
    def load(cls, file: Path | None) -> Self:
        """The channels of a file.

        Raises:
            SettingsInvalid: the file cannot be read or is invalid.
        """
        if file is None:
            return cls()
        content = read_toml("CHANNELS_FILE", file, _File.model_validate)
        return cls(content.channels, content.sftp_sites, content.responses)

    def __getitem__(self, name: str) -> Channel:
        """The channel of this name.

        Raises:
            ChannelUnknown: there is none.
        """
        channel = self.find(name)
        if channel is None:
            raise ChannelUnknown(channel=name)
        return channel

    def find(self, name: str) -> Channel | None:
        """The channel of this name, if there is one."""
        return self._channels.get(name)

    def names(self) -> list[str]:
        """Names of the channels."""
        return sorted(self._channels)
