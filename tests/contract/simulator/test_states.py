"""Statuses of Smart Campaigns, Wait nodes, and held mails, by the vendor's description."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from local.simulator.store import FIRST_CAMPAIGN_ID, FIRST_LIST_ID, FIRST_MAILING_ID
from tests.contract.simulator.conftest import Simulation

HEADER = "Email;Urn;CommunicationKey;BroadcastKey;LoyaltyPoints\n"
SEEDS = FIRST_LIST_ID + 4
MAILS = 500


def post(vendor: Simulation, path: str, status: int = 200, **form: object) -> Any:
    answer = vendor.ask("post", path, data=form)
    assert answer.status_code == status, answer.text
    return answer.json()


def campaign(vendor: Simulation, campaign_id: int) -> Any:
    return vendor.ask("get", f"/smartcampaigns/{campaign_id}").json()


def report(vendor: Simulation, campaign_id: int) -> Any:
    return vendor.ask("get", f"/smartcampaigns/{campaign_id}/report").json()["recipients"]


def record_of(vendor: Simulation, campaign_id: int) -> Any:
    return next(entry for entry in vendor.state()["campaigns"] if entry["id"] == campaign_id)


def copy(vendor: Simulation, source: int = FIRST_CAMPAIGN_ID) -> int:
    form = {"sourceCampaignId": source, "name": "Copy", "recipientListIds": vendor.list_id()}
    return int(post(vendor, "/smartcampaigns", 201, **form)["id"])


def upload(vendor: Simulation, count: int = MAILS) -> None:
    rows = "".join(f"p{n}@example.org;{n};k{n};B1;1\n" for n in range(count))
    vendor.upload(f"/import/{vendor.list_id()}_B1.csv", (HEADER + rows).encode())


def import_list(vendor: Simulation, count: int = MAILS) -> None:
    upload(vendor, count)
    vendor.pass_time(minutes=10)
    vendor.pass_time(minutes=5)


def simulated(vendor: Simulation) -> datetime:
    return datetime.fromtimestamp(vendor.simulator.clock.now(), tz=UTC)


@pytest.mark.parametrize(
    ("status", "action", "answer"),
    [
        ("activationRequired", "activate", 200),
        ("activationRequired", "start", 200),
        ("activationRequired", "deactivate", 409),
        ("activationRequired", "pause", 409),
        ("activationRequired", "stop", 409),
        ("activated", "deactivate", 200),
        ("activated", "activate", 409),
        ("activated", "start", 409),
        ("activated", "pause", 409),
        ("activated", "stop", 409),
        ("running", "pause", 200),
        ("running", "stop", 200),
        ("running", "activate", 409),
        ("running", "deactivate", 409),
        ("running", "start", 409),
        ("paused", "start", 200),
        ("paused", "stop", 200),
        ("paused", "pause", 409),
        ("canceled", "start", 409),
        ("canceled", "stop", 409),
        ("finished", "start", 409),
        ("finished", "activate", 409),
    ],
)
def test_a_status_allows_what_the_description_says(
    shared_vendor: Simulation, status: str, action: str, answer: int
) -> None:
    ways = {
        "activated": ["activate"],
        "running": ["start"],
        "paused": ["start", "pause"],
        "canceled": ["start", "stop"],
        "finished": ["start"],
    }
    campaign_id = copy(shared_vendor)
    for step in ways.get(status, []):
        post(shared_vendor, f"/smartcampaigns/{campaign_id}/{step}")
    if status == "finished":
        shared_vendor.pass_time(hours=1)
    assert campaign(shared_vendor, campaign_id)["status"] == status
    post(shared_vendor, f"/smartcampaigns/{campaign_id}/{action}", answer)


def test_an_activated_campaign_without_a_wait_node_starts_at_once(vendor: Simulation) -> None:
    import_list(vendor)
    campaign_id = copy(vendor)
    assert post(vendor, f"/smartcampaigns/{campaign_id}/activate")["status"] == "activated"
    vendor.pass_time(seconds=30)
    assert campaign(vendor, campaign_id)["status"] == "running"
    vendor.pass_time(hours=1)
    assert (campaign(vendor, campaign_id)["status"], record_of(vendor, campaign_id)["mails_sent"]) == (
        "finished",
        MAILS,
    )


def test_a_campaign_that_waits_for_an_import_starts_after_one_that_began_after_its_activation(
    vendor: Simulation,
) -> None:
    campaign_id = copy(vendor)
    node = post(vendor, f"/smartcampaigns/{campaign_id}/schedules", 201, scheduledAfterRecipientImport="true")
    assert node["scheduledAfterRecipientImport"]
    upload(vendor, 3)
    vendor.pass_time(minutes=10)
    post(vendor, f"/smartcampaigns/{campaign_id}/activate")
    vendor.pass_time(minutes=5)
    assert vendor.state()["imports"][-1]["state"] == "done"
    vendor.pass_time(hours=5)
    assert campaign(vendor, campaign_id)["status"] == "activated", "that import was under way at the activation"

    upload(vendor)
    vendor.pass_time(minutes=10)
    assert campaign(vendor, campaign_id)["status"] == "activated"
    vendor.pass_time(minutes=2)
    assert campaign(vendor, campaign_id)["status"] == "running"
    vendor.pass_time(hours=1)
    assert record_of(vendor, campaign_id)["mails_sent"] == MAILS


def test_a_campaign_that_waits_for_an_import_does_not_start_after_a_failed_one(vendor: Simulation) -> None:
    campaign_id = copy(vendor)
    post(vendor, f"/smartcampaigns/{campaign_id}/schedules", 201, scheduledAfterRecipientImport="true")
    post(vendor, f"/smartcampaigns/{campaign_id}/activate")
    vendor.upload(f"/import/{vendor.list_id()}_B1.csv", b"Nothing\n1\n")
    for _ in range(3):
        vendor.pass_time(minutes=10)
    assert vendor.state()["imports"][-1]["error"]
    assert campaign(vendor, campaign_id)["status"] == "activated"


def test_a_campaign_can_wait_for_a_time_of_day_after_the_import(vendor: Simulation) -> None:
    campaign_id = copy(vendor)
    node = post(vendor, f"/smartcampaigns/{campaign_id}/schedules", 201, scheduledAfterRecipientImportAtTime="18:30")
    assert node["scheduledAfterRecipientImportAtTime"] == "18:30"
    post(vendor, f"/smartcampaigns/{campaign_id}/activate")
    import_list(vendor)
    vendor.pass_time(hours=8)
    assert campaign(vendor, campaign_id)["status"] == "activated"
    vendor.pass_time(hours=2)
    # 18:30 in Berlin, in winter.
    assert campaign(vendor, campaign_id)["started"] == "2026-02-02T18:30:00+01:00"


def test_a_campaign_starts_at_its_scheduled_time(vendor: Simulation) -> None:
    import_list(vendor)
    campaign_id, late = copy(vendor), simulated(vendor) + timedelta(hours=3)
    post(vendor, f"/smartcampaigns/{campaign_id}/schedules", 201, scheduledAt=late.isoformat())
    post(vendor, f"/smartcampaigns/{campaign_id}/activate")
    vendor.pass_time(hours=2)
    assert campaign(vendor, campaign_id)["status"] == "activated"
    assert not vendor.state()["idle"]
    vendor.pass_time(hours=4)
    assert datetime.fromisoformat(campaign(vendor, campaign_id)["started"]) == late
    assert record_of(vendor, campaign_id)["mails_sent"] == MAILS

    past = copy(vendor)
    post(vendor, f"/smartcampaigns/{past}/schedules", 201, scheduledAt="2026-01-01T00:00:00Z")
    post(vendor, f"/smartcampaigns/{past}/activate")
    vendor.pass_time(seconds=30)
    assert campaign(vendor, past)["status"] == "running"


def test_a_started_campaign_holds_its_mails_until_the_scheduled_time(vendor: Simulation) -> None:
    import_list(vendor)
    campaign_id, late = copy(vendor), simulated(vendor) + timedelta(hours=3)
    post(vendor, f"/smartcampaigns/{campaign_id}/schedules", 201, scheduledAt=late.isoformat())
    assert post(vendor, f"/smartcampaigns/{campaign_id}/start")["status"] == "running"
    vendor.pass_time(hours=2)
    assert report(vendor, campaign_id) == {"total": MAILS, "net": 0, "skipped": 0, "inQueue": MAILS}
    assert record_of(vendor, campaign_id)["mails_sent"] == 0
    vendor.pass_time(hours=2)
    assert record_of(vendor, campaign_id)["mails_sent"] == MAILS


def test_a_pause_holds_mails_that_are_not_yet_due_and_a_start_sends_them_later(vendor: Simulation) -> None:
    import_list(vendor)
    campaign_id = copy(vendor)
    post(vendor, f"/smartcampaigns/{campaign_id}/start")
    vendor.pass_time(seconds=25)
    post(vendor, f"/smartcampaigns/{campaign_id}/pause")
    before = record_of(vendor, campaign_id)
    assert 0 < before["mails_sent"] < MAILS
    for _ in range(2):
        vendor.pass_time(hours=100)
    assert vendor.state()["idle"], "nothing more happens by itself"
    assert (
        record_of(vendor, campaign_id)["mails_sent"]
        == before["mails_sent"]
        == record_of(vendor, campaign_id)["events_by_type"]["Send"]
    )
    left = MAILS - before["mails_sent"]
    assert (report(vendor, campaign_id)["total"], report(vendor, campaign_id)["inQueue"]) == (MAILS, left)

    assert post(vendor, f"/smartcampaigns/{campaign_id}/start")["status"] == "running"
    vendor.pass_time(seconds=1)
    assert 0 < record_of(vendor, campaign_id)["mails_sent"] - before["mails_sent"] < left
    vendor.pass_time(hours=1)
    after = record_of(vendor, campaign_id)
    assert (after["status"], after["mails_sent"], after["mailed_more_than_once"]) == ("finished", MAILS, 0)
    assert report(vendor, campaign_id)["inQueue"] == 0


@pytest.mark.parametrize("paused", [True, False])
def test_mails_that_a_stopped_campaign_has_not_sent_are_never_sent(vendor: Simulation, paused: bool) -> None:
    import_list(vendor)
    campaign_id = copy(vendor)
    post(vendor, f"/smartcampaigns/{campaign_id}/start")
    vendor.pass_time(seconds=25)
    if paused:
        post(vendor, f"/smartcampaigns/{campaign_id}/pause")
    assert post(vendor, f"/smartcampaigns/{campaign_id}/stop")["status"] == "canceled"
    sent = record_of(vendor, campaign_id)["mails_sent"]
    assert 0 < sent < MAILS
    vendor.pass_time(hours=100)
    assert (
        record_of(vendor, campaign_id)["mails_sent"] == record_of(vendor, campaign_id)["events_by_type"]["Send"] == sent
    )
    assert (report(vendor, campaign_id)["total"], report(vendor, campaign_id)["skipped"]) == (MAILS, MAILS - sent)
    while not vendor.state()["idle"]:
        vendor.pass_time(hours=12)
    assert vendor.state()["response_files"], "what was sent is reported"


def test_wait_nodes_are_between_the_recipients_and_the_message(vendor: Simulation) -> None:
    campaign_id = copy(vendor)
    lists = vendor.ask("get", f"/smartcampaigns/{campaign_id}/recipientLists").json()
    message = vendor.ask("get", f"/smartcampaigns/{campaign_id}/messages").json()[0]
    assert lists["successorNodeId"] == message["nodeId"]
    between = {"predecessorNodeId": lists["nodeId"], "successorNodeId": message["nodeId"]}
    path = f"/smartcampaigns/{campaign_id}/schedules"
    answer = vendor.ask("post", path, data={"scheduledAfterRecipientImport": "true", **between})
    node = answer.json()["nodeId"]
    assert answer.headers["Location"].endswith(f"{path}/{node}")
    assert answer.json()["successorNodeId"] == message["nodeId"]
    assert vendor.ask("get", f"/smartcampaigns/{campaign_id}/recipientLists").json()["successorNodeId"] == node
    for wrong in (
        {"predecessorNodeId": "r1"},
        {"successorNodeId": lists["nodeId"]},
        between,
        {"scheduledAt": "tomorrow"},
        {"scheduledAt": "2026-02-02T10:00:00"},
        {"scheduledAt": "2026-02-02T10:00:00Z"},
        {"sto.enabled": "true"},
    ):
        post(vendor, path, 400, scheduledAfterRecipientImport="true", **wrong)
    post(vendor, path, 400)
    first = post(vendor, path, 201, scheduledAfterRecipientImport="true", successorNodeId=node)["nodeId"]
    assert [entry["nodeId"] for entry in vendor.ask("get", path).json()] == [first, node]
    post(vendor, f"{path}/{first}", predecessorNodeId=node)
    assert [entry["nodeId"] for entry in vendor.ask("get", path).json()] == [node, first]
    assert vendor.ask("delete", f"{path}/{first}").status_code == 204
    assert vendor.ask("get", f"{path}/{first}").status_code == 404
    post(vendor, f"/smartcampaigns/{campaign_id}/activate")
    post(vendor, f"{path}/{node}", 409, scheduledAt="2026-02-02T10:00:00Z")
    post(vendor, f"/smartcampaigns/{campaign_id}/recipientLists", 409, recipientListIds=SEEDS)


def test_a_copy_has_the_wait_nodes_of_its_source_and_they_can_be_changed(vendor: Simulation) -> None:
    source = FIRST_CAMPAIGN_ID + 5
    campaign_id = copy(vendor, source)
    nodes = vendor.ask("get", f"/smartcampaigns/{campaign_id}/schedules").json()
    of_source = vendor.ask("get", f"/smartcampaigns/{source}/schedules").json()
    assert len(nodes) == len(of_source) == 1
    assert nodes[0]["nodeId"] != of_source[0]["nodeId"]
    assert nodes[0]["scheduledAt"] == of_source[0]["scheduledAt"] == "2026-02-02T18:00:00+01:00"
    changed = post(
        vendor, f"/smartcampaigns/{campaign_id}/schedules/{nodes[0]['nodeId']}", scheduledAfterRecipientImport="true"
    )
    assert changed["scheduledAfterRecipientImport"]
    assert "scheduledAt" not in changed
    assert vendor.ask("get", f"/smartcampaigns/{source}/schedules").json() == of_source


def test_a_campaign_can_be_pointed_at_another_list(vendor: Simulation) -> None:
    campaign_id = copy(vendor)
    node = post(vendor, f"/smartcampaigns/{campaign_id}/recipientLists", recipientListIds=SEEDS)
    assert node["recipientListIds"] == [SEEDS]
    post(vendor, f"/smartcampaigns/{campaign_id}/recipientLists", 400)
    post(vendor, f"/smartcampaigns/{campaign_id}/start")
    vendor.pass_time(hours=1)
    assert record_of(vendor, campaign_id)["mails_sent"] == 5


def test_a_test_mailing_goes_to_the_given_recipients_and_is_in_no_other_record(vendor: Simulation) -> None:
    path = f"/smartcampaigns/{FIRST_CAMPAIGN_ID}/messages/{FIRST_MAILING_ID}/test"
    ids = "seed1@bridge.example,SEED2@bridge.example,nobody@example.org,x@blocked.example"
    started = post(vendor, path, 202, recipientListId=SEEDS, recipientIds=ids)
    assert started["validRecipientAddresses"] == ["seed1@bridge.example", "seed2@bridge.example"]
    assert started["userIdsOfRecipientsWithoutValidAddresses"] == ["nobody@example.org"]
    assert started["blacklistedRecipientAddresses"] == ["x@blocked.example"]

    def mailing_status() -> tuple[str, set[str]]:
        answer = vendor.ask("get", f"{path}/{started['mailingId']}").json()
        assert answer["recipientStatus"].keys() == {"seed1@bridge.example", "seed2@bridge.example"}
        return answer["status"], set(answer["recipientStatus"].values())

    assert mailing_status() == ("running", {"enqueued"})
    vendor.pass_time(seconds=61)
    assert mailing_status() == ("running", {"sending"})
    vendor.pass_time(seconds=60)
    assert mailing_status() == ("finished", {"sent"})
    assert all(entry["mails_sent"] == 0 for entry in vendor.state()["campaigns"])
    for wrong in ({"recipientIds": ""}, {"recipientListId": "5"}, {"senderAddress": ""}, {"mimeType": "image/png"}):
        post(vendor, path, 400, **({"recipientListId": SEEDS, "recipientIds": ids} | wrong))
    assert vendor.ask("get", f"{path}/7").status_code == 404


def test_bounces_unsubscribes_and_the_blocklist_agree_with_the_records(vendor: Simulation) -> None:
    import_list(vendor, 3000)
    campaign_id = copy(vendor)
    post(vendor, f"/smartcampaigns/{campaign_id}/start")
    vendor.pass_time(hours=80)
    mailing = campaign(vendor, campaign_id)["messages"][0]["mailingId"]
    whole = vendor.ask("get", f"/smartcampaigns/{campaign_id}/report").json()
    for category, number in (("hardbounce", whole["bounces"]["hard"]), ("softbounce", whole["bounces"]["soft"])):
        query = {"category": category, "mailingId": mailing}
        bounces = vendor.ask("get", "/responses", params=query).json()["elements"]
        assert len(bounces) == number > 0
        short = vendor.ask("get", "/responses", params=query | {"limit": 2}).json()
        assert (len(short["elements"]), short["links"]) == (2, []), "the description knows no second page"
        who = bounces[0]["recipientId"]
        assert vendor.ask("get", f"/responses/bounces/{who}", params={"category": category}).json()["count"] == 1
        assert not vendor.ask("get", f"/responses/bounces/{who}/thresholdExceeded").json()["exceeded"]
        of_one = vendor.ask("get", "/responses", params={"category": category, "recipientIds": who}).json()
        assert [row["recipientId"] for row in of_one["elements"]] == [who]
    assert vendor.ask("get", "/responses", params={"category": "unknown", "mailingId": mailing}).json()["count"] == 0
    assert vendor.ask("get", "/responses", params={"category": "hardbounce"}).status_code == 400
    assert vendor.ask("get", "/responses", params={"mailingId": mailing}).status_code == 400
    assert vendor.ask("get", "/responses", params={"category": "hardbounce", "mailingId": 7}).status_code == 404

    count = vendor.ask("get", "/unsubscribes/count").json()["count"]
    assert count > 2
    newest: list[str] = []
    for offset in range(0, count, 2):
        query = {"sort": "created", "direction": "DESC", "limit": 2, "offset": offset}
        newest += [row["created"] for row in vendor.ask("get", "/unsubscribes", params=query).json()["elements"]]
    assert len(newest) == count
    assert newest == sorted(newest, reverse=True)
    gone = vendor.ask("get", "/unsubscribes", params={"limit": 1}).json()["elements"][0]["recipientId"]
    valid = vendor.ask("get", f"/recipients/{vendor.list_id()}/{gone}/valid").json()
    assert valid == {"valid": False, "recipientListId": vendor.list_id(), "validationFailedReason": "unsubscribed"}
    asked = vendor.ask("get", "/blacklistentries/blacklisted", params={"address": "a@blocked.example"}).json()
    assert asked == {"blacklisted": True, "pattern": "*@blocked.example"}


def test_the_third_hard_bounce_of_a_recipient_is_the_last(vendor: Simulation) -> None:
    for _ in range(3):
        import_list(vendor, 400)
        campaign_id = copy(vendor)
        post(vendor, f"/smartcampaigns/{campaign_id}/start")
        vendor.pass_time(hours=80)
    mailing = campaign(vendor, campaign_id)["messages"][0]["mailingId"]
    query = {"category": "hardbounce", "mailingId": mailing}
    who = vendor.ask("get", "/responses", params=query).json()["elements"][0]["recipientId"]
    assert vendor.ask("get", f"/responses/bounces/{who}/thresholdExceeded").json()["exceeded"]
    valid = vendor.ask("get", f"/recipients/{vendor.list_id()}/{who}/valid").json()
    assert valid["validationFailedReason"] == "bounced"
    import_list(vendor, 400)
    assert vendor.state()["imports"][-1]["skipped"]["bounced"] > 0


def test_a_wiped_recipient_is_forgotten_but_stays_on_the_list(vendor: Simulation) -> None:
    import_list(vendor, 20)
    campaign_id = copy(vendor)
    post(vendor, f"/smartcampaigns/{campaign_id}/start")
    vendor.pass_time(hours=1)
    assert record_of(vendor, campaign_id)["events_by_type"]["Send"] == 20
    wiped = vendor.ask("delete", "/recipients", params={"recipientKey": "P3@example.org", "reason": "asked for"})
    assert wiped.status_code == 202
    assert record_of(vendor, campaign_id)["events_by_type"]["Send"] == 19
    assert vendor.ask("get", f"/recipients/{vendor.list_id()}/count").json()["count"] == 20
    assert vendor.ask("delete", "/recipients").status_code == 400


def test_recipients_are_paged_in_order(vendor: Simulation) -> None:
    import_list(vendor, 5)
    path = f"/recipients/{vendor.list_id()}"
    first = vendor.ask("get", path, params={"limit": 3, "direction": "DESC"}).json()
    assert [row["id"] for row in first["elements"]] == [f"p{n}@example.org" for n in (4, 3, 2)]
    following = vendor.session.get(first["links"][0]["href"], timeout=10).json()
    assert [row["id"] for row in following["elements"]] == ["p1@example.org", "p0@example.org"]
    assert following["links"] == []


@pytest.mark.parametrize("strange", ["abc", str(2**70), "-1", "0x10", "%00", "٣"])
def test_an_unknown_id_is_not_found(shared_vendor: Simulation, strange: str) -> None:
    for path, status in (
        (f"/recipientlists/{strange}", 409),
        (f"/recipients/{strange}/count", 404),
        (f"/smartcampaigns/{strange}", 404),
        (f"/smartcampaigns/{FIRST_CAMPAIGN_ID}/schedules/{strange}", 404),
        (f"/smartcampaigns/{FIRST_CAMPAIGN_ID}/messages/{strange}", 404),
        (f"/smartcampaigns/{FIRST_CAMPAIGN_ID}/messages/{FIRST_MAILING_ID}/test/{strange}", 404),
    ):
        answer = shared_vendor.ask("get", path)
        assert answer.status_code == status
        assert answer.json()["httpStatusCode"] == status
    assert shared_vendor.ask("post", f"/smartcampaigns/{strange}/start").status_code == 409


@pytest.mark.parametrize("limit", ["0", "10000", "-1", "x", str(2**40)])
def test_a_page_is_shorter_than_10000(shared_vendor: Simulation, limit: str) -> None:
    for path in (
        "/recipientlists",
        "/smartcampaigns",
        "/unsubscribes",
        "/blacklistentries",
        "/customerjobs/configured",
    ):
        assert shared_vendor.ask("get", path, params={"limit": limit}).status_code == 400
