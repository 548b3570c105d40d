"""A response, its types and the keys by which its event is recognised. Pure: no I/O."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum, IntEnum, StrEnum
from functools import lru_cache
from hashlib import blake2b, sha256
from typing import Final


class MessageType(StrEnum):
    """Types of response that FastStats and PeopleStage know (`Response.MessageType`).

    Other types are kept as they come: nothing is dropped.
    """

    SEND = "Send"
    OPEN = "Open"
    CLICK = "Click"
    BOUNCE = "Bounce"
    UNSUBSCRIPTION = "Unsubscription"
    COMPLAINT = "Complaint"


class Stated(IntEnum):
    """The values that a file states of an event, beside its type and its time."""

    EMAIL = 1
    URN = 2
    COMMUNICATION_KEY = 4
    DELIVERY_DATE = 8
    CLICK_DATE = 16
    CLICK_URL = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """One event of one recipient, as a row of a response file states it. All times are UTC."""

    message_type: str
    #: The file's own word for the type; empty where the response was not read from a file.
    type_in_file: str = field(default="", compare=False)
    event_time: datetime
    email: str = ""
    urn: str = ""
    communication_key: str = ""
    #: The key that the list carried, by which the response finds its broadcast.
    broadcast_key: str = ""
    mailing_id: str = ""
    delivery_date: datetime | None = None
    click_url: str = ""
    #: False where the file has no column for the URL: the event may have one.
    has_click_url_column: bool = field(default=True, compare=False)
    click_date: datetime | None = None
    #: Columns that `Response` has no place for; they go to `ResponseDetails`.
    details: Mapping[str, str] = field(default_factory=dict)

    @property
    def broadcast_reference(self) -> str:
        """What ties the event to its broadcast: the broadcast's key, else the mailing."""
        return self.broadcast_key or self.mailing_id

    @property
    def recipient_key(self) -> str:
        """What ties the event to its recipient: Communication Key, else URN, else address."""
        return self.communication_key.casefold() or self.urn or self.email.casefold()


def event_key(response: Response) -> bytes:
    """Key of an event as its file states it: 16 bytes over type, broadcast or mailing, recipient, time and URL.

    Every version of the bridge records an event under this key, so a file that is loaded again is known at once. Files
    with other columns state the same event by another key: those are recognised by `recipient_event`. Two events with
    the same key are distinguished by an ordinal.
    """
    parts = (
        response.message_type,
        response.broadcast_reference,
        response.recipient_key,
        _utc_text(response.event_time),
        response.click_url,
    )
    return sha256("\x1f".join(parts).encode()).digest()[:16]


class RecipientKind(bytes, Enum):
    """What identifies a recipient, as it enters the key of an event."""

    COMMUNICATION_KEY = b"c"
    URN = b"u"
    EMAIL = b"e"


#: Bytes of a key that are its time, so that events of one day are neighbours in an index.
_TIME: Final = 4
_LATEST: Final = 2 ** (8 * _TIME) - 1


@lru_cache(maxsize=16_384)  # the events of a file are within few minutes
def _utc_text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat()


@lru_cache(maxsize=16_384)
def event_core(word: str, event_time: datetime) -> bytes:
    """What an event is without recipient, broadcast and URL: 16 bytes over the file's word for its type and its time.

    The case of the word does not matter. The first four bytes are the seconds since 1970.
    """
    seconds = min(max(int(event_time.timestamp()), 0), _LATEST)
    text = f"{word.casefold()}\x1f{_utc_text(event_time)}"
    return seconds.to_bytes(_TIME) + sha256(text.encode()).digest()[: 16 - _TIME]


def recipient_event(core: bytes, kind: bytes, key: bytes) -> bytes:
    """Key of an event of one recipient: 16 bytes over `event_core`, the kind of identifier and its hash."""
    return core[:_TIME] + sha256(core + kind + key).digest()[: 16 - _TIME]


def url_hash(response: Response) -> bytes | None:
    """Eight bytes over the URL of a response, zeros where it has none; None where its file has no column for it."""
    if not response.has_click_url_column:
        return None
    return blake2b(response.click_url.encode(), digest_size=8).digest() if response.click_url else bytes(8)


def stated(response: Response) -> int:
    """The sum of `Stated` of a response."""
    return (
        (Stated.EMAIL.value if response.email else 0)
        + (Stated.URN.value if response.urn else 0)
        + (Stated.COMMUNICATION_KEY.value if response.communication_key else 0)
        + (Stated.DELIVERY_DATE.value if response.delivery_date else 0)
        + (Stated.CLICK_DATE.value if response.click_date else 0)
        + (Stated.CLICK_URL.value if response.click_url else 0)
    )
