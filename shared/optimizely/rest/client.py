"""The REST API of Optimizely Campaign: the operations that the bridge uses.

Methods are named after the operations of the vendor's description (docs/why/sources.md, Optimizely 8),
and the `operation` of an error is its name there.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import partial
from http import HTTPStatus
from threading import BoundedSemaphore
from typing import Final, Literal

from shared.errors import OptimizelyAnswerInvalid, OptimizelyConflict, OptimizelyRefused
from shared.optimizely.rest.answers import (
    AuthenticatedUser,
    BlacklistEntry,
    ConfiguredJob,
    Count,
    DistinctValues,
    Message,
    MessageContent,
    Page,
    RecipientId,
    RecipientList,
    RecipientListField,
    RecipientListsNode,
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
)
from shared.optimizely.rest.params import MAX_PAGE_SIZE, by_created, quoted, schedule
from shared.optimizely.rest.refusals import exists, jobs_refused
from shared.optimizely.rest.transport import Body, Params, RestTransport

#: Elements per page. The vendor refuses 10,000 and more; detailed campaigns are slow to compute.
_PAGE_SIZE: Final = 1000
_DETAILED_PAGE_SIZE: Final = 100
#: The vendor answers 429 to more than 10 selects and counts of recipients at once per client.
_recipient_slots = BoundedSemaphore(10)

ResponseCategory = Literal["hardbounce", "softbounce", "autoresponder", "unknown"]


class OptimizelyRest:
    """The REST API, for one client ID. Safe to use from several threads.

    A GET that fails for a temporary reason is retried a few times with growing pauses. No other request is
    ever retried: the ledger finds out whether it took effect.

    Every method raises the same errors, and none of them carries a body, a header or an address:

    * OptimizelyNotAnswered, after which another request than a GET may have taken effect:
        * OptimizelyUnavailable: no answer, a broken one, 408, 429 or 5xx.
        * OptimizelyAnswerInvalid: an answer in another shape than the vendor describes. Methods that change the state
          of an object read it again first, as after a conflict.
    * OptimizelyLoginRefused: 401 or 403.
    * OptimizelyConflict: 409, a wrong state or the object of another client. Methods that change the state of
      an object read it again first: if it is already in the requested state, they return as if they had changed it.
    * OptimizelyRefused: another 4xx, or 501 or 505; its `status` has the number.
    """

    def __init__(self, transport: RestTransport) -> None:
        self._transport = transport

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    # The user

    def get_authenticated_user(self) -> AuthenticatedUser:
        """The API user itself: succeeds when user, password and client ID are right."""
        return self._transport.get("getAuthenticatedUser", "users/authenticated", AuthenticatedUser)

    # Recipient lists

    def select_recipient_lists(self) -> Iterator[RecipientList]:
        """Every recipient list, test lists included; requested page by page."""
        return self._transport.select(
            "selectRecipientLists", "recipientlists", Page[RecipientList], {"limit": _PAGE_SIZE}
        )

    def get_recipient_list(self, recipient_list_id: int) -> RecipientList:
        """One recipient list."""
        return self._transport.get("getRecipientList", f"recipientlists/{recipient_list_id}", RecipientList)

    def get_recipient_list_fields(self, recipient_list_id: int) -> tuple[RecipientListField, ...]:
        """The fields of a recipient list."""
        path = f"recipientlists/{recipient_list_id}/fields"
        return tuple(self._transport.select("getRecipientListFields", path, Page[RecipientListField]))

    # Recipients

    def count_recipients(self, recipient_list_id: int) -> int:
        """Number of recipients on a list, counted now."""
        path = f"recipients/{recipient_list_id}/count"
        return self._transport.get("countRecipients", path, Count, slots=_recipient_slots).count

    def select_recipients(self, recipient_list_id: int) -> Iterator[str]:
        """Ids of every recipient on a list; requested page by page."""
        path, params = f"recipients/{recipient_list_id}", {"limit": _PAGE_SIZE}
        recipients = self._transport.select("selectRecipients", path, Page[RecipientId], params, _recipient_slots)
        return (recipient.id for recipient in recipients)

    def retrieve_distinct_values(self, recipient_list_id: int, field: str) -> tuple[str, ...]:
        """The values that a field, by its internal name, has on a list. Not for personal data.

        OptimizelyRefused with status 400: the list has no such field.
        """
        path, params = f"recipients/{recipient_list_id}/distinctvalues", {"attributeName": field}
        return self._transport.get("retrieveDistinctValues", path, DistinctValues, params, _recipient_slots).values

    def wipe_recipient_history(self, recipient_id: str, *, reason: str) -> None:
        """Wipe the action history of a recipient. Not retried; a repetition is harmless."""
        params: Params = {"recipientKey": recipient_id, "reason": reason}
        operation = "wipeRecipientHistory"
        self._transport.command("DELETE", operation, "recipients", HTTPStatus.ACCEPTED, params=params)

    # Smart Campaigns

    def select_smart_campaigns(
        self,
        status: str | None = None,
        *,
        detailed: bool = False,
        newest_first: bool = False,
        by_start: bool = False,
    ) -> Iterator[SmartCampaign]:
        """Every Smart Campaign; requested page by page.

        Args:
            status: only those in this status (a value of `SmartCampaign.status`).
            detailed: with their messages and recipient lists; slow where there are many.
            newest_first: sorted by creation time, latest first.
            by_start: sorted by the time of the start, latest first.
        """
        params: dict[str, str | int] = {"limit": _PAGE_SIZE}
        if detailed:
            params = {"limit": _DETAILED_PAGE_SIZE, "resultView": "DETAILED"}
        if status is not None:
            params["status"] = status
        if newest_first:
            params |= {"sort": "created", "direction": "DESC"}
        if by_start:
            params |= {"sort": "started", "direction": "DESC"}
        return self._transport.select("selectSmartCampaigns", "smartcampaigns", Page[SmartCampaign], params)

    def get_smart_campaign(self, campaign_id: int) -> SmartCampaign:
        """One Smart Campaign."""
        return self._transport.get("getSmartCampaign", f"smartcampaigns/{campaign_id}", SmartCampaign)

    def copy_smart_campaign(
        self, source_campaign_id: int, name: str, recipient_list_ids: Sequence[int]
    ) -> SmartCampaign:
        """Copy a Smart Campaign under another name, for these recipient lists. Not retried.

        After OptimizelyNotAnswered the copy may exist: search for its name.
        """
        form: Params = {
            "name": name,
            "sourceCampaignId": source_campaign_id,
            "recipientListIds": ",".join(map(str, recipient_list_ids)),
        }
        operation, body = "createOrCopySmartCampaign", Body(form=form)
        return self._transport.send("POST", operation, "smartcampaigns", SmartCampaign, body=body)

    def delete_smart_campaign(self, campaign_id: int) -> None:
        """Delete a Smart Campaign that has not started. Not retried; a repetition is harmless.

        OptimizelyRefused: one of its messages has started.
        """
        operation, path = "deleteSmartCampaign", f"smartcampaigns/{campaign_id}"
        try:
            self._transport.command("DELETE", operation, path, HTTPStatus.NO_CONTENT)
        except (OptimizelyRefused, OptimizelyAnswerInvalid):
            if exists(partial(self.get_smart_campaign, campaign_id)):
                raise

    def activate_smart_campaign(self, campaign_id: int) -> None:
        """Activate a Smart Campaign: it starts when its Wait node lets it. Not retried."""
        self._change_status(campaign_id, "activateSmartCampaign", "activate", {"activated", "running", "finished"})

    def deactivate_smart_campaign(self, campaign_id: int) -> None:
        """Deactivate a Smart Campaign that has not started. Not retried."""
        self._change_status(campaign_id, "deactivateSmartCampaign", "deactivate", {"activationRequired"})

    def start_smart_campaign(self, campaign_id: int) -> None:
        """Start a Smart Campaign, or resume a paused one. Not retried."""
        self._change_status(campaign_id, "startSmartCampaign", "start", {"running", "finished"})

    def pause_smart_campaign(self, campaign_id: int) -> None:
        """Pause a Smart Campaign that is sending. Not retried."""
        self._change_status(campaign_id, "pauseSmartCampaign", "pause", {"paused"})

    def stop_smart_campaign(self, campaign_id: int) -> None:
        """Stop a started Smart Campaign for good. Not retried."""
        self._change_status(campaign_id, "stopSmartCampaign", "stop", {"canceled"})

    def _change_status(self, campaign_id: int, operation: str, verb: str, reached: set[str]) -> None:
        """Change the status of a Smart Campaign; after a conflict or an odd answer, accept one of those `reached`."""
        try:
            self._transport.send("POST", operation, f"smartcampaigns/{campaign_id}/{verb}", SmartCampaign)
        except (OptimizelyConflict, OptimizelyAnswerInvalid) as error:
            status = self.get_smart_campaign(campaign_id).status
            if status in reached:
                return
            if isinstance(error, OptimizelyAnswerInvalid):
                raise
            raise OptimizelyConflict(operation=operation, state=status) from None

    def get_report(self, campaign_id: int) -> SmartCampaignReport:
        """The totals of a Smart Campaign (operation getReport_1)."""
        return self._transport.get("getReport_1", f"smartcampaigns/{campaign_id}/report", SmartCampaignReport)

    def get_recipient_lists_node(self, campaign_id: int) -> RecipientListsNode:
        """The node of a Smart Campaign that holds its recipient lists (getRecipientListsNodeForSCMailing_1)."""
        path = f"smartcampaigns/{campaign_id}/recipientLists"
        return self._transport.get("getRecipientListsNodeForSCMailing_1", path, RecipientListsNode)

    def find_wait_nodes(self, campaign_id: int) -> tuple[WaitNode, ...]:
        """The Wait nodes of a Smart Campaign."""
        return self._transport.get("findWaitNodes", f"smartcampaigns/{campaign_id}/schedules", tuple[WaitNode, ...])

    def create_wait_node(
        self,
        campaign_id: int,
        *,
        scheduled_at: datetime | None = None,
        after_recipient_import: bool = False,
        predecessor_node_id: str,
        successor_node_id: str,
    ) -> WaitNode:
        """Insert a Wait node between two nodes of a Smart Campaign. Not retried."""
        form = schedule(scheduled_at, after_recipient_import=after_recipient_import) | {
            "predecessorNodeId": predecessor_node_id,
            "successorNodeId": successor_node_id,
        }
        path = f"smartcampaigns/{campaign_id}/schedules"
        return self._transport.send("POST", "createWaitNode", path, WaitNode, body=Body(form=form))

    def update_wait_node(
        self,
        campaign_id: int,
        node_id: str,
        *,
        scheduled_at: datetime | None = None,
        after_recipient_import: bool = False,
    ) -> None:
        """Change what a Wait node waits for. Not retried; a repetition is harmless."""
        form = schedule(scheduled_at, after_recipient_import=after_recipient_import)
        path = f"smartcampaigns/{campaign_id}/schedules/{quoted(node_id)}"
        self._transport.send("POST", "updateWaitNode", path, WaitNode, body=Body(form=form))

    # Messages

    def get_messages(self, campaign_id: int) -> tuple[Message, ...]:
        """The messages of a Smart Campaign."""
        return self._transport.get("getMessages", f"smartcampaigns/{campaign_id}/messages", tuple[Message, ...])

    def get_smart_campaign_message(self, campaign_id: int, mailing_id: int) -> MessageContent:
        """One message of a Smart Campaign (getSmartCampaignMessage_1)."""
        path = f"smartcampaigns/{campaign_id}/messages/{mailing_id}"
        return self._transport.get("getSmartCampaignMessage_1", path, MessageContent)

    def start_test_mailing(
        self, campaign_id: int, mailing_id: int, *, recipient_list_id: int, recipient_ids: Sequence[str]
    ) -> TestMailingStarted:
        """Send a message to some recipients of a list, as a test (startTestMailing_2). Not retried."""
        form: Params = {"recipientListId": recipient_list_id, "recipientIds": ",".join(recipient_ids)}
        path = f"smartcampaigns/{campaign_id}/messages/{mailing_id}/test"
        return self._transport.send("POST", "startTestMailing_2", path, TestMailingStarted, body=Body(form=form))

    def get_test_mailing_report(self, campaign_id: int, mailing_id: int, test_mailing_id: int) -> TestMailingReport:
        """Progress of a test mailing (getTestMailingReport_2)."""
        path = f"smartcampaigns/{campaign_id}/messages/{mailing_id}/test/{test_mailing_id}"
        return self._transport.get("getTestMailingReport_2", path, TestMailingReport)

    # Scheduled jobs

    def select_all_configured_jobs(self) -> Iterator[ConfiguredJob]:
        """Every scheduled job.

        Raises:
            ScheduledJobsHidden: the address of the bridge is not allowed; when the first is read.
        """
        # This operation has a limit, but no offset: one page has to hold them all.
        path, params = "customerjobs/configured", {"limit": MAX_PAGE_SIZE}
        with jobs_refused():
            yield from self._transport.select("selectAllConfiguredJobs", path, Page[ConfiguredJob], params)

    def select_all_running_jobs(self) -> Iterator[RunningJob]:
        """The scheduled jobs that are running now.

        Raises:
            ScheduledJobsHidden: the address of the bridge is not allowed; when the first is read.
        """
        with jobs_refused():
            yield from self._transport.select("selectAllRunningJobs", "customerjobs/running", Page[RunningJob])

    # Sending batches

    def prepare_new_batch(self, campaign_id: int, *, tag: str) -> SendingBatch:
        """Prepare a sending batch for a copy of a Smart Campaign. Not retried.

        After OptimizelyNotAnswered the batch may exist: search for its tag.
        OptimizelyConflict: no list of the pool is free.
        """
        parts = {"campaign": str(campaign_id), "campaignAction": "copy", "tag": tag}
        body = Body(multipart=parts)
        return self._transport.send("POST", "prepareNewBatch", "sending/batches", SendingBatch, body=body)

    def select_sending_batches(self) -> Iterator[SendingBatch]:
        """Every sending batch; requested page by page."""
        return self._transport.select(
            "selectSendingBatches", "sending/batches", Page[SendingBatch], {"limit": _PAGE_SIZE}
        )

    def get_sending_batch(self, batch_id: int) -> SendingBatch:
        """One sending batch."""
        return self._transport.get("getSendingBatch", f"sending/batches/{batch_id}", SendingBatch)

    def add_recipients_to_batch(self, batch_id: int, chunk: str, recipients: Sequence[bytes]) -> int:
        """Add a chunk of recipients to a sending batch (addRecipients_1). Not retried.

        Args:
            batch_id: the batch.
            chunk: name of the chunk: letters, digits, `-` and `_`.
            recipients: each encoded as a JSON object, `{"id": …, "data": {…}}`.

        Returns:
            How many of them are valid, as far as Optimizely knows at this time.
        """
        body = b'{"chunk":"%b","recipients":[%b]}' % (chunk.encode(), b",".join(recipients))
        path = f"sending/batches/{batch_id}"
        try:
            return self._transport.send("PUT", "addRecipients_1", path, Count, body=Body(json=body)).count
        except OptimizelyConflict:
            state = self.get_sending_batch(batch_id).state
            raise OptimizelyConflict(operation="addRecipients_1", state=state) from None

    def send_batch(self, batch_id: int) -> None:
        """Send a batch: starts its import, then its Smart Campaign (importRecipientsAndSendBatch). Not retried."""
        operation, path = "importRecipientsAndSendBatch", f"sending/batches/{batch_id}"
        try:
            self._transport.command("POST", operation, path, HTTPStatus.ACCEPTED, body=Body(json=b"{}"))
        except (OptimizelyConflict, OptimizelyAnswerInvalid) as error:
            state = self.get_sending_batch(batch_id).state
            if state == "sent":
                return
            if isinstance(error, OptimizelyAnswerInvalid):
                raise
            raise OptimizelyConflict(operation=operation, state=state) from None

    # Responses, unsubscribes, blocklist

    def select_responses(self, category: ResponseCategory, *, mailing_id: int) -> ResponseItems:
        """The replies of a category to a mailing. Status 404: the mailing is not known."""
        params: Params = {"category": category, "mailingId": mailing_id, "limit": MAX_PAGE_SIZE}
        items = self._transport.get("selectResponses", "responses", Page[ResponseItem], params).elements
        return ResponseItems(items=items, complete=len(items) < MAX_PAGE_SIZE)

    def is_bounce_counter_threshold_exceeded(self, recipient_id: str) -> bool:
        """Whether a recipient has bounced so often, hard or soft, that it is sent no email any more."""
        path = f"responses/bounces/{quoted(recipient_id)}/thresholdExceeded"
        params: Params = {"mediaType": "EMAIL"}
        return self._transport.get("isBounceCounterThresholdExceeded", path, ThresholdExceeded, params).exceeded

    def select_unsubscribes(self, *, newest_first: bool = False) -> Iterator[Unsubscribe]:
        """Every unsubscribed recipient, sorted by the time of the unsubscription; requested page by page.

        Without a media type the vendor's default applies, GLOBAL. Whether that means unsubscriptions from any
        channel, or only those from all channels at once, is not documented.
        """
        return self._transport.select(
            "selectUnsubscribes", "unsubscribes", Page[Unsubscribe], by_created(newest_first=newest_first)
        )

    def find_all_blacklist_entries(self, *, newest_first: bool = False) -> Iterator[BlacklistEntry]:
        """Every entry of the blocklist, sorted by creation time; requested page by page."""
        params = by_created(newest_first=newest_first)
        return self._transport.select("findAllBlacklistEntries", "blacklistentries", Page[BlacklistEntry], params)
