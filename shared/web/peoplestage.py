"""The slots of PeopleStage's channel over HTTP: JSON in and out.

An error is answered with its code and sentence from the catalogue, which PeopleStage shows to the marketer. Nothing of
the request is repeated in the answer.
"""

import json
from collections.abc import Callable, Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Final

from shared.bridge import Bridge
from shared.errors import (
    BridgeError,
    BroadcastUnknown,
    ChannelCallInvalid,
    DeliveryDiffers,
    DeliveryEnded,
    TransientError,
    UnexpectedError,
)
from shared.faststats.peoplestage_slots import BroadcastCall, Call, MessageCall, Slot, UploadCall
from shared.operations import peoplestage
from shared.telemetry import log, traceback_location

#: Bytes. A delivery file is not part of a call.
_MAX_BYTES: Final = 256 * 1024

type Answer = Mapping[str, object] | list[dict[str, str]]


def _test(bridge: Bridge, body: object) -> Answer:
    Call.read(Slot.TEST, body)
    return peoplestage.test_login(bridge)


def _messages(bridge: Bridge, body: object) -> Answer:
    Call.read(Slot.MESSAGES, body)
    return peoplestage.messages(bridge)


def _lists(bridge: Bridge, body: object) -> Answer:
    Call.read(Slot.LISTS, body)
    return peoplestage.lists(bridge)


_SLOTS: Final[Mapping[Slot, Callable[[Bridge, object], Answer]]] = MappingProxyType(
    {
        Slot.TEST: _test,
        Slot.MESSAGES: _messages,
        Slot.LISTS: _lists,
        Slot.UPLOAD: lambda bridge, body: peoplestage.upload(bridge, UploadCall.read(Slot.UPLOAD, body)),
        Slot.BROADCAST: lambda bridge, body: peoplestage.broadcast(bridge, BroadcastCall.read(Slot.BROADCAST, body)),
        Slot.PREVIEW: lambda bridge, body: peoplestage.preview(bridge, MessageCall.read(Slot.PREVIEW, body)),
        Slot.SEND_TEST: lambda bridge, body: peoplestage.send_test(bridge, MessageCall.read(Slot.SEND_TEST, body)),
    }
)
_STATUS: Final[Mapping[type[BridgeError], HTTPStatus]] = {
    ChannelCallInvalid: HTTPStatus.BAD_REQUEST,
    BroadcastUnknown: HTTPStatus.NOT_FOUND,
    DeliveryDiffers: HTTPStatus.CONFLICT,
    DeliveryEnded: HTTPStatus.CONFLICT,
}


def answer(bridge: Callable[[], Bridge], slot: str, body: bytes) -> tuple[int, str]:
    """Answer a call of a slot.

    Args:
        bridge: returns the bridge; errors of its settings are answered as well.
        slot: the last part of the path.
        body: JSON.

    Returns:
        The HTTP status and the JSON text. 503: the same call may succeed later.
    """
    try:
        known = Slot(slot)
    except ValueError:
        return _answer_of(
            HTTPStatus.NOT_FOUND, ChannelCallInvalid(slot=repr(slot[:20]), reason="there is no such slot")
        )
    try:
        # An invalid call is answered as such even where the bridge cannot start.
        call = _read(known, body)
        result = _SLOTS[known](bridge(), call)
    except BridgeError as error:
        retryable = isinstance(error, TransientError)
        default = HTTPStatus.SERVICE_UNAVAILABLE if retryable else HTTPStatus.UNPROCESSABLE_ENTITY
        status = _STATUS.get(type(error), default)
        log.warning("Slot %s: %s", known, error, extra={"action": "channel-refused", **error.log_context()})
        return _answer_of(status, error)
    except Exception as error:  # noqa: BLE001 - its text may carry data; the log has type and traceback
        log.error(
            "Slot %s: %s",
            known,
            traceback_location(error),
            extra={"action": "unexpected", "code": UnexpectedError.code},
        )
        return _answer_of(HTTPStatus.INTERNAL_SERVER_ERROR, UnexpectedError(step=str(known), kind=type(error).__name__))
    return HTTPStatus.OK, json.dumps(result)


def _read(slot: Slot, body: bytes) -> object:
    if len(body) > _MAX_BYTES:
        raise ChannelCallInvalid(slot=slot, reason=f"it is longer than {_MAX_BYTES} bytes")
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise ChannelCallInvalid(slot=slot, reason="it is not JSON") from None


def _answer_of(status: HTTPStatus, error: BridgeError) -> tuple[int, str]:
    return status, json.dumps({"code": error.code, "error": error.sentence})
