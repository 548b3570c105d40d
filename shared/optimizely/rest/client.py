"""The REST API of Optimizely Campaign: the operations that the bridge uses.

Methods are named after the operations of the vendor's description (`optimizely-campaign-openapi.json`),
and the `operation` of an error is its name there.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from threading import BoundedSemaphore
from typing import Final, Literal
from urllib.parse import quote

from pydantic import TypeAdapter

from shared.errors import OptimizelyConflict
from shared.optimizely.rest.answers import (
    AuthenticatedUser,
    Blacklisted,
    BlacklistEntry,
    Chunk,
    ConfiguredJob,
    Count,
    Message,
    Page,
    Recipient,
    RecipientList,
    RecipientListAttributeNames,
    RecipientListField,
    RecipientListsNode,
    RecipientValidity,
    ResponseItem,
    ResponseItems,
    RunningJob,
    SendingBatch,
    SmartCampaign,
    SmartCampaignReport,
    TestMailingReport,
    TestMailingStarted,
    ThresholdExceeded,
    Unsubscribe,
    WaitNode,
    WholeMessage,
)
from shared.optimizely.rest.transport import Body, Params, RestTransport, shaped

#: Elements per page. The vendor refuses 10,000 and more; detailed campaigns are slow to make.
_PAGE: Final = 1000
_DETAILED_PAGE: Final = 100
_LARGEST_PAGE: Final = 9999
#: The vendor answers 429 to more than 10 selects and counts of recipients at once per client.
_counting = BoundedSemaphore(10)

BounceCategory = Literal["hardbounce", "softbounce"]
ResponseCategory = Literal["hardbounce", "softbounce", "autoresponder", "unknown"]
MediaType = Literal["EMAIL", "FAX", "SMS", "LETTER", "PUSH", "PRINT"]

_USER = TypeAdapter(AuthenticatedUser)
_LIST = TypeAdapter(RecipientList)
_LISTS = TypeAdapter(Page[RecipientList])
_FIELDS = TypeAdapter(Page[RecipientListField])
_ATTRIBUTE_NAMES = TypeAdapter(RecipientListAttributeNames)
_COUNT = TypeAdapter(Count)
_RECIPIENTS = TypeAdapter(Page[Recipient])
_VALIDITY = TypeAdapter(RecipientValidity)
_CAMPAIGN = TypeAdapter(SmartCampaign)
_CAMPAIGNS = TypeAdapter(Page[SmartCampaign])
_REPORT = TypeAdapter(SmartCampaignReport)
_LISTS_NODE = TypeAdapter(RecipientListsNode)
_WAIT_NODE = TypeAdapter(WaitNode)
_WAIT_NODES = TypeAdapter(tuple[WaitNode, ...])
_MESSAGE = TypeAdapter(WholeMessage)
_MESSAGES = TypeAdapter(tuple[Message, ...])
_TEST_STARTED = TypeAdapter(TestMailingStarted)
_TEST_REPORT = TypeAdapter(TestMailingReport)
_CONFIGURED = TypeAdapter(Page[ConfiguredJob])
_RUNNING = TypeAdapter(Page[RunningJob])
_BATCH = TypeAdapter(SendingBatch)
_BATCHES = TypeAdapter(Page[SendingBatch])
_CHUNK = TypeAdapter(Chunk)
_UNSUBSCRIBES = TypeAdapter(Page[Unsubscribe])
_RESPONSES = TypeAdapter(Page[ResponseItem])
_EXCEEDED = TypeAdapter(ThresholdExceeded)
_ENTRIES = TypeAdapter(Page[BlacklistEntry])
_BLACKLISTED = TypeAdapter(Blacklisted)


class OptimizelyRest:
    """The REST API, for one client ID. Safe to use from several threads.

    A GET that fails for a passing reason is tried again a few times, with growing pauses. Nothing else ever
    is: whether it took effect is for the ledger to find out.

    Every method raises the same errors, and none of them carries a body, a header or an address:

    * OptimizelyUnavailable: no answer, a broken one, 408, 429 or 5xx. What is not a GET may have taken effect.
    * OptimizelyLoginRefused: 401 or 403. For scheduled jobs, 403 says that the IP address is not allowed.
    * OptimizelyConflict: 409, a wrong state or the object of another client. Methods that change the state of
      an object read it again first: when it is in the wanted state already, they end as if they had done it.
    * OptimizelyRefused: another 4xx, or 501 or 505; `facts["status"]` has it.
    * OptimizelyAnswerInvalid: an answer in another shape than the vendor describes.

    Args:
        base_url: address of the API without the client ID, e.g. `https://api.campaign.episerver.net/rest`.
        client_id: client ID, from Administration > API Overview > REST API.
        user: API user.
        password: its password.
        connections: connections to the API; a further request waits for one. The vendor allows a client 40.
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
        connections: int = 8,
        connect_timeout: float = 10,
        read_timeout: float = 60,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._transport = RestTransport(
            base_url=base_url,
            client_id=client_id,
            user=user,
            password=password,
            connections=connections,
            connect_timeout=connect_timeout,
            read_timeout=read_timeout,
            sleep=sleep,
        )

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    # The user

    def get_authenticated_user(self) -> AuthenticatedUser:
        """The API user itself: succeeds when user, password and client ID are right."""
        return self._transport.get("getAuthenticatedUser", "users/authenticated", _USER)

    # Recipient lists

    def select_recipient_lists(self) -> Iterator[RecipientList]:
        """Every recipient list, test lists included; asks page by page."""
        return self._transport.select("selectRecipientLists", "recipientlists", _LISTS, {"limit": _PAGE})

    def get_recipient_list(self, recipient_list_id: int) -> RecipientList:
        """One recipient list."""
        return self._transport.get("getRecipientList", f"recipientlists/{recipient_list_id}", _LIST)

    def get_recipient_list_fields(self, recipient_list_id: int) -> tuple[RecipientListField, ...]:
        """The fields of a recipient list."""
        path = f"recipientlists/{recipient_list_id}/fields"
        return tuple(self._transport.select("getRecipientListFields", path, _FIELDS))

    def get_recipient_list_attribute_names(self, recipient_list_id: int) -> tuple[str, ...]:
        """Internal names of the fields of a recipient list."""
        path = f"recipientlists/{recipient_list_id}/attributeNames"
        return self._transport.get("getRecipientListAttributeNames", path, _ATTRIBUTE_NAMES).attribute_names

    # Recipients

    def count_recipients(self, recipient_list_id: int) -> int:
        """Number of recipients on a list, counted now."""
        path = f"recipients/{recipient_list_id}/count"
        return self._transport.get("countRecipients", path, _COUNT, slots=_counting).count

    def select_recipients(self, recipient_list_id: int) -> Iterator[str]:
        """Ids of every recipient on a list; asks page by page."""
        path = f"recipients/{recipient_list_id}"
        found = self._transport.select("selectRecipients", path, _RECIPIENTS, {"limit": _PAGE}, _counting)
        return (recipient.id for recipient in found)

    def is_recipient_valid(self, recipient_list_id: int, recipient_id: str) -> RecipientValidity:
        """Whether a recipient of a list would be sent an email, and why not.

        Of a recipient who is not on the list the description says both: `not_found`, and status 404.
        """
        path = f"recipients/{recipient_list_id}/{_quoted(recipient_id)}/valid"
        return self._transport.get("isRecipientValid", path, _VALIDITY, {"mediaType": "EMAIL"})

    def wipe_recipient_history(self, recipient_id: str, *, reason: str) -> None:
        """Wipe the action history of a recipient. Not repeated; doing it again is harmless."""
        params: Params = {"recipientKey": recipient_id, "reason": reason}
        self._transport.send("DELETE", "wipeRecipientHistory", "recipients", params=params)

    # Smart Campaigns

    def select_smart_campaigns(
        self, status: str | None = None, *, detailed: bool = False, newest_first: bool = False
    ) -> Iterator[SmartCampaign]:
        """Every Smart Campaign; asks page by page.

        Args:
            status: only those in this status (a value of `SmartCampaign.status`).
            detailed: with their messages and recipient lists; slow where there are many.
            newest_first: by the time of their creation, the last one first.
        """
        params: dict[str, str | int] = {"limit": _PAGE}
        if detailed:
            params = {"limit": _DETAILED_PAGE, "resultView": "DETAILED"}
        if status is not None:
            params["status"] = status
        if newest_first:
            params |= {"sort": "created", "direction": "DESC"}
        return self._transport.select("selectSmartCampaigns", "smartcampaigns", _CAMPAIGNS, params)

    def get_smart_campaign(self, campaign_id: int) -> SmartCampaign:
        """One Smart Campaign."""
        return self._transport.get("getSmartCampaign", f"smartcampaigns/{campaign_id}", _CAMPAIGN)

    def copy_smart_campaign(
        self, source_campaign_id: int, name: str, recipient_list_ids: Sequence[int]
    ) -> SmartCampaign:
        """Copy a Smart Campaign under another name, pointed at these recipient lists. Not repeated.

        When it raises OptimizelyUnavailable or OptimizelyAnswerInvalid the copy may exist: look for its name.
        """
        operation = "createOrCopySmartCampaign"
        form: Params = {
            "name": name,
            "sourceCampaignId": source_campaign_id,
            "recipientListIds": ",".join(map(str, recipient_list_ids)),
        }
        return shaped(
            operation, _CAMPAIGN, self._transport.send("POST", operation, "smartcampaigns", body=Body(form=form))
        )

    def activate_smart_campaign(self, campaign_id: int) -> None:
        """Activate a Smart Campaign: it starts by itself as its Wait node says. Not repeated."""
        self._change(campaign_id, "activateSmartCampaign", "activate", {"activated", "running", "finished"})

    def deactivate_smart_campaign(self, campaign_id: int) -> None:
        """Take an activation back, before it has started. Not repeated."""
        self._change(campaign_id, "deactivateSmartCampaign", "deactivate", {"activationRequired"})

    def start_smart_campaign(self, campaign_id: int) -> None:
        """Start a Smart Campaign, or go on with a paused one. Not repeated."""
        self._change(campaign_id, "startSmartCampaign", "start", {"running", "finished"})

    def pause_smart_campaign(self, campaign_id: int) -> None:
        """Pause a Smart Campaign that sends. Not repeated."""
        self._change(campaign_id, "pauseSmartCampaign", "pause", {"paused"})

    def stop_smart_campaign(self, campaign_id: int) -> None:
        """Stop a started Smart Campaign for good. Not repeated."""
        self._change(campaign_id, "stopSmartCampaign", "stop", {"canceled"})

    def get_report(self, campaign_id: int) -> SmartCampaignReport:
        """The totals of a Smart Campaign (operation getReport_1)."""
        return self._transport.get("getReport_1", f"smartcampaigns/{campaign_id}/report", _REPORT)

    def get_recipient_lists_node(self, campaign_id: int) -> RecipientListsNode:
        """The node of a Smart Campaign that holds its recipient lists (getRecipientListsNodeForSCMailing_1)."""
        path = f"smartcampaigns/{campaign_id}/recipientLists"
        return self._transport.get("getRecipientListsNodeForSCMailing_1", path, _LISTS_NODE)

    def update_recipient_lists_node(self, campaign_id: int, recipient_list_ids: Sequence[int]) -> None:
        """Point a Smart Campaign at these recipient lists (createOrUpdateRecipientListsNode_1). Not repeated."""
        form: Params = {"recipientListIds": ",".join(map(str, recipient_list_ids))}
        path = f"smartcampaigns/{campaign_id}/recipientLists"
        self._transport.send("POST", "createOrUpdateRecipientListsNode_1", path, body=Body(form=form))

    def find_wait_nodes(self, campaign_id: int) -> tuple[WaitNode, ...]:
        """The Wait nodes of a Smart Campaign."""
        return self._transport.get("findWaitNodes", f"smartcampaigns/{campaign_id}/schedules", _WAIT_NODES)

    def create_wait_node(
        self,
        campaign_id: int,
        *,
        scheduled_at: datetime | None = None,
        after_recipient_import: bool = False,
        predecessor_node_id: str,
        successor_node_id: str,
    ) -> WaitNode:
        """Put a Wait node between two nodes of a Smart Campaign. Not repeated.

        Args:
            campaign_id: the Smart Campaign.
            scheduled_at: wait until then; aware.
            after_recipient_import: wait until the recipient import has ended.
            predecessor_node_id: the node before it.
            successor_node_id: the node after it.
        """
        form = _schedule(scheduled_at, after_recipient_import=after_recipient_import) | {
            "predecessorNodeId": predecessor_node_id,
            "successorNodeId": successor_node_id,
        }
        path = f"smartcampaigns/{campaign_id}/schedules"
        answer = self._transport.send("POST", "createWaitNode", path, body=Body(form=form))
        return shaped("createWaitNode", _WAIT_NODE, answer)

    def update_wait_node(
        self,
        campaign_id: int,
        node_id: str,
        *,
        scheduled_at: datetime | None = None,
        after_recipient_import: bool = False,
    ) -> None:
        """Change what a Wait node waits for. Not repeated; doing it again is harmless."""
        form = _schedule(scheduled_at, after_recipient_import=after_recipient_import)
        path = f"smartcampaigns/{campaign_id}/schedules/{_quoted(node_id)}"
        self._transport.send("POST", "updateWaitNode", path, body=Body(form=form))

    def delete_wait_node(self, campaign_id: int, node_id: str) -> None:
        """Take a Wait node out of a Smart Campaign. Not repeated."""
        path = f"smartcampaigns/{campaign_id}/schedules/{_quoted(node_id)}"
        self._transport.send("DELETE", "deleteWaitNode", path)

    # Messages

    def get_messages(self, campaign_id: int) -> tuple[Message, ...]:
        """The messages of a Smart Campaign."""
        return self._transport.get("getMessages", f"smartcampaigns/{campaign_id}/messages", _MESSAGES)

    def get_smart_campaign_message(self, campaign_id: int, mailing_id: int) -> WholeMessage:
        """One message of a Smart Campaign (getSmartCampaignMessage_1)."""
        path = f"smartcampaigns/{campaign_id}/messages/{mailing_id}"
        return self._transport.get("getSmartCampaignMessage_1", path, _MESSAGE)

    def start_test_mailing(
        self, campaign_id: int, mailing_id: int, *, recipient_list_id: int, recipient_ids: Sequence[str]
    ) -> TestMailingStarted:
        """Send a message to some recipients of a list, as a test (startTestMailing_2). Not repeated."""
        form: Params = {"recipientListId": recipient_list_id, "recipientIds": ",".join(recipient_ids)}
        path = f"smartcampaigns/{campaign_id}/messages/{mailing_id}/test"
        answer = self._transport.send("POST", "startTestMailing_2", path, body=Body(form=form))
        return shaped("startTestMailing_2", _TEST_STARTED, answer)

    def get_test_mailing_report(self, campaign_id: int, mailing_id: int, test_mailing_id: int) -> TestMailingReport:
        """How far a test mailing is (getTestMailingReport_2)."""
        path = f"smartcampaigns/{campaign_id}/messages/{mailing_id}/test/{test_mailing_id}"
        return self._transport.get("getTestMailingReport_2", path, _TEST_REPORT)

    # Scheduled jobs

    def select_all_configured_jobs(self) -> Iterator[ConfiguredJob]:
        """Every scheduled job."""
        # This operation knows a limit, but no offset: one page has to hold them all.
        params: Params = {"limit": _LARGEST_PAGE}
        return self._transport.select("selectAllConfiguredJobs", "customerjobs/configured", _CONFIGURED, params)

    def select_all_running_jobs(self) -> Iterator[RunningJob]:
        """The scheduled jobs that run now."""
        return self._transport.select("selectAllRunningJobs", "customerjobs/running", _RUNNING)

    # Sending batches

    def prepare_new_batch(self, campaign_id: int, *, tag: str, action: Literal["copy", "use"] = "copy") -> SendingBatch:
        """Prepare a sending batch for a Smart Campaign, or a copy of it. Not repeated.

        When it raises OptimizelyUnavailable or OptimizelyAnswerInvalid the batch may exist: look for its tag.
        OptimizelyConflict: no list of the pool is free, or the Smart Campaign to use has finished.
        """
        parts = {"campaign": str(campaign_id), "campaignAction": action, "tag": tag}
        answer = self._transport.send("POST", "prepareNewBatch", "sending/batches", body=Body(multipart=parts))
        return shaped("prepareNewBatch", _BATCH, answer)

    def select_sending_batches(self) -> Iterator[SendingBatch]:
        """Every sending batch; asks page by page."""
        return self._transport.select("selectSendingBatches", "sending/batches", _BATCHES, {"limit": _PAGE})

    def get_sending_batch(self, batch_id: int) -> SendingBatch:
        """One sending batch."""
        return self._transport.get("getSendingBatch", f"sending/batches/{batch_id}", _BATCH)

    def add_recipients_to_batch(self, batch_id: int, chunk: str, recipients: Sequence[bytes]) -> int:
        """Put a chunk of recipients into a sending batch (addRecipients_1). Not repeated.

        Args:
            batch_id: the batch.
            chunk: name of the chunk: letters, digits, `-` and `_`.
            recipients: each encoded as a JSON object, `{"id": …, "data": {…}}`.

        Returns:
            How many of them are valid, as far as Optimizely can tell now.
        """
        body = b'{"chunk":"%b","recipients":[%b]}' % (chunk.encode(), b",".join(recipients))
        path = f"sending/batches/{batch_id}"
        try:
            answer = self._transport.send("PUT", "addRecipients_1", path, body=Body(json=body))
        except OptimizelyConflict:
            state = self.get_sending_batch(batch_id).state
            raise OptimizelyConflict(operation="addRecipients_1", state=state) from None
        return shaped("addRecipients_1", _CHUNK, answer).count

    def send_batch(self, batch_id: int) -> None:
        """Send a batch: its import begins, and then its Smart Campaign (importRecipientsAndSendBatch). Not repeated."""
        operation = "importRecipientsAndSendBatch"
        try:
            self._transport.send("POST", operation, f"sending/batches/{batch_id}", body=Body(json=b"{}"))
        except OptimizelyConflict:
            state = self.get_sending_batch(batch_id).state
            if state != "sent":
                raise OptimizelyConflict(operation=operation, state=state) from None

    # Responses, unsubscribes, blocklist

    def select_responses(self, category: ResponseCategory, *, mailing_id: int) -> ResponseItems:
        """The replies of a category to a mailing. Status 404: the mailing is not known."""
        params: Params = {"category": category, "mailingId": mailing_id, "limit": _LARGEST_PAGE}
        items = self._transport.get("selectResponses", "responses", _RESPONSES, params).elements
        return ResponseItems(items=items, complete=len(items) < _LARGEST_PAGE)

    def get_bounce_counter_threshold(self, category: BounceCategory) -> int:
        """After how many bounces of a category a recipient is sent nothing more."""
        return self._transport.get(
            "getBounceCounterThreshold", "responses/bounces", _COUNT, {"category": category}
        ).count

    def get_bounce_counter(self, recipient_id: str, category: BounceCategory) -> int:
        """How often a recipient has bounced."""
        path = f"responses/bounces/{_quoted(recipient_id)}"
        return self._transport.get("getBounceCounter", path, _COUNT, {"category": category}).count

    def is_bounce_counter_threshold_exceeded(self, recipient_id: str) -> bool:
        """Whether a recipient has bounced so often, hard or soft, that it is sent no email any more."""
        path = f"responses/bounces/{_quoted(recipient_id)}/thresholdExceeded"
        params: Params = {"mediaType": "EMAIL"}
        return self._transport.get("isBounceCounterThresholdExceeded", path, _EXCEEDED, params).exceeded

    def select_unsubscribes(
        self, *, newest_first: bool = False, media_type: MediaType | None = None
    ) -> Iterator[Unsubscribe]:
        """Every unsubscribed recipient; asks page by page.

        Args:
            newest_first: by the time of the unsubscription, the last one first; else the first one first.
            media_type: only from this channel. Without it the vendor's default counts, GLOBAL; whether that
                means those from all channels, or only those who left them all at once, is not documented.
        """
        params: dict[str, str | int] = {
            "limit": _LARGEST_PAGE,
            "sort": "created",
            "direction": "DESC" if newest_first else "ASC",
        }
        if media_type is not None:
            params["mediaType"] = media_type
        return self._transport.select("selectUnsubscribes", "unsubscribes", _UNSUBSCRIBES, params)

    def count_unsubscribes(self) -> int:
        """Number of unsubscribed recipients."""
        return self._transport.get("countUnsubscribes", "unsubscribes/count", _COUNT).count

    def find_all_blacklist_entries(self, *, newest_first: bool = False) -> Iterator[BlacklistEntry]:
        """Every entry of the blocklist; asks page by page."""
        params: Params = {"limit": _LARGEST_PAGE, "sort": "created", "direction": "DESC" if newest_first else "ASC"}
        return self._transport.select("findAllBlacklistEntries", "blacklistentries", _ENTRIES, params)

    def count_blacklist_entries(self) -> int:
        """Number of entries of the blocklist (count_2)."""
        return self._transport.get("count_2", "blacklistentries/count", _COUNT).count

    def is_blacklisted(self, address: str) -> bool:
        """Whether an address is on the blocklist, by whatever entry (blacklisted)."""
        params: Params = {"address": address}
        return self._transport.get("blacklisted", "blacklistentries/blacklisted", _BLACKLISTED, params).blacklisted

    def _change(self, campaign_id: int, operation: str, verb: str, wanted: set[str]) -> None:
        """Change the status of a Smart Campaign.

        The answer's body is not read: what took effect must not look like a failure because its description
        is odd.
        """
        try:
            self._transport.send("POST", operation, f"smartcampaigns/{campaign_id}/{verb}")
        except OptimizelyConflict:
            status = self.get_smart_campaign(campaign_id).status
            if status not in wanted:
                raise OptimizelyConflict(operation=operation, state=status) from None


def _quoted(segment: str) -> str:
    return quote(segment, safe="")


def _schedule(scheduled_at: datetime | None, *, after_recipient_import: bool) -> dict[str, str | int]:
    form: dict[str, str | int] = {"scheduledAfterRecipientImport": str(after_recipient_import).lower()}
    if scheduled_at is not None:
        form["scheduledAt"] = scheduled_at.isoformat(timespec="seconds")
    return form
