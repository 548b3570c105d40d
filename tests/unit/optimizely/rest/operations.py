"""Every method of the REST client: its request, the answer, and the result."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from operator import methodcaller
from typing import Any

from shared.optimizely.rest.answers import (
    AuthenticatedUser,
    BlacklistEntry,
    ConfiguredJob,
    JobTrigger,
    Message,
    MessageContent,
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
    Unsubscribe,
    WaitNode,
)
from shared.optimizely.rest.client import OptimizelyRest
from tests.unit.optimizely.rest_server import ADDRESS, BATCH, CAMPAIGN, CLIENT_ID, LIST, MESSAGE, USER, collection

BERLIN_SUMMER = timezone(timedelta(hours=2))
#: A recipient id with every character that is special in a URL, and its form in a path.
ODD_ID = "a+b/ä?&#%..@person.example"
ODD_SEGMENT = "a%2Bb%2F%C3%A4%3F%26%23%25..%40person.example"


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One call of the client."""

    call: Callable[[OptimizelyRest], Any]
    #: As it is on the wire.
    method: str = "GET"
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    form: Mapping[str, str] | None = None
    json: bytes | None = None
    parts: Mapping[str, str] | None = None
    status: int = 200
    answer: Any = b""
    result: Any = None


PARSED_MESSAGE = Message(
    mailing_id=9007199254740995,
    node_id="m1",
    name="Autumn",
    status="running",
)
PARSED_LIST = RecipientList(
    id=40291413821, name="Newsletter", recipients=1200, modified=datetime(2024, 6, 30, 22, 30, tzinfo=UTC)
)
PARSED_CAMPAIGN = SmartCampaign(
    id=9007199254740993,
    name="Autumn [J7-0a1b2c3d]",
    status="activationRequired",
    created=datetime(2022, 3, 3, 7, 45, 7, 250_000, tzinfo=UTC),
    recipient_list_ids=(CLIENT_ID + 1,),
    messages=(PARSED_MESSAGE,),
)
PARSED_BATCH = SendingBatch(
    id=9007199254740997,
    campaign_id=9007199254740993,
    recipient_list_id=CLIENT_ID + 2,
    tag="J7-0a1b2c3d",
    chunks=("c-0001", "c-0002"),
    state="has_recipients",
)
WAIT_NODE = {
    "nodeId": "w1",
    "successorNodeId": "m1",
    "scheduledAt": "2026-07-01T18:30:00+02:00",
    "scheduledAfterRecipientImport": False,
    "sto": None,
    "links": [],
}
PARSED_WAIT_NODE = WaitNode(
    node_id="w1",
    successor_node_id="m1",
    scheduled_at=datetime(2026, 7, 1, 16, 30, tzinfo=UTC),
    scheduled_after_recipient_import=False,
)
FIELD = {"internalName": "Urn", "displayName": "URN", "type": "STRING", "required": True}
TRIGGER = {
    "name": "t1",
    "state": "NORMAL",
    "nextFireTime": "2026-02-03T05:00:00+01:00",
    "lastFiredTime": "2026-02-02T05:00:00+01:00",
}
JOB = {"name": "Import 7", "description": "", "type": "import", "jobData": {"user": ADDRESS}, "triggers": [TRIGGER]}
REPORT = {
    "campaignId": 3,
    "campaignName": "Autumn",
    "recipients": {"net": 90, "total": 100, "skipped": 7, "inQueue": 3},
    "bounces": {"hard": 1, "soft": 2},
    "unsubscribes": 4,
    "opens": {"total": 50, "unique": 40},
    "clicks": {"total": 9, "unique": 8},
    "links": [],
}
UNSUBSCRIBE = {
    "recipientListId": CLIENT_ID + 1,
    "recipientId": ADDRESS,
    "mailingId": 9007199254740995,
    "reason": "link",
    "created": "2026-02-02T05:00:00+01:00",
    "mediaType": "EMAIL",
}
RESPONSE = {
    "mailId": "abc",
    "mailingId": 9007199254740995,
    "recipientListId": CLIENT_ID + 1,
    "recipientId": ADDRESS,
    "category": "hardbounce",
    "subject": f"Undelivered: {ADDRESS}",
    "created": "2026-02-02T05:00:00+01:00",
}
ENTRY = {
    "mailingGroupId": CLIENT_ID,
    "pattern": "*@blocked.example",
    "reason": "law",
    "created": "2026-02-02T05:00:00+01:00",
    "modified": "2026-02-02T06:00:00+01:00",
}
TEST_STARTED = {
    "mailingId": 77,
    "validRecipientAddresses": [ADDRESS, USER],
    "userIdsOfRecipientsWithoutValidAddresses": [ADDRESS],
    "blacklistedRecipientAddresses": None,
    "links": [],
}
TEST_REPORT = {
    "mailingId": 77,
    "status": "finished",
    "recipientStatus": {ADDRESS: "sent", USER: "failed", "third@person.example": "sent"},
    "reportDate": "2026-02-02T05:10:00+01:00",
    "started": "2026-02-02T05:00:00+01:00",
    "finished": "2026-02-02T05:01:00+01:00",
}
FIVE = datetime(2026, 2, 2, 4, tzinfo=UTC)

