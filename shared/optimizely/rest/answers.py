"""Answers of the REST API of Optimizely Campaign: the fields that the bridge uses, typed.

Shapes are those of the vendor's description; fields that the vendor adds are ignored. The description marks
no field as required; required here is what an object is useless without. Times are aware and in UTC; one that is out of
range is left out, like one that is missing: no object is useless without its time.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, ClassVar

from pydantic import AfterValidator, AliasPath, AwareDatetime, BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel

from shared.clock import utc_from_outside


def _utc(value: datetime | None) -> datetime | None:
    try:
        return None if value is None else utc_from_outside(value)
    except ValueError:
        return None


def _null_is(default: object) -> BeforeValidator:
    return BeforeValidator(lambda value: default if value is None else value)


def _first_text(value: object) -> str:
    if isinstance(value, Mapping):
        value = next(iter(value.values()), "")
    return value if isinstance(value, str) else ""


def _length(value: object) -> object:
    if value is None:
        return 0
    if isinstance(value, list):
        return len(value)
    raise ValueError("not a list")


def _only_texts(value: object) -> object:
    return [text for text in value if isinstance(text, str)] if isinstance(value, list) else value


def _count_statuses(value: object) -> object:
    if value is None:
        return {}
    if isinstance(value, dict):
        # The keys are recipients: none of them may remain, nor any unexpected value.
        return Counter(status if status in _RECIPIENT_STATUSES else "other" for status in value.values())
    raise ValueError("not a map")


_RECIPIENT_STATUSES = ("enqueued", "sending", "sent", "failed")

_Id = Annotated[int, Field(ge=0, lt=2**63)]
_Count = Annotated[int, Field(ge=0)]
_Length = Annotated[_Count, BeforeValidator(_length)]
_Time = Annotated[AwareDatetime | None, AfterValidator(_utc)]
# An object without a name can still be listed; a search by name never finds it.
_Text = Annotated[str, _null_is("")]


class Answer:
    """How an answer is read: names in camelCase, other fields ignored."""

    __slots__ = ()
    __pydantic_config__: ClassVar = ConfigDict(alias_generator=to_camel, extra="ignore")


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthenticatedUser(Answer):
    """The API user. Its name and address are left out: both are personal data."""

    id: _Id


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipientList(Answer):
    """A recipient list."""

    id: _Id
    name: _Text = ""
    #: Number of recipients.
    recipients: _Count
    modified: _Time = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipientListField(Answer):
    """A field of a recipient list."""

    internal_name: str
    display_name: _Text = ""
    #: LONG, INTEGER, SHORT, STRING, TEXT, FLOAT, DECIMAL, DATE, TIMESTAMP or BOOLEAN.
    type: _Text = ""
    required: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Message(Answer):
    """A message (mailing) of a Smart Campaign."""

    mailing_id: _Id
    node_id: _Text = ""
    name: _Text = ""
    #: As `SmartCampaign.status`.
    status: _Text = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageContent(Message):
    """A message with its sender, subject and content."""

    sender_address: _Text = ""
    sender_name: _Text = ""
    reply_to_address: _Text = ""
    #: Its form is not documented: a text, or an object of texts.
    subject: Annotated[str, BeforeValidator(_first_text)] = ""
    content: _Text = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class SmartCampaign(Answer):
    """A Smart Campaign."""

    id: _Id
    name: _Text = ""
    #: invalid, activationRequired, activated, canceled, paused, running or finished. Kept as text, so
    #: that a status which the vendor adds does not make a list of campaigns unreadable.
    status: str
    created: _Time = None
    #: When it was started; None before.
    started: _Time = None
    #: The recipient lists it sends to; empty in a summary.
    recipient_list_ids: Annotated[
        tuple[_Id, ...],
        _null_is([]),
        Field(validation_alias=AliasPath("recipientLists", "recipientListIds")),
    ] = ()
    #: Its messages; empty in a summary.
    messages: Annotated[tuple[Message, ...], _null_is([])] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SmartCampaignReport(Answer):
    """The totals of a Smart Campaign, in recipients."""

    recipients_total: Annotated[_Count, Field(validation_alias=AliasPath("recipients", "total"))]
    skipped: Annotated[_Count, Field(validation_alias=AliasPath("recipients", "skipped"))]
    in_queue: Annotated[_Count, Field(validation_alias=AliasPath("recipients", "inQueue"))]
    #: None where the report has none.
    hard_bounces: Annotated[_Count | None, Field(validation_alias=AliasPath("bounces", "hard"))] = None
    soft_bounces: Annotated[_Count | None, Field(validation_alias=AliasPath("bounces", "soft"))] = None
    unsubscribes: _Count | None = None
    opens_total: Annotated[_Count | None, Field(validation_alias=AliasPath("opens", "total"))] = None
    clicks_total: Annotated[_Count | None, Field(validation_alias=AliasPath("clicks", "total"))] = None

    @property
    def sent(self) -> int:
        """Recipients that were sent the message."""
        return max(0, self.recipients_total - self.skipped - self.in_queue)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobTrigger(Answer):
    """When a scheduled job runs."""

    last_fired_time: _Time = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfiguredJob(Answer):
    """A scheduled job, as Administration > Scheduled Jobs lists it."""

    name: _Text = ""
    triggers: Annotated[tuple[JobTrigger, ...], _null_is([])] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningJob(Answer):
    """A scheduled job that is running now."""

    name: _Text = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipientId(Answer):
    """A recipient of a list, by its id."""

    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipientListsNode(Answer):
    """The node of a Smart Campaign that holds its recipient lists: the start of its graph."""

    node_id: str
    successor_node_id: _Text = ""
    recipient_list_ids: Annotated[tuple[_Id, ...], _null_is([])] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitNode(Answer):
    """A Wait node of a Smart Campaign."""

    node_id: str
    successor_node_id: _Text = ""
    scheduled_at: _Time = None
    scheduled_after_recipient_import: Annotated[bool, _null_is(default=False)] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TestMailingStarted(Answer):
    """A test mailing that was started. Only the numbers of recipients are kept: the answer has their addresses."""

    __test__: ClassVar = False  # no test, for pytest

    mailing_id: _Id
    valid: Annotated[_Length, Field(validation_alias="validRecipientAddresses")] = 0
    without_address: Annotated[_Length, Field(validation_alias="userIdsOfRecipientsWithoutValidAddresses")] = 0
    blocklisted: Annotated[_Length, Field(validation_alias="blacklistedRecipientAddresses")] = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TestMailingReport(Answer):
    """The progress of a test mailing."""

    __test__: ClassVar = False  # no test, for pytest

    mailing_id: _Id
    #: As `SmartCampaign.status`.
    status: _Text = ""
    #: Number of recipients by enqueued, sending, sent, failed, and other for what the vendor does not describe.
    recipients_by_status: Annotated[
        dict[str, int], BeforeValidator(_count_statuses), Field(validation_alias="recipientStatus")
    ] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SendingBatch(Answer):
    """A sending batch."""

    id: _Id
    #: The Smart Campaign that it sends, and the list of the pool that it fills.
    campaign_id: _Id
    recipient_list_id: _Id
    tag: _Text = ""
    #: Names of its chunks.
    chunks: Annotated[tuple[str, ...], _null_is([])] = ()
    #: initiated, has_recipients, sent or invalid.
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsubscribe(Answer):
    """An unsubscribed recipient."""

    recipient_id: str
    #: The list that it was unsubscribed from; None: all of them.
    recipient_list_id: _Id | None = None
    created: _Time = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseItem(Answer):
    """A bounce, an autoresponder or another reply."""

    recipient_id: str
    created: _Time = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseItems:
    """The replies of one category to a mailing. This operation has no pages."""

    items: tuple[ResponseItem, ...]
    #: Whether these are all: false when there are as many as one answer can hold.
    complete: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class BlacklistEntry(Answer):
    """An entry of the blocklist: an address, or a pattern with `*` and `?`."""

    pattern: str
    created: _Time = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ThresholdExceeded(Answer):
    """Whether a recipient has bounced too often."""

    exceeded: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Link(Answer):
    """A link of a collection."""

    rel: _Text = ""
    href: _Text = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page[Element](Answer):
    """A page of a collection."""

    elements: tuple[Element, ...]
    links: Annotated[tuple[Link, ...], _null_is([])] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DistinctValues(Answer):
    """The values that a field has on a list; those that are no texts are left out."""

    values: Annotated[tuple[str, ...], BeforeValidator(_only_texts), Field(validation_alias="attributeValues")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Count(Answer):
    """A number: of a count, or of the valid recipients of a chunk, as far as Optimizely knows at this time."""

    count: _Count
