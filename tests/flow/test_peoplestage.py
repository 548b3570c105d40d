"""PeopleStage's channel: the calls of its scripts, the repeats that PeopleStage makes, and what is refused."""

import json
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
from sqlalchemy import func, select

from local.faststats.delivery_file_generator import write_delivery_file
from local.faststats.peoplestage import record_script, upload_blob
from shared.bridge import Bridge
from shared.broadcast import Broadcast, Intake, State, delivery_key
from shared.errors import DeliveryDiffers, DeliveryEnded, SettingsInvalid
from shared.faststats.peoplestage_slots import BroadcastCall, Slot, UploadCall
from shared.faststats.rs_db import RsDb
from shared.faststats.schema_map.names import RsDbSchema
from shared.operations import holds, peoplestage
from shared.operations.broadcasts import cancel
from shared.steps.chores.find_broadcast_rows import find_broadcast_rows
from shared.steps.housekeeping import housekeeping
from shared.web.peoplestage import answer
from tests.databases import ZONE
from tests.deaths import Died, let_die
from tests.flow.harness import Flow, until


class Script:
    """The Upload and the Broadcast script of one delivery, a call at a time."""

    def __init__(self, flow: Flow, folder: Path, *, rows: int = 60, **inputs: Any) -> None:
        self.guid = uuid.uuid4()
        self.flow = flow
        self.file = folder / f"PowerShell_Customers_{self.guid}.txt"
        write_delivery_file(self.file, rows, 1)
        self.inputs: dict[str, Any] = {
            "Path": rf"D:\Deliveries\{self.file.name}",
            "Size": str(self.file.stat().st_size),
            "ListName": "Customers",
            "MessageName": "Spring Newsletter",
            "UrnFieldName": "Kunden ID",
            "EmailFieldName": "Email",
            "SmsFieldName": "",
            "CommunicationKeyFieldName": "Communication Key",
            "TransactionType": "Replace",
            "ReplyToEmail": None,
            "Password": "the function key",
            **inputs,
        }

    def upload(self, **inputs: Any) -> dict[str, Any]:
        called = UploadCall.read(Slot.UPLOAD, self.inputs | inputs)
        return peoplestage.upload(self.flow.bridge, called)

    def broadcast(self, **inputs: Any) -> dict[str, Any]:
        called = BroadcastCall.read(Slot.BROADCAST, {"TransactionId": delivery_key(self.guid), **inputs})
        return peoplestage.broadcast(self.flow.bridge, called)

    def put(self) -> None:
        upload_blob(self.file, self.upload()["UploadUrl"])

    def staged(self) -> dict[str, Any]:
        """Upload until it is done."""
        self.put()
        return self.until_done(self.upload)

    def until_done(self, call: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        answers: list[dict[str, Any]] = []

        def done() -> bool:
            answers.append(call())
            return bool(answers[-1]["Done"])

        until(done, "a slot that is done", between=self.flow.deliver)
        return answers[-1]

    @property
    def ledger(self) -> Broadcast:
        return self.flow.bridge.ledger.broadcasts.get(delivery_key(self.guid))


@pytest.fixture
def script(flow: Flow, tmp_path: Path) -> Script:
    return Script(flow, tmp_path)


def test_a_delivery_is_uploaded_held_released_and_sent_once(script: Script, flow: Flow) -> None:
    uploaded = script.staged()
    assert script.ledger.request.source is Intake.CHANNEL
    assert script.ledger.state is State.STAGED
    rows = script.ledger.rows
    assert rows is not None
    assert (uploaded["Recipients"], uploaded["RecipientsRejected"]) == (rows.uploaded, rows.read - rows.uploaded)
    flow.deliver()
    assert script.ledger.state is State.STAGED, "it waits for the Broadcast slot"
    sent = script.until_done(script.broadcast)
    campaign = flow.campaign(script.ledger)
    assert campaign["mails_sent"] == campaign["distinct_recipients_mailed"] == sent["Recipients"] > 0
    assert sent["TransactionId"] == str(script.ledger.mailing_id)
    assert script.broadcast()["Recipients"] == sent["Recipients"], "a repeat finds the first"
    assert script.upload()["Done"]
    flow.deliver()
    assert len(flow.copies(script.ledger)) == 1


def detail_rows(flow: Flow) -> list[tuple[Any, ...]]:
    """Row of `Broadcasts`, action and transaction id of each row of `BroadcastsDetail`."""
    schema = RsDbSchema(ZONE)
    detail = schema.broadcasts_detail
    columns = select(detail.c.broadcast_id, detail.c.action_type, detail.c.broadcaster_transaction_id)
    with flow.bridge.rs_database.reading() as connection:
        assert connection.execute(select(func.count()).select_from(schema.broadcasts)).scalar_one() <= 1
        return [tuple(row) for row in connection.execute(columns.order_by(detail.c.id))]


def record_as_faststats(flow: Flow, uploaded: dict[str, Any], row: int | None = None) -> int:
    """Write what FastStats writes when a script returns: the row of `Broadcasts` first, then its `Delivered` row."""
    returned = {name: value for name, value in uploaded.items() if name not in {"Done", "State"}}
    return record_script(flow.bridge.rs_database, returned, zone=ZONE, list_name="Customers", broadcast_id=row)


@pytest.mark.parametrize("early", [True, False])
def test_responses_refer_to_the_row_that_faststats_writes(script: Script, flow: Flow, *, early: bool) -> None:
    """FastStats writes from what the scripts return; its rows may come before or after the bridge needs them."""
    uploaded = script.staged()
    row = record_as_faststats(flow, uploaded) if early else 0
    script.until_done(script.broadcast)
    until(lambda: script.ledger.state is State.CLOSED, "a closed broadcast", between=flow.deliver)
    actions = [action for _, action, _ in detail_rows(flow)]
    assert actions == (["Prepared"] if early else []), "the bridge writes none of its own"
    if not early:
        row = record_as_faststats(flow, uploaded)
        record_as_faststats(flow, uploaded, row)
    housekeeping(flow.bridge)
    assert script.ledger.rs_broadcast_id == row
    if not early:
        delivered = (row, "Delivered", str(script.ledger.mailing_id))
        assert detail_rows(flow)[1] == delivered, "a script that did not wait knew less"


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_death_at_the_delivered_row_leaves_it_for_the_next_round(
    script: Script, flow: Flow, monkeypatch: pytest.MonkeyPatch, *, after: bool
) -> None:
    uploaded = script.staged()
    script.until_done(script.broadcast)
    until(lambda: script.ledger.state is State.CLOSED, "a closed broadcast", between=flow.deliver)
    row = record_as_faststats(flow, uploaded)
    record_as_faststats(flow, uploaded, row)
    death = let_die(monkeypatch, RsDb, "record_delivered", after=after)
    with pytest.raises(Died):
        find_broadcast_rows(flow.bridge)
    assert death.struck
    assert find_broadcast_rows(flow.bridge) == 1
    assert script.ledger.rs_broadcast_id == row
    assert detail_rows(flow)[1] == (row, "Delivered", str(script.ledger.mailing_id))
    assert find_broadcast_rows(flow.bridge) == 0


@pytest.mark.parametrize("state", ["url", "put", "claimed", "staged", "released"])
def test_a_repeat_at_any_point_joins_the_first(script: Script, flow: Flow, state: str) -> None:
    if state == "url":
        script.upload()
    else:
        script.put()
    if state in {"claimed", "staged", "released"}:
        script.upload()
    if state in {"staged", "released"}:
        script.until_done(script.upload)
    if state == "released":
        script.broadcast()
    if state == "url":
        script.put()
    script.until_done(script.upload)
    script.until_done(script.broadcast)
    (copy,) = flow.copies(script.ledger)
    assert copy["mails_sent"] == copy["distinct_recipients_mailed"] > 0


def test_a_failed_delivery_that_is_repeated_goes_on_and_waits_for_its_release(
    script: Script, flow: Flow, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(type(flow.bridge.names), "get_list_id", lambda *_: 1 / 0)
        patch.setitem(flow.bridge.settings.__dict__, "max_attempts", 1)
        script.put()
        script.upload()
        until(lambda: script.ledger.state is State.FAILED, "a failed broadcast", between=flow.deliver)
    with pytest.raises(DeliveryEnded, match="unexpected-error"):
        script.broadcast()
    script.until_done(script.upload)
    assert script.ledger.state is State.STAGED
    script.until_done(script.broadcast)
    assert script.ledger.state in {State.SENT, State.CLOSED}


def test_upload_only_needs_no_release_and_mails_nobody(flow: Flow, tmp_path: Path) -> None:
    script = Script(flow, tmp_path, MessageName="")
    script.staged()
    until(lambda: script.ledger.state is State.CLOSED, "a closed broadcast", between=flow.deliver)
    assert flow.copies(script.ledger) == []


@pytest.mark.parametrize(
    ("inputs", "result"),
    [({"ListName": "Seed list"}, "another ListName"), ({"MessageName": "Other"}, "another MessageName")],
)
def test_the_same_delivery_for_something_else_is_refused(script: Script, inputs: dict[str, str], result: str) -> None:
    script.staged()
    with pytest.raises(DeliveryDiffers, match=result):
        script.upload(**inputs)


def test_a_cancelled_delivery_says_so(script: Script, flow: Flow) -> None:
    script.staged()
    cancel(flow.bridge, script.ledger.key, owner="operator")
    until(lambda: script.ledger.state is State.CANCELLED, "a cancelled broadcast", between=flow.deliver)
    with pytest.raises(DeliveryEnded, match="is cancelled"):
        script.broadcast()
    with pytest.raises(DeliveryEnded, match="is cancelled"):
        script.upload()


def test_a_file_of_another_size_is_put_anew(script: Script) -> None:
    url = script.upload()["UploadUrl"]
    half = script.file.with_suffix(".half")
    half.write_bytes(script.file.read_bytes()[:100])
    upload_blob(half, url)
    script.put()
    assert "UploadUrl" not in script.upload()


def test_the_address_of_an_upload_allows_nothing_else(script: Script) -> None:
    url = script.upload()["UploadUrl"]
    upload_blob(script.file, url)
    assert requests.get(url, timeout=10).status_code == 403
    assert requests.delete(url, timeout=10).status_code == 403
    other = url.replace("/delivery?", "/list?")
    assert requests.put(f"{other}&comp=blocklist", data=b"<BlockList/>", timeout=10).status_code == 403


def slot(flow: Flow, name: str, given: object) -> tuple[int, Any]:
    body = given if isinstance(given, bytes) else json.dumps(given).encode()
    status, text = answer(lambda: flow.bridge, name, body)
    return status, json.loads(text)


def test_messages_and_lists_are_those_that_a_delivery_can_name(flow: Flow) -> None:
    status, messages = slot(flow, "messages", {"Username": "u", "Password": "p"})
    assert (status, "Spring Newsletter" in [one["name"] for one in messages]) == (200, True)
    status, lists = slot(flow, "lists", {})
    assert (status, "Customers" in [one["name"] for one in lists]) == (200, True)
    assert all(set(one) == {"id", "name"} and isinstance(one["id"], str) for one in messages + lists)


def test_the_login_is_tested_and_a_message_can_be_checked(flow: Flow) -> None:
    assert slot(flow, "test", {})[0] == 200
    status, shown = slot(flow, "preview", {"MessageName": "Spring Newsletter"})
    assert status == 200
    assert set(shown) == {"Type", "FromAddress", "FromName", "ReplyTo", "Subject", "Html", "Text"}
    assert shown["Subject"]


@pytest.mark.parametrize(
    ("name", "given", "status", "result"),
    [
        ("nothing", {}, 404, "there is no such slot"),
        ("upload", b"{", 400, "it is not JSON"),
        ("upload", b"[" * 100_000, 400, "it is not JSON"),
        ("upload", b" " * 300_000, 400, "it is longer than"),
        ("upload", [], 400, "an object is expected"),
        ("upload", {}, 400, "missing: Path,"),
        ("upload", {"Path": "D:\\x.txt", "Size": "-1"}, 400, "Size: "),
        ("broadcast", {"TransactionId": "J1-0123abcd"}, 400, "TransactionId: "),
        ("broadcast", {"TransactionId": "D" + "0" * 32}, 404, "has no broadcast"),
        ("preview", {"MessageName": ""}, 400, "MessageName: "),
        ("preview", {"MessageName": "No such"}, 422, "No such"),
        ("preview", {"MessageName": "two\nlines"}, 400, "one line is expected"),
    ],
)
def test_what_cannot_be_is_refused_with_its_reason(
    flow: Flow, name: str, given: object, status: int, result: str
) -> None:
    found, text = slot(flow, name, given)
    assert found == status
    assert set(text) == {"code", "error"}
    assert result in text["error"]


@pytest.mark.parametrize(
    ("inputs", "result"),
    [
        ({"Path": r"D:\Deliveries\news.txt"}, "ends with a GUID"),
        ({"TransactionType": "Append"}, "TransactionType: "),
        ({"ListName": ""}, "a list is needed"),
        ({"SendAt": "soon"}, "SendAt: not an ISO 8601 time"),
        ({"SendAt": "2026-03-29 02:30"}, "skips"),
        ({"SendAt": "0001-01-01T00:00:00"}, "SendAt: not within the years 2000 to 2099"),
        ({"SendAt": "9999-12-31T23:59:59-12:00"}, "SendAt: not within the years 2000 to 2099"),
        ({"Channel": "nowhere"}, "no channel named"),
        ({"UrnFieldName": "a\tb"}, "UrnFieldName: one line"),
    ],
)
def test_an_upload_that_cannot_be_carried_is_refused_before_anything_is_put(
    flow: Flow, tmp_path: Path, inputs: dict[str, str], result: str
) -> None:
    script = Script(flow, tmp_path)
    status, text = slot(flow, "upload", script.inputs | inputs)
    assert status in {400, 422}
    assert result in text["error"]


def test_what_is_no_call_is_reported_before_the_bridge_is_asked_for() -> None:
    def cannot_start() -> Bridge:
        raise SettingsInvalid(reason="SFTP_HOST: Field required")

    status, text = answer(cannot_start, "upload", b"{")
    assert (status, json.loads(text)["code"]) == (400, "channel-call-invalid")
    status, text = answer(cannot_start, "upload", b"{}")
    assert (status, json.loads(text)["code"]) == (422, "settings-invalid")


def test_a_delivery_is_not_released_while_all_is_held(script: Script, flow: Flow) -> None:
    script.staged()
    holds.add(flow.bridge, "wrong voucher codes", by="jane")
    body = json.dumps({"TransactionId": delivery_key(script.guid)}).encode()
    status, text = answer(lambda: flow.bridge, "broadcast", body)
    assert status == 503
    refusal = json.loads(text)
    assert refusal["code"] == "held"
    assert "jane placed a hold (wrong voucher codes)" in refusal["error"]
    assert script.ledger.released_at is None
    status, text = answer(lambda: flow.bridge, "send-test", b'{"MessageName": "Spring Newsletter"}')
    assert (status, json.loads(text)["code"]) == (503, "held")
    holds.lift(flow.bridge, by="joe")
    assert script.until_done(script.broadcast)["Done"]
