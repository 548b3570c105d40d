"""The REST API of Optimizely Campaign: the operations that the bridge uses.

Methods are named as the operations of the vendor's description (`optimizely-campaign-openapi.json`),
and so is the `operation` of an error. Answers keep only the fields that the bridge uses; a field that
the vendor adds does no harm. Times are aware and in UTC.
"""

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from http.cookiejar import DefaultCookiePolicy
from threading import BoundedSemaphore
from typing import Annotated, ClassVar, Final
from urllib.parse import parse_qs, urljoin, urlsplit

import requests
from pydantic import AfterValidator, AliasPath, AwareDatetime, BeforeValidator, ConfigDict, Field, TypeAdapter
from pydantic import ValidationError as ShapeError
from pydantic.alias_generators import to_camel
from requests.adapters import HTTPAdapter
from requests.auth import HTTPBasicAuth
from urllib3.exceptions import InvalidHeader
from urllib3.util import Retry

from shared.errors import (
    OptimizelyAnswerInvalid,
    OptimizelyLoginRefused,
    OptimizelyRefused,
    OptimizelyUnavailable,
)
from shared.telemetry import log

#: Connections kept open to the API; a further request waits for one (the vendor allows 40 per client).
_CONNECTIONS: Final = 8
#: Tries of a GET, and seconds before the second one; the pause doubles with each further try.
_TRIES: Final = 4
_FIRST_PAUSE: Final = 0.5
#: Longest pause in seconds before jitter, whatever `Retry-After` asks for: a step holds a lease meanwhile.
_LONGEST_PAUSE: Final = 30.0
#: Elements per page. The vendor refuses 10,000 and more; detailed campaigns are slow to make.
_PAGE: Final = 1000
_DETAILED_PAGE: Final = 100
_LARGEST_PAGE: Final = 9999
#: The vendor answers 429 to more than 10 counts at once per client (operation countRecipients).
_counting = BoundedSemaphore(10)


def _utc(value: datetime) -> datetime:
    return value.astimezone(UTC)


def _empty_text(value: object) -> object:
    return "" if value is None else value


def _empty_list(value: object) -> object:
    return [] if value is None else value


_Id = Annotated[int, Field(ge=0, lt=2**63)]
_Count = Annotated[int, Field(ge=0)]
_Time = Annotated[AwareDatetime, AfterValidator(_utc)]
# The description marks no field as required: what has no name can still be listed, it is never found.
_Text = Annotated[str, BeforeValidator(_empty_text)]


class _Answer:
    """How an answer is read: names in camelCase, other fields ignored."""

    __slots__ = ()
    __pydantic_config__: ClassVar = ConfigDict(alias_generator=to_camel, extra="ignore")


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthenticatedUser(_Answer):
    """The API user. Its name and address are left out: they are an address."""

    id: _Id


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipientList(_Answer):
    """A recipient list."""

    id: _Id
    name: _Text = ""
    #: Number of recipients.
    recipients: _Count
    modified: _Time | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipientListField(_Answer):
    """A field of a recipient list."""

    internal_name: str
    display_name: _Text = ""
    #: LONG, INTEGER, SHORT, STRING, TEXT, FLOAT, DECIMAL, DATE, TIMESTAMP or BOOLEAN.
    type: _Text = ""
    required: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Message(_Answer):
    """A message (mailing) of a Smart Campaign."""

    mailing_id: _Id
    name: _Text = ""
    #: As `SmartCampaign.status`.
    status: _Text = ""
    started: _Time | None = None
    finished: _Time | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SmartCampaign(_Answer):
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
class SmartCampaignReport(_Answer):
    """The totals of a Smart Campaign, in recipients."""

    recipients_total: Annotated[_Count, Field(validation_alias=AliasPath("recipients", "total"))]
    net: Annotated[_Count, Field(validation_alias=AliasPath("recipients", "net"))]
    skipped: Annotated[_Count, Field(validation_alias=AliasPath("recipients", "skipped"))]
    in_queue: Annotated[_Count, Field(validation_alias=AliasPath("recipients", "inQueue"))]
    #: None where the report has none.
    hard_bounces: Annotated[_Count | None, Field(validation_alias=AliasPath("bounces", "hard"))] = None
    soft_bounces: Annotated[_Count | None, Field(validation_alias=AliasPath("bounces", "soft"))] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobTrigger(_Answer):
    """When a scheduled job runs."""

    #: Its values are not documented.
    state: _Text = ""
    next_fire_time: _Time | None = None
    last_fired_time: _Time | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfiguredJob(_Answer):
    """A scheduled job, as Administration > Scheduled Jobs lists it."""

    name: _Text = ""
    triggers: Annotated[tuple[JobTrigger, ...], BeforeValidator(_empty_list)] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningJob(_Answer):
    """A scheduled job that runs now."""

    name: _Text = ""
    started: _Time | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Link(_Answer):
    rel: _Text = ""
    href: _Text = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Page[Element](_Answer):
    elements: tuple[Element, ...]
    links: Annotated[tuple[_Link, ...], BeforeValidator(_empty_list)] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _RecipientCount(_Answer):
    count: _Count


