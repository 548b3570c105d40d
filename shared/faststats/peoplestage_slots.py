"""The slots of PeopleStage's script broadcaster: what its calls ask for, and what they are answered. Pure.

Slots, inputs and outputs: docs/why/sources.md, Apteco 6.1. Every input is text; a key that no slot knows comes
from the channel's Integration Parameters. An answer is what a script returns, under the documented names, plus `Done`:
whether the script returns now or asks again.
"""

import re
from collections.abc import Mapping
from enum import StrEnum
from pathlib import PureWindowsPath
from typing import Annotated, Any, Final, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from shared.broadcast import (
    BEFORE_UPLOAD,
    Broadcast,
    BroadcastRequest,
    Intake,
    RouteKind,
    SendMode,
    State,
    delivery_key,
    guid_in,
)
from shared.config.channels import DEFAULT, Channels
from shared.config.validation import problems
from shared.errors import ChannelCallInvalid
from shared.faststats.channel_parameters import send_mode_of, send_time

#: `CustomProvider` of every answer; it distinguishes our scripts and rows of `BroadcastsDetail` from others.
PROVIDER: Final = "BroadcastBridge"
_MAX_NAME: Final = 255
#: Windows accepts no longer path without special measures.
_MAX_PATH: Final = 1000
_MAX_PARAMETERS: Final = 4000
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
#: Bytes: the capacity of one blob in blocks of the scripts' size.
_MAX_SIZE: Final = 100 * 1024**3


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
        raise ValueError("one line is expected")
    return text.strip()


Line = Annotated[str, AfterValidator(_one_line), Field(max_length=_MAX_NAME)]


class Call(BaseModel):
    """A call of any slot, with the input that all slots share."""

    # The login data that PeopleStage passes to every script stay with the script; they are not parameters.
    model_config = ConfigDict(extra="allow", frozen=True, hide_input_in_errors=True, populate_by_name=True)

    channel: Annotated[Line, Field(alias="Channel")] = DEFAULT

    @model_validator(mode="before")
    @classmethod
    def _normalise(cls, body: Any) -> Any:  # noqa: ANN401 - any JSON
        """Keys in their documented case, whatever case PowerShell sends; None becomes an empty text."""
        if not isinstance(body, Mapping):
            raise ValueError("an object is expected")  # noqa: TRY004 - for pydantic
        known = {str(field.alias).lower(): str(field.alias) for field in cls.model_fields.values()}
        return {
            known.get(str(key).lower(), str(key)): "" if value is None else value
            for key, value in body.items()
            if str(key).lower() not in {"username", "password"}
        }

    @classmethod
    def read(cls, slot: Slot, body: object) -> Self:
        """The validated call.

        Raises:
            ChannelCallInvalid: names every input that is missing or wrong, and never a value.
        """
        try:
            return cls.model_validate(body)
        except ValidationError as error:
            raise ChannelCallInvalid(slot=slot, reason=problems(error, subject="the call")) from None


class MessageCall(Call):
    """A call that names a message: preview and test send. Test recipients are not read (docs/how-to/peoplestage.md)."""

    message_name: Annotated[Line, Field(alias="MessageName", min_length=1)]


class TestSendCall(MessageCall):
    """A test send."""

    __test__ = False  # for pytest, which takes the name for a test class

    #: A GUID for each click, the same in all tries of its script; scripts of earlier versions send none.
    request_id: Annotated[UUID | None, BeforeValidator(lambda value: value or None), Field(alias="RequestId")] = None


