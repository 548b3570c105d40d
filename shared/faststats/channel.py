"""What PeopleStage's script broadcaster asks for and is answered: the contract of its slots. Pure.

Slots, inputs and outputs: docs/why/sources.md, Apteco 6.1. Every input is a text; a key that no slot knows comes
from the channel's Integration Parameters. Answers are what a script returns, under the documented names, with `Done`
beside them: whether the script returns now or asks again.
"""

import re
from collections.abc import Mapping
from enum import StrEnum
from pathlib import PureWindowsPath
from typing import Annotated, Any, Final, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from shared.broadcast import (
    BEFORE_UPLOAD,
    Broadcast,
    BroadcastRequest,
    RouteKind,
    SendMode,
    Source,
    State,
    delivery_key,
    guid_in,
)
from shared.config.channels import DEFAULT, Channels
from shared.errors import ChannelCallInvalid
from shared.faststats.channel_parameters import send_mode_of, send_time

#: `CustomProvider` of every answer, by which scripts and rows of `BroadcastsDetail` are told from others.
PROVIDER: Final = "BroadcastBridge"
_LONGEST_NAME: Final = 255
#: Windows takes no longer one without special measures.
_LONGEST_PATH: Final = 1000
_LONGEST_PARAMETERS: Final = 4000
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
#: Bytes; what one blob takes by single blocks of the scripts' size.
_LARGEST: Final = 100 * 1024**3


class Slot(StrEnum):
    """Slots of the script broadcaster, as the paths of their functions name them."""

    TEST = "test"
    MESSAGES = "messages"
    LISTS = "lists"
    UPLOAD = "upload"
    BROADCAST = "broadcast"
    PREVIEW = "preview"
    SEND_TEST = "send-test"


def _one_line(text: str) -> str:
    if _CONTROL.search(text):
        msg = "one line is expected"
        raise ValueError(msg)
    return text.strip()


Line = Annotated[str, AfterValidator(_one_line), Field(max_length=_LONGEST_NAME)]


class Call(BaseModel):
    """A call of any slot: what every slot is given."""

    # Login data that PeopleStage passes to every script stay with the script; they are no parameters either.
    model_config = ConfigDict(extra="allow", frozen=True, hide_input_in_errors=True, populate_by_name=True)

    channel: Annotated[Line, Field(alias="Channel")] = DEFAULT

    @model_validator(mode="before")
    @classmethod
    def _as_documented(cls, given: Any) -> Any:  # noqa: ANN401 - whatever came
        """PowerShell's keys in whatever case; None is an empty text."""
        if not isinstance(given, Mapping):
            msg = "an object is expected"
            raise ValueError(msg)  # noqa: TRY004 - for pydantic
        known = {str(field.alias).lower(): str(field.alias) for field in cls.model_fields.values()}
        return {
            known.get(str(key).lower(), str(key)): "" if value is None else value
            for key, value in given.items()
            if str(key).lower() not in {"username", "password"}
        }

    @classmethod
    def read(cls, slot: Slot, given: object) -> Self:
        """The call, checked.

        Raises:
            ChannelCallInvalid: with every input that is missing or wrong, and never a value.
        """
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            reasons = "; ".join(
                f"{'.'.join(map(str, detail['loc'])) or 'the call'}: {detail['msg'].removeprefix('Value error, ')}"
                for detail in error.errors(include_url=False, include_input=False)
            )
            raise ChannelCallInvalid(slot=slot, reason=reasons) from None


class MessageCall(Call):
    """A call that names a message: preview and test send. Test recipients are not read (docs/how-to/peoplestage.md)."""

    message_name: Annotated[Line, Field(alias="MessageName", min_length=1)]


