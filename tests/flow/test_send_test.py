"""A test send goes to a seed list, and to nobody else; its report shows what became of it."""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Connection, select

from shared.broadcast import SendMode
from shared.config.channels import DEFAULT
from shared.errors import ListUnknown, MessageNotTestable, OptimizelyRefused, SeedListMissing, SeedListUnfit
from shared.ledger.leases import LeaseName, release
from shared.ledger.tables import lease
from shared.ledger.test_sends import TestSends
from shared.operations import test_send as send_test
from shared.optimizely.rest.answers import TestMailingStarted
from shared.optimizely.rest.client import OptimizelyRest
from shared.web.peoplestage import answer
from tests.deaths import Died, let_die
from tests.flow.harness import Flow, channel, until


def test_a_message_is_tested_before_there_is_a_broadcast(flow: Flow) -> None:
    flow.use(channel())
    sent = send_test.for_message(flow.bridge, "Spring Newsletter", channel=DEFAULT)
    assert sent.started.valid > 0

    def all_sent() -> bool:
        return send_test.report(flow.bridge, sent).recipients_by_status == {"sent": sent.started.valid}

    until(all_sent, "every test mail is sent")
    campaign = next(one for one in flow.simulator()["campaigns"] if one["id"] == sent.campaign_id)
    assert (campaign["status"], campaign["mails_sent"]) == ("activationRequired", 0)


def test_the_message_of_a_broadcast_is_tested_as_it_was_sent(flow: Flow) -> None:
    flow.use(channel())
    broadcast = flow.run(flow.order())
    mailed = flow.campaign(broadcast)["mails_sent"]
    sent = send_test.for_broadcast(flow.bridge, broadcast.key, seed_list="Seed list")
    assert (sent.campaign_id, sent.mailing_id) == (broadcast.campaign_id, broadcast.mailing_id)
    assert flow.campaign(broadcast)["mails_sent"] == mailed
    assert flow.simulator()["mailed_twice"] == 0


def test_a_broadcast_that_is_not_prepared_yet_is_tested_with_its_source(flow: Flow) -> None:
    flow.use(channel())
    job_id = flow.order()
    flow.poll()
    sent = send_test.for_broadcast(flow.bridge, flow.broadcast(job_id).key)
    assert sent.campaign_id == flow.bridge.names.get_message("Spring Newsletter").campaign_id


def test_customers_are_not_taken_for_a_seed_list(flow: Flow) -> None:
    flow.use(channel())
    flow.run(flow.order(recipients=150, upload_only=True))
    with pytest.raises(SeedListUnfit, match=r"'Customers' has 1[0-9][0-9] recipients"):
        send_test.for_message(flow.bridge, "Spring Newsletter", channel=DEFAULT, seed_list="Customers")
    with pytest.raises(SeedListUnfit, match="has 0 recipients"):
        send_test.for_message(flow.bridge, "Spring Newsletter", channel=DEFAULT, seed_list="Prospects")


def test_what_cannot_be_tested_is_reported(flow: Flow) -> None:
    flow.use(channel(send=SendMode.VERIFY_THEN_START))
    with pytest.raises(ListUnknown):
        send_test.for_message(flow.bridge, "Spring Newsletter", channel=DEFAULT, seed_list="Nowhere")
    job_id = flow.order(upload_only=True, message_name="")
    flow.poll()
    with pytest.raises(MessageNotTestable):
        send_test.for_broadcast(flow.bridge, flow.broadcast(job_id).key)
    flow.use(channel().model_copy(update={"seed_list": ""}))
    with pytest.raises(SeedListMissing):
        send_test.for_message(flow.bridge, "Spring Newsletter", channel=DEFAULT)


# Test sends that PeopleStage's script asks for, several times for one click


def click(flow: Flow, request_id: object = None, **inputs: Any) -> tuple[int, dict[str, Any]]:
    """A try of the script: HTTP status and answer."""
    given = {"MessageName": "Spring Newsletter", "RequestId": None if request_id is None else str(request_id)}
    status, text = answer(lambda: flow.bridge, "send-test", json.dumps(given | inputs).encode())
    return status, json.loads(text)


def sends_since(flow: Flow, first: dict[str, Any]) -> int:
    """How many test mailings Optimizely has begun since this one: it numbers them."""
    return int(click(flow)[1]["TransactionId"]) - int(first["TransactionId"]) - 1


def test_all_tries_of_a_click_get_the_first_result_and_send_once(flow: Flow) -> None:
    flow.use(channel())
    request_id = uuid4()
    status, first = click(flow, request_id)
    assert (status, first["Recipients"] > 0) == (200, True)
    flow.clock.advance(hours=23)
    assert click(flow, str(request_id).upper()) == (200, first)
    assert sends_since(flow, first) == 0
    flow.clock.advance(hours=2)
    status, later = click(flow, request_id)
    assert (status, later["TransactionId"] != first["TransactionId"]) == (200, True), "kept for a day"


def test_calls_without_a_guid_send_each_time(flow: Flow) -> None:
    flow.use(channel())
    _, first = click(flow)
    _, second = click(flow, "")
    assert int(second["TransactionId"]) == int(first["TransactionId"]) + 1


def test_tries_at_the_same_time_send_once(flow: Flow) -> None:
    """A script gives up after 100 seconds and tries again, while the first call still works."""
    flow.use(channel())
    flow.add_fault({"kind": "latency", "operation": "startTestMailing_2", "seconds": 1})
    request_id = uuid4()
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: click(flow, request_id), range(4)))
    flow.clear_faults()
    assert {status for status, _ in answers} <= {200, 503}
    assert {text["code"] for status, text in answers if status == 503} <= {"test-send-busy"}
    status, first = click(flow, request_id)
    assert status == 200
    assert all(text == first for status, text in answers if status == 200)
    assert sends_since(flow, first) == 0


