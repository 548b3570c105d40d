"""The slots of PeopleStage's channel over HTTP: JSON in and out.

An error is answered with its code and sentence from the catalogue, which PeopleStage shows to the marketer. Nothing of
the request is repeated in the answer.
"""

import json
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, Final

from shared.bridge import Bridge
from shared.errors import (
    BridgeError,
    BroadcastUnknown,
    ChannelCallInvalid,
    DeliveryDiffers,
    DeliveryEnded,
    TestSendDiffers,
    TransientError,
    UnexpectedError,
)
from shared.faststats.peoplestage_slots import BroadcastCall, Call, MessageCall, Slot, TestSendCall, UploadCall
from shared.operations import peoplestage
from shared.telemetry import log, traceback_location

#: Bytes. A delivery file is not part of a call.
_MAX_BYTES: Final = 256 * 1024

type Answer = Mapping[str, object] | list[dict[str, str]]


#: The input of each slot, and the operation that answers it.
_SLOTS: Final[Mapping[Slot, tuple[type[Call], Callable[[Bridge, Any], Answer]]]] = {
    Slot.TEST: (Call, lambda bridge, _call: peoplestage.test_login(bridge)),
    Slot.MESSAGES: (Call, lambda bridge, _call: peoplestage.messages(bridge)),
    Slot.LISTS: (Call, lambda bridge, _call: peoplestage.lists(bridge)),
    Slot.UPLOAD: (UploadCall, peoplestage.upload),
    Slot.BROADCAST: (BroadcastCall, peoplestage.broadcast),
    Slot.PREVIEW: (MessageCall, peoplestage.preview),
    Slot.SEND_TEST: (TestSendCall, peoplestage.send_test),
}
_STATUS: Final[Mapping[type[BridgeError], HTTPStatus]] = {
    ChannelCallInvalid: HTTPStatus.BAD_REQUEST,
    BroadcastUnknown: HTTPStatus.NOT_FOUND,
    DeliveryDiffers: HTTPStatus.CONFLICT,
    DeliveryEnded: HTTPStatus.CONFLICT,
    TestSendDiffers: HTTPStatus.CONFLICT,
}


def answer(bridge: Callable[[], Bridge], slot: str, body: bytes) -> tuple[int, str]:
    """Answer a call of the slot that the last part of the path names: the HTTP status and the JSON text.

    Errors of `bridge`, such as those of its settings, are answered as well. 503: the same call may succeed later.
    """
    try:
        known = Slot(slot)
    except ValueError:
        unknown = ChannelCallInvalid(slot=repr(slot[:20]), reason="there is no such slot")
        return _answer_of(HTTPStatus.NOT_FOUND, unknown)
    try:
        # An invalid call is answered as such even where the bridge cannot start.
        content = _read(known, body)
        call_type, operation = _SLOTS[known]
        ready = bridge()
        result: Answer = operation(ready, call_type.read(known, content))
        if isinstance(result, Mapping) and ready.test_installation:
            result = {**result, "TestInstallation": ready.test_installation}
    except BridgeError as error:
        retryable = isinstance(error, TransientError)
        default = HTTPStatus.SERVICE_UNAVAILABLE if retryable else HTTPStatus.UNPROCESSABLE_ENTITY
        status = _STATUS.get(type(error), default)
        log.warning("Slot %s: %s", known, error, extra={"action": "channel-refused", **error.log_context()})
        return _answer_of(status, error)
    except Exception as error:  # noqa: BLE001 - its text may carry data; the log has type and traceback
        unexpected = UnexpectedError(step=str(known), kind=type(error).__name__)
        extra = {"action": "unexpected", **unexpected.log_context()}
        log.error("Slot %s: %s", known, traceback_location(error), extra=extra)
        return _answer_of(HTTPStatus.INTERNAL_SERVER_ERROR, unexpected)
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