class UploadCall(Call):
    """The upload of a delivery file."""

    path: Annotated[str, AfterValidator(_one_line), Field(alias="Path", min_length=1, max_length=_MAX_PATH)]
    #: Size of the file in bytes, as the script reads it.
    size: Annotated[int, Field(alias="Size", ge=1, le=_MAX_SIZE)]
    list_name: Annotated[Line, Field(alias="ListName")] = ""
    #: Empty for "Upload but don't broadcast".
    message_name: Annotated[Line, Field(alias="MessageName")] = ""
    urn_column: Annotated[Line, Field(alias="UrnFieldName", min_length=1)]
    email_column: Annotated[Line, Field(alias="EmailFieldName", min_length=1)]
    communication_key_column: Annotated[Line, Field(alias="CommunicationKeyFieldName", min_length=1)]
    transaction_type: Annotated[Literal["Replace", "Create"], Field(alias="TransactionType")] = "Replace"
    send_at: Annotated[Line, Field(alias="SendAt")] = ""

    @property
    def file_name(self) -> str:
        """Name of the delivery file; the path is one of the FastStats machine."""
        return PureWindowsPath(self.path).name

    @property
    def guid(self) -> UUID:
        """The GUID in the file's name: it identifies the delivery however often it is uploaded.

        Raises:
            ChannelCallInvalid: the name has none.
        """
        guid = guid_in(self.file_name)
        if guid is None or len(self.file_name) > _MAX_NAME:
            reason = "Path: the name of a delivery file ends with a GUID"
            raise ChannelCallInvalid(slot=Slot.UPLOAD, reason=reason)
        return guid

    @property
    def key(self) -> str:
        """Key of the broadcast of this delivery."""
        return delivery_key(self.guid)

    def request(self, channels: Channels, *, system: str, zone: str) -> BroadcastRequest:
        """The broadcast that the call asks for, by the settings of its channel.

        Raises:
            ChannelCallInvalid: the list is missing, or `SendAt` is not a time.
            ChannelUnknown: there is no such channel.
            SendModeImpossible: the channel's route cannot send in the requested way.
        """
        channel = channels[self.channel]
        exported = channel.route is RouteKind.EXPORT_FILE
        if not self.list_name and not exported:
            raise ChannelCallInvalid(slot=Slot.UPLOAD, reason="ListName: a list is needed")
        upload_only = exported or not self.message_name
        try:
            send_at = None if upload_only else send_time(self.send_at, zone, channel)
        except ValueError as error:
            raise ChannelCallInvalid(slot=Slot.UPLOAD, reason=f"SendAt: {error}") from None
        mode = send_mode_of(channels, self.channel, upload_only=upload_only, timed=send_at is not None)
        return BroadcastRequest(
            key=self.key,
            source=Intake.CHANNEL,
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
        texts = {key: value for key, value in (self.model_extra or {}).items() if isinstance(value, str)}
        return "".join(f"{key}={value};" for key, value in sorted(texts.items()))[:_MAX_PARAMETERS]


class BroadcastCall(Call):
    """The broadcast of an uploaded delivery; PeopleStage passes everything that the upload returned."""

    transaction_id: Annotated[Line, Field(alias="TransactionId", pattern=r"^D[0-9a-f]{32}$")]
    #: Whether the script waits until the message is sent.
    wait: Annotated[bool, Field(alias="Wait")] = True


def upload_answer(broadcast: Broadcast) -> dict[str, object]:
    """The answer of the Upload slot about an accepted broadcast."""
    rows = broadcast.rows
    # Upload only is done once the list is at Optimizely: its import can be a day away.
    unfinished = {State.CLAIMED} if broadcast.request.held else BEFORE_UPLOAD
    compared = broadcast.state is not State.STAGED or broadcast.compared_at is not None
    return {
        "Done": broadcast.state not in unfinished and rows is not None and compared,
        "State": broadcast.state,
        "WaitingFor": broadcast.waiting_for,
        "TransactionId": broadcast.key,
        "Recipients": rows and rows.uploaded,
        "RecipientsRejected": None if rows is None else rows.read - rows.uploaded,
        "CustomProvider": PROVIDER,
        "ProcessId": broadcast.key,
    }


def broadcast_answer(broadcast: Broadcast, *, wait: bool) -> dict[str, object]:
    """The answer of the Broadcast slot about a released broadcast."""
    rows, sent = broadcast.rows, broadcast.sent
    uploaded = None if rows is None else rows.uploaded
    return {
        "Done": broadcast.state in {State.SENT, State.CLOSED} or not wait,
        "State": broadcast.state,
        "WaitingFor": broadcast.waiting_for,
        # FastStats finds the responses of a delivery by its mailing.
        "TransactionId": str(broadcast.mailing_id or broadcast.key),
        "Recipients": uploaded if sent is None else sent,
        "RecipientsQueued": None if sent is not None else uploaded,
        "RecipientsRejected": None if sent is None or uploaded is None else max(uploaded - sent, 0),
        "CustomProvider": PROVIDER,
        "ProcessId": broadcast.key,
    }


def find_difference(first: BroadcastRequest, second: BroadcastRequest) -> str | None:
    """The input in which a repeated upload differs from the first; None when it is the same."""
    inputs = {"ListName": "list_name", "MessageName": "message_name", "Channel": "channel", "SendAt": "send_at"}
    return next((name for name, field in inputs.items() if getattr(first, field) != getattr(second, field)), None)