OPERATIONS: dict[str, Operation] = {
    "get_authenticated_user": Operation(
        call=lambda rest: rest.get_authenticated_user(),
        path="users/authenticated",
        answer={"id": 7, "username": USER, "email": USER},
        result=AuthenticatedUser(id=7),
    ),
    # Recipient lists
    "select_recipient_lists": Operation(
        call=lambda rest: list(rest.select_recipient_lists()),
        path="recipientlists",
        query={"limit": "1000"},
        answer=collection(LIST, {"id": 2, "recipients": 0}),
        result=[PARSED_LIST, RecipientList(id=2, recipients=0)],
    ),
    "get_recipient_list": Operation(
        call=lambda rest: rest.get_recipient_list(CLIENT_ID + 1),
        path="recipientlists/40291413821",
        answer=LIST,
        result=PARSED_LIST,
    ),
    "get_recipient_list_fields": Operation(
        call=lambda rest: rest.get_recipient_list_fields(5),
        path="recipientlists/5/fields",
        answer=collection(FIELD),
        result=(RecipientListField(internal_name="Urn", display_name="URN", type="STRING", required=True),),
    ),
    # Recipients
    "count_recipients": Operation(
        call=lambda rest: rest.count_recipients(5),
        path="recipients/5/count",
        answer={"count": 3_000_000_000, "links": []},
        result=3_000_000_000,
    ),
    "select_recipients": Operation(
        call=lambda rest: list(rest.select_recipients(5)),
        path="recipients/5",
        query={"limit": "1000"},
        answer=collection({"id": ADDRESS, "created": "2022-03-03T08:45:07+01:00"}, {"id": ODD_ID}),
        result=[ADDRESS, ODD_ID],
    ),
    "retrieve_distinct_values": Operation(
        call=lambda rest: rest.retrieve_distinct_values(5, "BroadcastKey"),
        path="recipients/5/distinctvalues",
        query={"attributeName": "BroadcastKey"},
        answer={"attributeValues": ["J7-0a1b2c3d", None, {"value": ADDRESS}, ""], "links": []},
        result=("J7-0a1b2c3d", ""),
    ),
    "wipe_recipient_history": Operation(
        call=lambda rest: rest.wipe_recipient_history(ODD_ID, reason="Art. 17 & ä"),
        method="DELETE",
        path="recipients",
        query={"recipientKey": ODD_ID, "reason": "Art. 17 & ä"},
        status=202,
    ),
    # Smart Campaigns
    "select_smart_campaigns": Operation(
        call=lambda rest: list(rest.select_smart_campaigns()),
        path="smartcampaigns",
        query={"limit": "1000"},
        answer=collection({"id": 1, "name": None, "status": "new in 2030", "recipientLists": None, "messages": None}),
        result=[SmartCampaign(id=1, status="new in 2030")],
    ),
    "select_smart_campaigns, all parameters": Operation(
        call=lambda rest: list(rest.select_smart_campaigns("activationRequired", detailed=True, newest_first=True)),
        path="smartcampaigns",
        query={
            "limit": "100",
            "resultView": "DETAILED",
            "status": "activationRequired",
            "sort": "created",
            "direction": "DESC",
        },
        answer=collection(CAMPAIGN),
        result=[PARSED_CAMPAIGN],
    ),
    "get_smart_campaign": Operation(
        call=lambda rest: rest.get_smart_campaign(9007199254740993),
        path="smartcampaigns/9007199254740993",
        answer=CAMPAIGN,
        result=PARSED_CAMPAIGN,
    ),
    "copy_smart_campaign": Operation(
        call=lambda rest: rest.copy_smart_campaign(3, "Autumn & ä [J7]", [11, 12]),
        method="POST",
        path="smartcampaigns",
        form={"name": "Autumn & ä [J7]", "sourceCampaignId": "3", "recipientListIds": "11,12"},
        status=201,
        answer=CAMPAIGN,
        result=PARSED_CAMPAIGN,
    ),
    "delete_smart_campaign": Operation(
        call=lambda rest: rest.delete_smart_campaign(3),
        method="DELETE",
        path="smartcampaigns/3",
        status=204,
    ),
    **{
        f"{verb}_smart_campaign": Operation(
            call=methodcaller(f"{verb}_smart_campaign", 3),
            method="POST",
            path=f"smartcampaigns/3/{verb}",
            answer=CAMPAIGN,
        )
        for verb in ("activate", "deactivate", "start", "pause", "stop")
    },
    "get_report": Operation(
        call=lambda rest: rest.get_report(3),
        path="smartcampaigns/3/report",
        answer=REPORT,
        result=SmartCampaignReport(
            recipients_total=100,
            skipped=7,
            in_queue=3,
            hard_bounces=1,
            soft_bounces=2,
            unsubscribes=4,
            opens_total=50,
            clicks_total=9,
        ),
    ),
    "get_report, of a campaign that has not sent": Operation(
        call=lambda rest: rest.get_report(3),
        path="smartcampaigns/3/report",
        answer={
            "recipients": {"net": 0, "total": 0, "skipped": 0, "inQueue": 0},
            "bounces": None,
            "opens": {},
            "clicks": {"total": None},
        },
        result=SmartCampaignReport(recipients_total=0, skipped=0, in_queue=0),
    ),
    "get_recipient_lists_node": Operation(
        call=lambda rest: rest.get_recipient_lists_node(3),
        path="smartcampaigns/3/recipientLists",
        answer={"nodeId": "n1", "successorNodeId": "w1", "recipientListIds": [CLIENT_ID + 1, 5], "links": []},
        result=RecipientListsNode(node_id="n1", successor_node_id="w1", recipient_list_ids=(CLIENT_ID + 1, 5)),
    ),
    "find_wait_nodes": Operation(
        call=lambda rest: rest.find_wait_nodes(3),
        path="smartcampaigns/3/schedules",
        answer=[WAIT_NODE, {"nodeId": "w2", "scheduledAt": None, "scheduledAfterRecipientImport": True}],
        result=(PARSED_WAIT_NODE, WaitNode(node_id="w2", scheduled_after_recipient_import=True)),
    ),
    "create_wait_node": Operation(
        call=lambda rest: rest.create_wait_node(
            3,
            scheduled_at=datetime(2026, 7, 1, 18, 30, 0, 999_999, tzinfo=BERLIN_SUMMER),
            predecessor_node_id="n1",
            successor_node_id="m1",
        ),
        method="POST",
        path="smartcampaigns/3/schedules",
        form={
            "scheduledAt": "2026-07-01T18:30:00+02:00",
            "scheduledAfterRecipientImport": "false",
            "predecessorNodeId": "n1",
            "successorNodeId": "m1",
        },
        status=201,
        answer=WAIT_NODE,
        result=PARSED_WAIT_NODE,
    ),
    "update_wait_node": Operation(
        call=lambda rest: rest.update_wait_node(3, "w/1", after_recipient_import=True),
        method="POST",
        path="smartcampaigns/3/schedules/w%2F1",
        form={"scheduledAfterRecipientImport": "true"},
        answer=WAIT_NODE,
    ),
    # Messages
    "get_messages": Operation(
        call=lambda rest: rest.get_messages(3),
        path="smartcampaigns/3/messages",
        answer=[MESSAGE],
        result=(PARSED_MESSAGE,),
    ),
    "get_smart_campaign_message": Operation(
        call=lambda rest: rest.get_smart_campaign_message(3, 9007199254740995),
        path="smartcampaigns/3/messages/9007199254740995",
        answer=MESSAGE,
        result=MessageContent(
            **{name: getattr(PARSED_MESSAGE, name) for name in PARSED_MESSAGE.__slots__},
            sender_address=ADDRESS,
            subject="Autumn is here",
        ),
    ),
    "start_test_mailing": Operation(
        call=lambda rest: rest.start_test_mailing(3, 55, recipient_list_id=5, recipient_ids=[ADDRESS, ODD_ID]),
        method="POST",
        path="smartcampaigns/3/messages/55/test",
        form={"recipientListId": "5", "recipientIds": f"{ADDRESS},{ODD_ID}"},
        status=202,
        answer=TEST_STARTED,
        result=TestMailingStarted(mailing_id=77, valid=2, without_address=1, blocklisted=0),
    ),
    "get_test_mailing_report": Operation(
        call=lambda rest: rest.get_test_mailing_report(3, 55, 77),
        path="smartcampaigns/3/messages/55/test/77",
        answer=TEST_REPORT,
        result=TestMailingReport(
            mailing_id=77,
            status="finished",
            recipients_by_status={"sent": 2, "failed": 1},
        ),
    ),
    "get_test_mailing_report, not started": Operation(
        call=lambda rest: rest.get_test_mailing_report(3, 55, 77),
        path="smartcampaigns/3/messages/55/test/77",
        answer={"mailingId": 77, "status": None, "recipientStatus": None},
        result=TestMailingReport(mailing_id=77),
    ),
    "get_test_mailing_report, unexpected statuses": Operation(
        call=lambda rest: rest.get_test_mailing_report(3, 55, 77),
        path="smartcampaigns/3/messages/55/test/77",
        answer={"mailingId": 77, "recipientStatus": {ADDRESS: {"to": ADDRESS}, USER: ADDRESS, "c": "sent"}},
        result=TestMailingReport(mailing_id=77, recipients_by_status={"other": 2, "sent": 1}),
    ),
    # Scheduled jobs
    "select_all_configured_jobs": Operation(
        call=lambda rest: list(rest.select_all_configured_jobs()),
        path="customerjobs/configured",
        query={"limit": "9999"},
        answer=collection(JOB, {"name": "Export", "triggers": None}),
        result=[
            ConfiguredJob(name="Import 7", triggers=(JobTrigger(last_fired_time=FIVE),)),
            ConfiguredJob(name="Export"),
        ],
    ),
    "select_all_running_jobs": Operation(
        call=lambda rest: list(rest.select_all_running_jobs()),
        path="customerjobs/running",
        answer=collection({"name": "Import 7", "started": "2026-02-02T05:00:00+01:00", "elapsedRunningTime": {}}),
        result=[RunningJob(name="Import 7")],
    ),
    # Sending batches
    "prepare_new_batch": Operation(
        call=lambda rest: rest.prepare_new_batch(3, tag="J7-0a1b2c3d"),
        method="POST",
        path="sending/batches",
        parts={"campaign": "3", "campaignAction": "copy", "tag": "J7-0a1b2c3d"},
        status=201,
        answer=BATCH | {"chunks": None, "state": "initiated"},
        result=SendingBatch(
            id=9007199254740997,
            campaign_id=9007199254740993,
            recipient_list_id=CLIENT_ID + 2,
            tag="J7-0a1b2c3d",
            state="initiated",
        ),
    ),
    "select_sending_batches": Operation(
        call=lambda rest: list(rest.select_sending_batches()),
        path="sending/batches",
        query={"limit": "1000"},
        answer=collection(BATCH),
        result=[PARSED_BATCH],
    ),
    "get_sending_batch": Operation(
        call=lambda rest: rest.get_sending_batch(9007199254740997),
        path="sending/batches/9007199254740997",
        answer=BATCH,
        result=PARSED_BATCH,
    ),
    "add_recipients_to_batch": Operation(
        call=lambda rest: rest.add_recipients_to_batch(
            9, "c-0001", [b'{"id":"1","data":{"a":"\xc3\xa4"}}', b'{"id":"2"}']
        ),
        method="PUT",
        path="sending/batches/9",
        json=b'{"chunk":"c-0001","recipients":[{"id":"1","data":{"a":"\xc3\xa4"}},{"id":"2"}]}',
        answer={"chunk": "c-0001", "count": 1},
        result=1,
    ),
    "send_batch": Operation(
        call=lambda rest: rest.send_batch(9),
        method="POST",
        path="sending/batches/9",
        json=b"{}",
        status=202,
    ),
    # Responses, unsubscribes, blocklist
    "select_responses": Operation(
        call=lambda rest: rest.select_responses("hardbounce", mailing_id=9007199254740995),
        path="responses",
        query={"category": "hardbounce", "mailingId": "9007199254740995", "limit": "9999"},
        answer=collection(RESPONSE),
        result=ResponseItems(items=(ResponseItem(recipient_id=ADDRESS, created=FIVE),), complete=True),
    ),
    "is_bounce_counter_threshold_exceeded": Operation(
        call=lambda rest: rest.is_bounce_counter_threshold_exceeded(ODD_ID),
        path=f"responses/bounces/{ODD_SEGMENT}/thresholdExceeded",
        query={"mediaType": "EMAIL"},
        answer={"exceeded": True},
        result=True,
    ),
    "select_unsubscribes": Operation(
        call=lambda rest: list(rest.select_unsubscribes()),
        path="unsubscribes",
        query={"limit": "9999", "sort": "created", "direction": "ASC"},
        answer=collection(UNSUBSCRIBE, {"recipientId": "2", "mailingId": None, "reason": None}),
        result=[
            Unsubscribe(recipient_id=ADDRESS, recipient_list_id=CLIENT_ID + 1, created=FIVE),
            Unsubscribe(recipient_id="2"),
        ],
    ),
    "select_unsubscribes, newest first": Operation(
        call=lambda rest: list(rest.select_unsubscribes(newest_first=True)),
        path="unsubscribes",
        query={"limit": "9999", "sort": "created", "direction": "DESC"},
        answer=collection(),
        result=[],
    ),
    "find_all_blacklist_entries": Operation(
        call=lambda rest: list(rest.find_all_blacklist_entries()),
        path="blacklistentries",
        query={"limit": "9999", "sort": "created", "direction": "ASC"},
        answer=collection(ENTRY, {"pattern": ADDRESS}),
        result=[
            BlacklistEntry(pattern="*@blocked.example", created=FIVE),
            BlacklistEntry(pattern=ADDRESS),
        ],
    ),
    "find_all_blacklist_entries, newest first": Operation(
        call=lambda rest: list(rest.find_all_blacklist_entries(newest_first=True)),
        path="blacklistentries",
        query={"limit": "9999", "sort": "created", "direction": "DESC"},
        answer=collection(),
        result=[],
    ),
}
