"""Answers of the REST API of Optimizely Campaign: the fields that the bridge uses, typed.

Shapes are those of the vendor's description; a field that the vendor adds does no harm. The description
marks no field as required: what an object is useless without is required here. Times are aware and in UTC.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, ClassVar

from pydantic import AfterValidator, AliasPath, AwareDatetime, BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel


def _utc(value: datetime) -> datetime:
    return value.astimezone(UTC)


def _empty_text(value: object) -> object:
    return "" if value is None else value


def _first_text(value: object) -> str:
    if isinstance(value, Mapping):
        value = next(iter(value.values()), "")
    return value if isinstance(value, str) else ""


def _empty_list(value: object) -> object:
    return [] if value is None else value


def _false(value: object) -> object:
    return False if value is None else value


def _length(value: object) -> object:
    if value is None:
        return 0
    if isinstance(value, list):
        return len(value)
    msg = "not a list"
    raise ValueError(msg)


def _numbers(value: object) -> object:
    if value is None:
        return {}
    if isinstance(value, dict):
        # Its keys are recipients. Nothing of them may stay, and no odd value either.
        return Counter(status if status in _RECIPIENT_STATUSES else "other" for status in value.values())
    msg = "not a map"
    raise ValueError(msg)


_RECIPIENT_STATUSES = ("enqueued", "sending", "sent", "failed")

_Id = Annotated[int, Field(ge=0, lt=2**63)]
_Count = Annotated[int, Field(ge=0)]
_Time = Annotated[AwareDatetime, AfterValidator(_utc)]
# The description marks no field as required: what has no name can still be listed, it is never found.
_Text = Annotated[str, BeforeValidator(_empty_text)]


class Answer:
    """How an answer is read: names in camelCase, other fields ignored."""

    __slots__ = ()
    __pydantic_config__: ClassVar = ConfigDict(alias_generator=to_camel, extra="ignore")


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthenticatedUser(Answer):
    """The API user. Its name and address are left out: they are an address."""

    id: _Id


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipientList(Answer):
    """A recipient list."""

    id: _Id
    name: _Text = ""
    #: Number of recipients.
    recipients: _Count
    modified: _Time | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipientListAttributeNames(Answer):
    """Internal names of the fields of a recipient list."""

    attribute_names: Annotated[tuple[str, ...], BeforeValidator(_empty_list)] = ()


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
    started: _Time | None = None
    finished: _Time | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WholeMessage(Message):
    """A message with what its readers see."""

    sender_address: _Text = ""
    sender_name: _Text = ""
    reply_to_address: _Text = ""
    #: Its form is not described; a text, or texts by something.
    subject: Annotated[str, BeforeValidator(_first_text)] = ""
    content: _Text = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class SmartCampaign(Answer):
    """A Smart Campaign."""

    id: _Id
    name: _Text = ""
    #: invalid, activationRequired, activated, canceled, paused, running or finished. Kept as text: a
    #: status that the vendor adds must not make a list of campaigns unreadable.
    status: str
    created: _Time | None = None
    started: _Time | None = None
    finished: _Time | None = None
    #: The recipient lists it sends to; empty in a summary.
    recipient_list_ids: Annotated[
        tuple[_Id, ...],
        BeforeValidator(_empty_list),
        Field(validation_alias=AliasPath("recipientLists", "recipientListIds")),
    ] = ()
    #: Its messages; empty in a summary.
    messages: Annotated[tuple[Message, ...], BeforeValidator(_empty_list)] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SmartCampaignReport(Answer):
    """The totals of a Smart Campaign, in recipients."""

    recipients_total: Annotated[_Count, Field(validation_alias=AliasPath("recipients", "total"))]
    net: Annotated[_Count, Field(validation_alias=AliasPath("recipients", "net"))]
    skipped: Annotated[_Count, Field(validation_alias=AliasPath("recipients", "skipped"))]
    in_queue: Annotated[_Count, Field(validation_alias=AliasPath("recipients", "inQueue"))]
    #: None where the report has none.
    hard_bounces: Annotated[_Count | None, Field(validation_alias=AliasPath("bounces", "hard"))] = None
    soft_bounces: Annotated[_Count | None, Field(validation_alias=AliasPath("bounces", "soft"))] = None
    unsubscribes: _Count | None = None
    opens_total: Annotated[_Count | None, Field(validation_alias=AliasPath("opens", "total"))] = None
    opens_unique: Annotated[_Count | None, Field(validation_alias=AliasPath("opens", "unique"))] = None
    clicks_total: Annotated[_Count | None, Field(validation_alias=AliasPath("clicks", "total"))] = None
    clicks_unique: Annotated[_Count | None, Field(validation_alias=AliasPath("clicks", "unique"))] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobTrigger(Answer):
    """When a scheduled job runs."""

    #: Its values are not documented.
    state: _Text = ""
    next_fire_time: _Time | None = None
    last_fired_time: _Time | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfiguredJob(Answer):
    """A scheduled job, as Administration > Scheduled Jobs lists it."""

    name: _Text = ""
    triggers: Annotated[tuple[JobTrigger, ...], BeforeValidator(_empty_list)] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningJob(Answer):
    """A scheduled job that runs now."""

    name: _Text = ""
    started: _Time | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipientValidity(Answer):
    """Whether a recipient would be sent a message."""

    valid: bool
    #: blacklisted, bounced, unsubscribed or not_found; empty for a valid one.
    reason: Annotated[_Text, Field(validation_alias="validationFailedReason")] = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient(Answer):
    """A recipient of a list."""

    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipientListsNode(Answer):
    """The node of a Smart Campaign that holds its recipient lists: where its graph begins."""

    node_id: _Text = ""
    successor_node_id: _Text = ""
    recipient_list_ids: Annotated[tuple[_Id, ...], BeforeValidator(_empty_list)] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitNode(Answer):
    """A Wait node of a Smart Campaign."""

    node_id: _Text = ""
    successor_node_id: _Text = ""
    scheduled_at: _Time | None = None
    scheduled_after_recipient_import: Annotated[bool, BeforeValidator(_false)] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TestMailingStarted(Answer):
    """A test mailing that was ordered. Of its recipients only the numbers are kept: the answer has addresses."""

    __test__: ClassVar = False  # no test, for pytest

    mailing_id: _Id
    valid: Annotated[_Count, BeforeValidator(_length), Field(validation_alias="validRecipientAddresses")] = 0
    without_address: Annotated[
        _Count, BeforeValidator(_length), Field(validation_alias="userIdsOfRecipientsWithoutValidAddresses")
    ] = 0
    blocklisted: Annotated[
        _Count, BeforeValidator(_length), Field(validation_alias="blacklistedRecipientAddresses")
    ] = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TestMailingReport(Answer):
    """How far a test mailing is."""

    __test__: ClassVar = False  # no test, for pytest

    mailing_id: _Id
    #: As `SmartCampaign.status`.
    status: _Text = ""
    #: Number of recipients by enqueued, sending, sent, failed, and other for what the vendor does not describe.
    recipients_by_status: Annotated[
        dict[str, int], BeforeValidator(_numbers), Field(validation_alias="recipientStatus")
    ] = field(default_factory=dict)
    started: _Time | None = None
    finished: _Time | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SendingBatch(Answer):
    """A sending batch."""

    id: _Id
    #: The Smart Campaign that it sends, and the list of the pool that it fills.
    campaign_id: _Id
    recipient_list_id: _Id
    tag: _Text = ""
    #: Names of the chunks that it holds.
    chunks: Annotated[tuple[str, ...], BeforeValidator(_empty_list)] = ()
    #: initiated, has_recipients, sent or invalid.
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsubscribe(Answer):
    """An unsubscribed recipient."""

    recipient_id: str
    #: The list from which it was; None for all of them.
    recipient_list_id: _Id | None = None
    mailing_id: _Id | None = None
    reason: _Text = ""
    created: _Time | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseItem(Answer):
    """A bounce, an autoresponder or another reply."""

    recipient_id: str
    mailing_id: _Id | None = None
    category: _Text = ""
    created: _Time | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseItems:
    """The replies of one category to a mailing. This operation has no pages."""

    items: tuple[ResponseItem, ...]
    #: Whether these are all: false when as many came as one answer can hold.
    complete: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class BlacklistEntry(Answer):
    """An entry of the blocklist: an address, or a pattern with `*` and `?`."""

    pattern: str
    reason: _Text = ""
    created: _Time | None = None
    modified: _Time | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Blacklisted(Answer):
    """Whether an address is on the blocklist."""

    blacklisted: bool


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
    links: Annotated[tuple[Link, ...], BeforeValidator(_empty_list)] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Count(Answer):
    """A number."""

    count: _Count


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk(Answer):
    """A chunk of a sending batch that was taken."""

    #: Recipients that are valid as far as can be told.
    count: _Count