_USER = TypeAdapter(AuthenticatedUser)
_LIST = TypeAdapter(RecipientList)
_LISTS = TypeAdapter(_Page[RecipientList])
_FIELDS = TypeAdapter(_Page[RecipientListField])
_COUNT = TypeAdapter(_RecipientCount)
_CAMPAIGN = TypeAdapter(SmartCampaign)
_CAMPAIGNS = TypeAdapter(_Page[SmartCampaign])
_REPORT = TypeAdapter(SmartCampaignReport)
_MESSAGES = TypeAdapter(tuple[Message, ...])
_CONFIGURED = TypeAdapter(_Page[ConfiguredJob])
_RUNNING = TypeAdapter(_Page[RunningJob])


class OptimizelyRest:
    """The REST API, for one client ID. Safe to use from several threads.

    A GET that fails for a passing reason is tried again a few times, with growing pauses. A POST never
    is: whether it took effect is for the ledger to find out.

    Every method raises the same errors, and none of them carries a body, a header or an address:

    * OptimizelyUnavailable: no answer, a broken one, 429 or 5xx. A POST may have taken effect.
    * OptimizelyLoginRefused: 401 or 403. For scheduled jobs, 403 says that the IP address is not allowed.
    * OptimizelyRefused: another 4xx, in its `facts["status"]`. 409 means a wrong state or the object of
      another client.
    * OptimizelyAnswerInvalid: an answer in another shape than the vendor describes.

    Args:
        base_url: address of the API without the client ID, e.g. `https://api.campaign.episerver.net/rest`.
        client_id: client ID, from Administration > API Overview > REST API.
        user: API user.
        password: its password.
        connect_timeout: seconds for a connection to stand.
        read_timeout: seconds without a byte of the answer.
        sleep: waits for a number of seconds between the tries of a GET.
    """

    def __init__(
        self,
        *,
        base_url: str,
        client_id: int,
        user: str,
        password: str,
        connect_timeout: float = 10,
        read_timeout: float = 60,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._url = f"{base_url.rstrip('/')}/{client_id}/"
        self._timeouts = (connect_timeout, read_timeout)
        self._sleep = sleep
        self._session = requests.Session()
        adapter = HTTPAdapter(pool_connections=1, pool_maxsize=_CONNECTIONS, pool_block=True, max_retries=0)
        self._session.mount("https://", adapter)
        self._session.mount("http://", adapter)
        # As bytes: requests would encode text as Latin-1, and its error for other letters carries the text.
        self._session.auth = HTTPBasicAuth(user.encode(), password.encode())
        self._session.headers["Accept"] = "application/json"
        # Nothing is remembered between requests: that is what makes the session safe in threads.
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    # The user

    def get_authenticated_user(self) -> AuthenticatedUser:
        """The API user itself: succeeds when user, password and client ID are right."""
        return self._get("getAuthenticatedUser", "users/authenticated", _USER)

    # Recipient lists

    def select_recipient_lists(self) -> Iterator[RecipientList]:
        """Every recipient list, test lists included; asks page by page."""
        return self._select("selectRecipientLists", "recipientlists", _LISTS, {"limit": _PAGE})

    def get_recipient_list(self, recipient_list_id: int) -> RecipientList:
        """One recipient list. Status 409: it belongs to another client."""
        return self._get("getRecipientList", f"recipientlists/{recipient_list_id}", _LIST)

    def get_recipient_list_fields(self, recipient_list_id: int) -> tuple[RecipientListField, ...]:
        """The fields of a recipient list. Status 409: it does not exist, or belongs to another client."""
        path = f"recipientlists/{recipient_list_id}/fields"
        return tuple(self._select("getRecipientListFields", path, _FIELDS))

    def count_recipients(self, recipient_list_id: int) -> int:
        """Number of recipients on a list, counted now."""
        path = f"recipients/{recipient_list_id}/count"
        return self._get("countRecipients", path, _COUNT, slots=_counting).count

    # Smart Campaigns

    def select_smart_campaigns(self, status: str | None = None, *, detailed: bool = False) -> Iterator[SmartCampaign]:
        """Every Smart Campaign; asks page by page.

        Args:
            status: only those in this status (a value of `SmartCampaign.status`).
            detailed: with their messages and recipient lists; slow where there are many.
        """
        params: dict[str, str | int] = {"limit": _PAGE}
        if detailed:
            params = {"limit": _DETAILED_PAGE, "resultView": "DETAILED"}
        if status is not None:
            params["status"] = status
        return self._select("selectSmartCampaigns", "smartcampaigns", _CAMPAIGNS, params)

    def get_smart_campaign(self, campaign_id: int) -> SmartCampaign:
        """One Smart Campaign."""
        return self._get("getSmartCampaign", f"smartcampaigns/{campaign_id}", _CAMPAIGN)

    def copy_smart_campaign(
        self, source_campaign_id: int, name: str, recipient_list_ids: Sequence[int]
    ) -> SmartCampaign:
        """Copy a Smart Campaign under another name, pointed at these recipient lists. Not repeated.

        When it raises OptimizelyUnavailable or OptimizelyAnswerInvalid the copy may exist: look for its name.
        """
        operation = "createOrCopySmartCampaign"
        form: dict[str, str | int] = {
            "name": name,
            "sourceCampaignId": source_campaign_id,
            "recipientListIds": ",".join(map(str, recipient_list_ids)),
        }
        return _shaped(operation, _CAMPAIGN, self._request("POST", operation, "smartcampaigns", form=form))

    def start_smart_campaign(self, campaign_id: int) -> None:
        """Start a Smart Campaign. Not repeated.

        Status 409: it is in none of the statuses from which it can be started. The answer's body is not
        read: a started campaign must not look like a failure because its description is odd.
        """
        self._request("POST", "startSmartCampaign", f"smartcampaigns/{campaign_id}/start")

    def get_report(self, campaign_id: int) -> SmartCampaignReport:
        """The totals of a Smart Campaign (operation getReport_1)."""
        return self._get("getReport_1", f"smartcampaigns/{campaign_id}/report", _REPORT)

    def get_messages(self, campaign_id: int) -> tuple[Message, ...]:
        """The messages of a Smart Campaign."""
        return self._get("getMessages", f"smartcampaigns/{campaign_id}/messages", _MESSAGES)

    # Scheduled jobs

    def select_all_configured_jobs(self) -> Iterator[ConfiguredJob]:
        """Every scheduled job."""
        # This operation knows a limit, but no offset: one page has to hold them all.
        return self._select("selectAllConfiguredJobs", "customerjobs/configured", _CONFIGURED, {"limit": _LARGEST_PAGE})

    def select_all_running_jobs(self) -> Iterator[RunningJob]:
        """The scheduled jobs that run now."""
        return self._select("selectAllRunningJobs", "customerjobs/running", _RUNNING)

    # How it is asked

    def _select[Element](
        self,
        operation: str,
        path: str,
        shape: TypeAdapter[_Page[Element]],
        params: Mapping[str, str | int] | None = None,
    ) -> Iterator[Element]:
        query, offset = dict(params or {}), 0
        while True:
            page = self._get(operation, path, shape, query)
            yield from page.elements
            following = self._next_offset(operation, page.links, offset)
            if following is None:
                return
            query["offset"] = offset = following

    def _next_offset(self, operation: str, links: Sequence[_Link], offset: int) -> int | None:
        """Where the next page begins, by the `next` link; None after the last page."""
        href = next((link.href for link in links if link.rel == "next"), None)
        if href is None:
            return None
        # Only the offset is taken from the link: credentials never go to an address that a body names.
        try:
            target = urlsplit(urljoin(self._url, href))
            following = int(parse_qs(target.query)["offset"][0])
        except (ValueError, KeyError):
            raise OptimizelyAnswerInvalid(operation=operation, reason="a next link without an offset") from None
        if target.hostname != urlsplit(self._url).hostname:
            raise OptimizelyAnswerInvalid(operation=operation, reason="a next link to another host")
        if following <= offset:
            raise OptimizelyAnswerInvalid(operation=operation, reason="a next link that does not lead on")
        return following

    def _get[Shape](
        self,
        operation: str,
        path: str,
        shape: TypeAdapter[Shape],
        params: Mapping[str, str | int] | None = None,
        slots: AbstractContextManager[object] | None = None,
    ) -> Shape:
        """The answer to a GET, asked again when it fails for a passing reason.

        Args:
            operation: its name in the vendor's description.
            path: path below the client ID.
            shape: what the body has to be.
            params: query parameters.
            slots: limits how many such requests run at once; a pause holds no slot.
        """
        tries_left = _TRIES
        while True:
            tries_left -= 1
            try:
                with slots or nullcontext():
                    body = self._request("GET", operation, path, params=params)
                return _shaped(operation, shape, body)
            except OptimizelyUnavailable as error:
                if not tries_left:
                    raise
                pause = _pause(_TRIES - tries_left, error.facts.get("retry_after"))
                log.info(
                    "Optimizely Campaign did not answer %s (%s): it is asked again in %.1f s.",
                    operation,
                    error.facts["reason"],
                    pause,
                    extra={"action": "rest_retry", "operation": operation},
                )
                self._sleep(pause)

    def _request(
        self,
        method: str,
        operation: str,
        path: str,
        *,
        params: Mapping[str, str | int] | None = None,
        form: Mapping[str, str | int] | None = None,
    ) -> bytes:
        """One exchange, without any retry. The body of an answer with status 2xx.

        This is the border: from here on there are only errors of the catalogue. They are raised `from
        None`, because the text of the library's error can name what a server sent.
        """
        try:
            response = self._session.request(
                method,
                self._url + path,
                params=dict(params or {}),
                data=dict(form) if form else None,
                timeout=self._timeouts,
                allow_redirects=False,
            )
        except requests.RequestException as error:
            raise OptimizelyUnavailable(operation=operation, reason=type(error).__name__) from None
        status = response.status_code
        if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
            return response.content
        if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            raise OptimizelyLoginRefused(operation=operation, status=status)
        if status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise OptimizelyUnavailable(
                operation=operation, reason=f"status {status}", retry_after=_retry_after(response)
            )
        if status >= HTTPStatus.BAD_REQUEST:
            raise OptimizelyRefused(operation=operation, status=status)
        raise OptimizelyAnswerInvalid(operation=operation, reason=f"status {status}")


def _shaped[Shape](operation: str, shape: TypeAdapter[Shape], body: bytes) -> Shape:
    try:
        return shape.validate_json(body)
    except ShapeError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "the whole"
        raise OptimizelyAnswerInvalid(operation=operation, reason=f"{where}: {first['type']}") from None


def _retry_after(response: requests.Response) -> float | None:
    """Seconds that the server asks to wait, given as a number or as a date."""
    try:
        return float(Retry().parse_retry_after(response.headers["Retry-After"]))
    except (KeyError, InvalidHeader):
        return None


def _pause(failed: int, retry_after: object) -> float:
    """Seconds before the next try, after so many failed ones. Jitter keeps instances apart."""
    pause = _FIRST_PAUSE * 2.0 ** (failed - 1)
    if isinstance(retry_after, float):
        pause = max(pause, retry_after)
    return min(pause, _LONGEST_PAUSE) * random.uniform(1, 1.5)  # noqa: S311 - no secret hangs on it