class UploadCall(Call):
    """The upload of a delivery file."""

    path: Annotated[str, AfterValidator(_one_line), Field(alias="Path", min_length=1, max_length=_LONGEST_PATH)]
    #: Of the file, in bytes: the script knows it.
    size: Annotated[int, Field(alias="Size", ge=1, le=_LARGEST)]
    list_name: Annotated[Line, Field(alias="ListName")] = ""
    #: Empty with "Upload but don't broadcast".
    message_name: Annotated[Line, Field(alias="MessageName")] = ""
    urn_column: Annotated[Line, Field(alias="UrnFieldName", min_length=1)]
    email_column: Annotated[Line, Field(alias="EmailFieldName", min_length=1)]
    communication_key_column: Annotated[Line, Field(alias="CommunicationKeyFieldName", min_length=1)]
    transaction_type: Annotated[Literal["Replace", "Create"], Field(alias="TransactionType")] = "Replace"
    send_at: Annotated[Line, Field(alias="SendAt")] = ""

    @property
    def file_name(self) -> str:
        """Name of the delivery file: the path is one of the FastStats machine."""
        return PureWindowsPath(self.path).name

    @property
    def guid(self) -> UUID:
        """The GUID in the file's name, by which the delivery is known however often it is uploaded.

        Raises:
            ChannelCallInvalid: there is none.
        """
        found = guid_in(self.file_name)
        if found is None or len(self.file_name) > _LONGEST_NAME:
            reason = "Path: the name of a delivery file ends with a GUID"
            raise ChannelCallInvalid(slot=Slot.UPLOAD, reason=reason)
        return found

    @property
    def key(self) -> str:
        """Key of the broadcast of this delivery."""
        return delivery_key(self.guid)

    def request(self, channels: Channels, *, system: str, zone: str) -> BroadcastRequest:
        """What is asked for, by the settings of the channel.

        Args:
            channels: the channels.
            system: the FastStats system.
            zone: zone of `SendAt`, where it tells none.

        Raises:
            ChannelCallInvalid: a list is missing, or `SendAt` is no time.
            ChannelUnknown: there is no such channel.
            SendModeImpossible: the channel's route cannot send in the way that is asked for.
        """
        channel = channels[self.channel]
        exported = channel.route is RouteKind.EXPORT_FILE
        if not self.list_name and not exported:
            raise ChannelCallInvalid(slot=Slot.UPLOAD, reason="ListName: a list is needed")
        upload_only = exported or not self.message_name
        try:
            send_at = None if upload_only else send_time(self.send_at, zone)
        except ValueError as error:
            raise ChannelCallInvalid(slot=Slot.UPLOAD, reason=f"SendAt: {error}") from None
        mode = send_mode_of(channels, self.channel, upload_only=upload_only, timed=send_at is not None)
        return BroadcastRequest(
            key=self.key,
            source=Source.CHANNEL,
            held=mode is not SendMode.UPLOAD_ONLY,
            system=system,
            list_name=self.list_name,
            message_name="" if upload_only else self.message_name,
            delivery_file=self.file_name,
            urn_column=self.urn_column,
            email_column=self.email_column,
            communication_key_column=self.communication_key_column,
            parameters=self._parameters(),
            channel=self.channel,
            route=channel.route,
            send_mode=mode,
            send_at=send_at,
        )

    def _parameters(self) -> str:
        """The Integration Parameters, as WS_DB has them: `key=value;`."""
        told = {key: value for key, value in (self.model_extra or {}).items() if isinstance(value, str)}
        return "".join(f"{key}={value};" for key, value in sorted(told.items()))[:_LONGEST_PARAMETERS]


class BroadcastCall(Call):
    """The broadcast of what was uploaded: PeopleStage passes everything that the upload returned."""

    transaction_id: Annotated[Line, Field(alias="TransactionId", pattern=r"^D[0-9a-f]{32}$")]
    #: Whether the script waits until everything is sent.
    wait: Annotated[bool, Field(alias="Wait")] = True


def upload_answer(broadcast: Broadcast) -> dict[str, object]:
    """What the Upload slot returns of a broadcast that is taken in."""
    rows = broadcast.rows
    # Upload only: when the list is at Optimizely. Its import can be a day away.
    under_way = {State.CLAIMED} if broadcast.request.held else BEFORE_UPLOAD
    return {
        "Done": broadcast.state not in under_way and rows is not None,
        "State": broadcast.state,
        "TransactionId": broadcast.key,
        "Recipients": rows and rows.uploaded,
        "RecipientsRejected": None if rows is None else rows.read - rows.uploaded,
        "CustomProvider": PROVIDER,
        "ProcessId": broadcast.key,
    }


def broadcast_answer(broadcast: Broadcast, *, wait: bool) -> dict[str, object]:
    """What the Broadcast slot returns of a broadcast that is released."""
    rows, sent = broadcast.rows, broadcast.sent
    uploaded = None if rows is None else rows.uploaded
    return {
        "Done": broadcast.state in {State.SENT, State.CLOSED} or not wait,
        "State": broadcast.state,
        # As FastStats knows a delivery whose responses are to be found: by its mailing.
        "TransactionId": str(broadcast.mailing_id or broadcast.key),
        "Recipients": uploaded if sent is None else sent,
        "RecipientsQueued": None if sent is not None else uploaded,
        "RecipientsRejected": None if sent is None or uploaded is None else max(uploaded - sent, 0),
        "CustomProvider": PROVIDER,
        "ProcessId": broadcast.key,
    }


def same_delivery(first: BroadcastRequest, again: BroadcastRequest) -> str | None:
    """What a repeated upload asks for otherwise than the first; None when it is the same."""
    compared: Mapping[str, tuple[object, object]] = {
        "ListName": (first.list_name, again.list_name),
        "MessageName": (first.message_name, again.message_name),
        "Channel": (first.channel, again.channel),
        "SendAt": (first.send_at, again.send_at),
    }
    return next((name for name, (one, other) in compared.items() if one != other), None)
