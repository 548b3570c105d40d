"""The slots of PeopleStage's channel over HTTP: JSON in and out.

What goes wrong is told with code and sentence of the error catalogue, which PeopleStage shows to the marketer. Nothing
of what was sent comes back.
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

#: Bytes. A delivery file does not come this way.
_LONGEST: Final = 256 * 1024

type Answer = Mapping[str, object] | list[dict[str, str]]


def _test(bridge: Bridge, given: object) -> Answer:
    Call.read(Slot.TEST, given)
    return peoplestage.test_login(bridge)


def _messages(bridge: Bridge, given: object) -> Answer:
    Call.read(Slot.MESSAGES, given)
    return peoplestage.messages(bridge)


def _lists(bridge: Bridge, given: object) -> Answer:
    Call.read(Slot.LISTS, given)
    return peoplestage.lists(bridge)


_SLOTS: Final[Mapping[Slot, Callable[[Bridge, object], Answer]]] = MappingProxyType(
    {
        Slot.TEST: _test,
        Slot.MESSAGES: _messages,
        Slot.LISTS: _lists,
        Slot.UPLOAD: lambda bridge, given: peoplestage.upload(bridge, UploadCall.read(Slot.UPLOAD, given)),
        Slot.BROADCAST: lambda bridge, given: peoplestage.broadcast(bridge, BroadcastCall.read(Slot.BROADCAST, given)),
        Slot.PREVIEW: lambda bridge, given: peoplestage.preview(bridge, MessageCall.read(Slot.PREVIEW, given)),
        Slot.SEND_TEST: lambda bridge, given: peoplestage.send_test(bridge, MessageCall.read(Slot.SEND_TEST, given)),
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
        bridge: gives the bridge; what is wrong with its settings is told to the caller as well.
        slot: the last part of the path.
        body: JSON.

    Returns:
        The HTTP status and the JSON text. 503: the same call may succeed later.
    """
    try:
        known = Slot(slot)
    except ValueError:
        return _told(HTTPStatus.NOT_FOUND, ChannelCallInvalid(slot=repr(slot[:20]), reason="there is no such slot"))
    try:
        # What is wrong with the call is told even where the bridge cannot start.
        given = _read(known, body)
        found = _SLOTS[known](bridge(), given)
    except BridgeError as error:
        usual = HTTPStatus.UNPROCESSABLE_ENTITY
        if isinstance(error, TransientError):
            usual = HTTPStatus.SERVICE_UNAVAILABLE
        status = _STATUS.get(type(error), usual)
        log.warning("Slot %s: %s", known, error, extra={"action": "channel-refused", "code": error.code})
        return _told(status, error)
    except Exception as error:  # noqa: BLE001 - whatever it is, its text may tell of data; the log has type and place
        log.error(
            "Slot %s: %s",
            known,
            traceback_location(error),
            extra={"action": "unexpected", "code": UnexpectedError.code},
        )
        return _told(HTTPStatus.INTERNAL_SERVER_ERROR, UnexpectedError(step=str(known), kind=type(error).__name__))
    return HTTPStatus.OK, json.dumps(found)


def _read(slot: Slot, body: bytes) -> object:
    if len(body) > _LONGEST:
        raise ChannelCallInvalid(slot=slot, reason=f"it is longer than {_LONGEST} bytes")
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise ChannelCallInvalid(slot=slot, reason="it is no JSON") from None


def _told(status: HTTPStatus, error: BridgeError) -> tuple[int, str]:
    return status, json.dumps({"code": error.code, "error": error.sentence})
