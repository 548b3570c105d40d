"""A response, its types and the key that distinguishes one event from another. Pure: no I/O."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from hashlib import sha256


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """One event of one recipient, as a row of a response file states it. All times are UTC."""

    message_type: str
    event_time: datetime
    email: str = ""
    urn: str = ""
    communication_key: str = ""
    #: The key that the list carried, by which the response finds its broadcast.
    broadcast_key: str = ""
    mailing_id: str = ""
    delivery_date: datetime | None = None
    click_url: str = ""
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
    """Key of an event: 16 bytes over type, broadcast or mailing, recipient, time and URL (rule 6).

    Two events with the same key are distinguished by their ordinal among their equals within a file.
    """
    parts = (
        response.message_type,
        response.broadcast_reference,
        response.recipient_key,
        response.event_time.astimezone(UTC).isoformat(),
        response.click_url,
    )
    return sha256("\x1f".join(parts).encode()).digest()[:16]
