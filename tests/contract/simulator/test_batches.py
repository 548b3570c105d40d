"""Sending batches: their states, the list pool, and when the campaign starts."""

from datetime import timedelta
from typing import Any

from local.simulator.store import FIRST_CAMPAIGN_ID, FIRST_LIST_ID, FIRST_MAILING_ID
from tests.contract.simulator.conftest import Simulation
from tests.contract.simulator.test_states import campaign, post, record_of, report, simulated

POOL = [FIRST_LIST_ID + number for number in range(5, 9)]


def prepare(vendor: Simulation, status: int = 201, **form: str) -> Any:
    asked = {"campaign": str(FIRST_CAMPAIGN_ID), "campaignAction": "copy"} | form
    answer = vendor.ask("post", "/sending/batches", files={name: (None, value) for name, value in asked.items()})
    assert answer.status_code == status, answer.text
    return answer.json()


def recipients(begin: int, end: int) -> list[dict[str, Any]]:
    return [
        {"id": f"p{n}@example.org", "data": {"Urn": str(n), "CommunicationKey": f"k{n}", "BroadcastKey": "B1"}}
        for n in range(begin, end)
    ]


def put(vendor: Simulation, batch: Any, name: str, rows: list[dict[str, Any]]) -> Any:
    return vendor.ask("put", f"/sending/batches/{batch['id']}", json={"chunk": name, "recipients": rows})


def send(vendor: Simulation, batch: Any) -> int:
    return int(vendor.ask("post", f"/sending/batches/{batch['id']}").status_code)


def read(vendor: Simulation, batch: Any) -> Any:
    return vendor.ask("get", f"/sending/batches/{batch['id']}").json()


def test_a_batch_is_imported_and_then_sent(vendor: Simulation) -> None:
    batch = prepare(vendor, tag="B-1")
    assert (batch["state"], batch["tag"], batch["chunks"], batch["recipientListId"]) == (
        "initiated",
        "B-1",
        [],
        POOL[0],
    )
    assert campaign(vendor, batch["campaignId"])["name"] == "Spring Newsletter B-1"
    assert send(vendor, batch) == 409, "it has no chunks"
    assert put(vendor, batch, "c-1", recipients(0, 300)).json() == {"chunk": "c-1", "count": 300}
    assert put(vendor, batch, "c-2", recipients(200, 500)).json() == {"chunk": "c-2", "count": 300}
    assert read(vendor, batch)["state"] == "has_recipients"
    assert read(vendor, batch)["chunks"] == ["c-1", "c-2"]
    before = vendor.ask("get", f"/recipientlists/{POOL[0]}").json()
    assert send(vendor, batch) == 202
    assert send(vendor, batch) == put(vendor, batch, "c-3", []).status_code == 409
    assert read(vendor, batch)["state"] == "sent"
    vendor.pass_time(seconds=60)
    assert vendor.ask("get", f"/recipientlists/{POOL[0]}").json()["recipients"] == 0
    assert campaign(vendor, batch["campaignId"])["status"] == "activationRequired"
    vendor.pass_time(seconds=90)
    after = vendor.ask("get", f"/recipientlists/{POOL[0]}").json()
    assert after["recipients"] == 500
    assert after["modified"] > before["modified"]
    assert campaign(vendor, batch["campaignId"])["status"] == "running"
    run = vendor.state()["imports"][-1]
    assert (run["rows_read"], run["imported"], run["skipped"]) == (600, 500, {"duplicate": 100})
    vendor.pass_time(hours=1)
    assert record_of(vendor, batch["campaignId"])["mails_sent"] == 500
    assert [entry["id"] for entry in vendor.ask("get", "/sending/batches").json()["elements"]] == [batch["id"]]