@pytest.mark.parametrize("after", [False, True], ids=["before the send", "after the send"])
def test_a_try_that_died_is_not_sent_again_and_says_so(
    flow: Flow, monkeypatch: pytest.MonkeyPatch, *, after: bool
) -> None:
    flow.use(channel())
    _, before = click(flow)
    request_id = uuid4()
    with monkeypatch.context() as patched:
        let_die(patched, OptimizelyRest, "start_test_mailing", after=after)
        with pytest.raises(Died):
            click(flow, request_id)
    status, text = click(flow, request_id)
    assert (status, text["code"]) == (422, "test-send-outcome-unknown"), "which the script does not retry"
    assert "new click" in text["error"]
    assert sends_since(flow, before) == after


def test_a_try_whose_process_holds_its_lease_is_under_way(flow: Flow) -> None:
    flow.use(channel())
    request_id = uuid4()
    with flow.bridge.ledger.leases.held(LeaseName.for_test_send(request_id), "the first try"):
        status, text = click(flow, request_id)
    assert (status, text["code"]) == (503, "test-send-busy"), "which the script retries"
    assert click(flow, request_id)[0] == 200, "it had not come as far as the send"


def test_a_frozen_try_that_wakes_up_does_not_send_after_another(flow: Flow, monkeypatch: pytest.MonkeyPatch) -> None:
    """It lost its lease while it was frozen, right before it recorded its try."""
    flow.use(channel())
    request_id, begin = uuid4(), TestSends.begin
    others: list[tuple[int, dict[str, Any]]] = []

    def frozen(tried: TestSends, *arguments: Any, **named: Any) -> bool:
        monkeypatch.setattr(TestSends, "begin", begin)
        with flow.bridge.rs_database.writing() as connection:
            release(connection, LeaseName.for_test_send(request_id), _holder(connection, request_id))
        others.append(click(flow, request_id))
        return begin(tried, *arguments, **named)

    monkeypatch.setattr(TestSends, "begin", frozen)
    status, text = click(flow, request_id)
    assert (status, text["code"]) == (503, "test-send-busy")
    ((status, first),) = others
    assert status == 200
    assert click(flow, request_id) == (200, first)
    assert sends_since(flow, first) == 0


def test_a_frozen_try_that_is_refused_does_not_forget_another(flow: Flow, monkeypatch: pytest.MonkeyPatch) -> None:
    """It lost its lease while it was frozen, before a request that Optimizely then refused."""
    flow.use(channel())
    request_id, count = uuid4(), OptimizelyRest.count_recipients
    others: list[tuple[int, dict[str, Any]]] = []

    def frozen(*_arguments: object, **_named: object) -> int:
        monkeypatch.setattr(OptimizelyRest, "count_recipients", count)
        with flow.bridge.rs_database.writing() as connection:
            release(connection, LeaseName.for_test_send(request_id), _holder(connection, request_id))
        others.append(click(flow, request_id))
        raise OptimizelyRefused(operation="countRecipients", status=400)

    monkeypatch.setattr(OptimizelyRest, "count_recipients", frozen)
    assert click(flow, request_id)[1]["code"] == "optimizely-refused"
    ((status, first),) = others
    assert status == 200
    assert click(flow, request_id) == (200, first)
    assert sends_since(flow, first) == 0


def _holder(connection: Connection, request_id: UUID) -> str:
    its_lease = lease.c.name == LeaseName.for_test_send(request_id)
    return str(connection.execute(select(lease.c.owner).where(its_lease)).scalar_one())


@pytest.mark.parametrize("when", ["before", "after"])
def test_an_answer_that_is_lost_is_no_reason_to_send_again(flow: Flow, when: str) -> None:
    flow.use(channel())
    _, before = click(flow)
    request_id = uuid4()
    flow.add_fault({"kind": "drop", "operation": "startTestMailing_2", "when": when, "times": 1})
    assert click(flow, request_id)[0] == 503
    assert click(flow, request_id)[1]["code"] == "test-send-outcome-unknown"
    assert sends_since(flow, before) == (when == "after")


def test_a_try_that_failed_before_the_send_is_made_by_the_next(flow: Flow) -> None:
    flow.use(channel())
    request_id = uuid4()
    flow.add_fault({"kind": "status", "operation": "countRecipients", "status": 503, "when": "before", "times": 4})
    assert click(flow, request_id)[0] == 503
    flow.clear_faults()
    assert click(flow, request_id)[0] == 200


def test_a_refusal_is_answered_as_one_and_recorded_as_no_send(flow: Flow, monkeypatch: pytest.MonkeyPatch) -> None:
    flow.use(channel())
    request_id = uuid4()

    def refused(*_arguments: object, **_named: object) -> TestMailingStarted:
        raise OptimizelyRefused(operation="startTestMailing_2", status=400)

    with monkeypatch.context() as patched:
        patched.setattr(OptimizelyRest, "start_test_mailing", refused)
        assert click(flow, request_id)[1]["code"] == "optimizely-refused"
    assert click(flow, request_id)[0] == 200


def test_a_guid_belongs_to_one_message(flow: Flow) -> None:
    flow.use(channel())
    request_id = uuid4()
    click(flow, request_id)
    status, text = click(flow, request_id, MessageName="Another")
    assert (status, text["code"]) == (409, "test-send-differs")
    status, text = click(flow, "no guid")
    assert (status, text["code"]) == (400, "channel-call-invalid")
    assert "RequestId" in text["error"]