def test_a_repeated_chunk_replaces_the_first_and_the_last_can_be_added_with_the_sending(vendor: Simulation) -> None:
    batch = prepare(vendor)
    put(vendor, batch, "c-1", recipients(0, 10))
    put(vendor, batch, "c-1", recipients(10, 15))
    last = {"chunk": "c-2", "recipients": recipients(20, 23)}
    assert vendor.ask("post", f"/sending/batches/{batch['id']}", json=last).status_code == 202
    vendor.pass_time(minutes=3)
    assert vendor.state()["imports"][-1]["imported"] == 8
    assert read(vendor, batch)["chunks"] == ["c-1", "c-2"]


def test_suppressed_recipients_are_not_counted_and_not_imported(vendor: Simulation) -> None:
    batch = prepare(vendor)
    rows = [
        *recipients(0, 2),
        {"id": "b@blocked.example", "data": {}},
        {"id": "unsubscribed.x@example.org", "data": {}},
        {"id": "4711", "data": {}},
        {"id": "4712", "data": {"Email": "somebody@example.org"}},
        {"id": "date@example.org", "data": {"CustomerSince": "yesterday"}},
        {"id": "good@example.org", "data": {"Email": "Good@example.org", "LoyaltyPoints": 7, "CustomerSince": None}},
    ]
    assert put(vendor, batch, "c-1", rows).json()["count"] == 3
    send(vendor, batch)
    vendor.pass_time(minutes=3)
    run = vendor.state()["imports"][-1]
    assert (run["rows_read"], run["imported"]) == (8, 3)
    assert run["skipped"] == {"blocklisted": 1, "unsubscribed": 1, "wrong address": 2, "wrong value": 1}


def test_an_unknown_field_and_an_empty_numeric_one_are_answered_with_500(vendor: Simulation) -> None:
    batch = prepare(vendor)
    data: dict[str, Any]
    for data in ({"Nothing": "x"}, {"LoyaltyPoints": ""}, {"LoyaltyPoints": None}):
        answer = put(vendor, batch, "c-1", [{"id": "a@example.org", "data": data}])
        assert (answer.status_code, answer.json()["errorMessage"]) == (500, "Internal Server Error")
    assert read(vendor, batch)["state"] == "initiated"


NO_CHUNKS = [
    "",
    "{",
    "[]",
    "{}",
    '{"chunk": "a"}',
    '{"chunk": "a b", "recipients": []}',
    '{"chunk": "%s", "recipients": []}' % ("a" * 251),
    '{"chunk": "", "recipients": []}',
    '{"chunk": "ä", "recipients": []}',
    '{"chunk": 5, "recipients": []}',
    '{"chunk": "a", "recipients": [{"data": {}}]}',
    '{"chunk": "a", "recipients": [{"id": "a@example.org", "data": []}]}',
    '{"chunk": "a", "recipients": [{"id": "a@example.org", "data": {"Title": {}}}]}',
    '{"chunk": "a", "recipients": [{"id": "\\ud800@example.org"}]}',
]


def test_a_malformed_chunk_is_refused(vendor: Simulation) -> None:
    batch = prepare(vendor)
    for body in NO_CHUNKS:
        path, headers = f"/sending/batches/{batch['id']}", {"Content-Type": "application/json"}
        assert vendor.ask("put", path, data=body, headers=headers).status_code == 400, body
    assert read(vendor, batch)["state"] == "initiated"


def test_a_batch_that_cannot_be_prepared_is_refused(vendor: Simulation) -> None:
    for wrong in (
        {"campaign": "Spring"},
        {"campaign": "7"},
        {"campaign": str(FIRST_MAILING_ID)},
        {"campaign": ""},
        {"campaignAction": "move"},
        {"tag": "B 1"},
        {"tag": "B1;"},
    ):
        prepare(vendor, 400, **wrong)
    form = {"campaign": str(FIRST_CAMPAIGN_ID), "campaignAction": "copy"}
    assert vendor.ask("post", "/sending/batches", data=form).status_code == 400, "the form is multipart/form-data"
    prepare(vendor, 409, campaign=str(FIRST_CAMPAIGN_ID + 4), campaignAction="use")
    assert vendor.ask("get", "/sending/batches").json()["elements"] == []
    for batch_id in ("7", "abc", str(2**70)):
        assert vendor.ask("get", f"/sending/batches/{batch_id}").status_code == 404
        assert put(vendor, {"id": batch_id}, "c", []).status_code == 404
        assert send(vendor, {"id": batch_id}) == 404


def test_a_batch_can_use_a_campaign_itself(vendor: Simulation) -> None:
    batch = prepare(vendor, campaignAction="use")
    assert (batch["campaignId"], batch["recipientListId"]) == (FIRST_CAMPAIGN_ID, POOL[0])
    put(vendor, batch, "c", recipients(0, 3))
    send(vendor, batch)
    vendor.pass_time(minutes=3)
    vendor.pass_time(minutes=3)
    assert campaign(vendor, FIRST_CAMPAIGN_ID)["status"] == "finished"
    prepare(vendor, 409, campaignAction="use")


def test_a_batch_whose_campaign_was_started_by_somebody_else_is_invalid(vendor: Simulation) -> None:
    batch = prepare(vendor)
    put(vendor, batch, "c", recipients(0, 3))
    post(vendor, f"/smartcampaigns/{batch['campaignId']}/start")
    assert read(vendor, batch)["state"] == "invalid"
    assert send(vendor, batch) == 409


def test_the_lists_of_the_pool_are_acquired_in_turn_and_reused_after_the_campaign(vendor: Simulation) -> None:
    made = [prepare(vendor) for _ in POOL]
    assert [batch["recipientListId"] for batch in made] == POOL
    prepare(vendor, 409)
    for batch in made[1:3]:
        put(vendor, batch, "c", recipients(0, 3))
        send(vendor, batch)
    vendor.pass_time(seconds=150)
    prepare(vendor, 409)
    vendor.pass_time(minutes=3)
    assert campaign(vendor, made[1]["campaignId"])["status"] == "finished"
    again = [prepare(vendor) for _ in range(2)]
    assert [batch["recipientListId"] for batch in again] == POOL[1:3]
    put(vendor, again[0], "c", recipients(5, 6))
    send(vendor, again[0])
    vendor.pass_time(minutes=3)
    assert vendor.ask("get", f"/recipients/{POOL[1]}").json()["elements"] == [{"id": "p5@example.org"}]


def test_a_batch_waits_for_the_scheduled_time_of_its_campaign(vendor: Simulation) -> None:
    batch = prepare(vendor)
    late = simulated(vendor) + timedelta(hours=2)
    path = f"/smartcampaigns/{batch['campaignId']}/schedules"
    post(vendor, path, 201, scheduledAt=late.isoformat())
    put(vendor, batch, "c", recipients(0, 3))
    send(vendor, batch)
    vendor.pass_time(hours=1)
    assert campaign(vendor, batch["campaignId"])["status"] == "running"
    assert report(vendor, batch["campaignId"])["inQueue"] == 3
    vendor.pass_time(hours=2)
    assert record_of(vendor, batch["campaignId"])["mails_sent"] == 3


def test_response_files_have_the_keys_of_the_batch(vendor: Simulation) -> None:
    batch = prepare(vendor)
    put(vendor, batch, "c", recipients(7, 8))
    send(vendor, batch)
    while not vendor.state()["response_files"]:
        vendor.pass_time(hours=6)
    with vendor.site.connect() as session:
        name = vendor.state()["response_files"][0]["name"]
        row = b"".join(session.read(f"/responses/{name}")).decode().splitlines()[1].split(";")
    assert row[:4] == ["p7@example.org", "7", "k7", "Send"]
    assert row[9] == "B1"


def test_a_chunk_may_be_large(vendor: Simulation) -> None:
    batch = prepare(vendor)
    rows = [row | {"data": row["data"] | {"Company": "x" * 100}} for row in recipients(0, 20_000)]
    assert put(vendor, batch, "c", rows).json()["count"] == 20_000
