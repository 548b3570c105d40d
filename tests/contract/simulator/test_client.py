"""Each method of the REST client sends requests that the vendor's description allows, and reads its answers."""

import ast
import inspect
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
import requests

from local.simulator.store import FIRST_CAMPAIGN_ID, FIRST_LIST_ID
from shared.optimizely.rest import client
from shared.optimizely.rest.client import OptimizelyRest
from shared.optimizely.rest.transport import Received, RestTransport
from tests.contract.simulator.conftest import Simulation
from tests.contract.simulator.description import Description, Operation, needed

pytestmark = needed

SEEDS = FIRST_LIST_ID + 4
EVENING = FIRST_CAMPAIGN_ID + 5


class Exchanges:
    """Checks every exchange of a client against the description.

    Args:
        rest: the client.
        monkeypatch: removes the wrapper at the end.
    """

    def __init__(self, rest: OptimizelyRest, monkeypatch: pytest.MonkeyPatch) -> None:
        self.description = Description.load()
        #: Operations in the order of the requests.
        self.seen: list[str] = []
        self._asked: Operation | None = None
        monkeypatch.setattr(rest._transport, "_exchange", self._naming(rest._transport._exchange))
        rest._transport._session.hooks["response"].append(self._hold)

    def _hold(self, answer: requests.Response, **_: object) -> None:
        self._asked = self.description.check_request(answer.request)
        self.description.check_answer(self._asked, answer, listed=True)
        self.seen.append(self._asked.id)

    def _naming(self, exchange: Callable[..., Received]) -> Callable[..., Received]:
        """The client names operations as the description does, for its errors."""

        def naming(method: str, operation: str, *more: Any) -> Received:
            received = exchange(method, operation, *more)
            assert self._asked is not None
            assert (method, operation) == (self._asked.method, self._asked.id)
            return received

        return naming


@pytest.fixture
def exchanges(vendor: Simulation, monkeypatch: pytest.MonkeyPatch) -> Exchanges:
    return Exchanges(vendor.rest, monkeypatch)


class Recorder:
    """A client that records which of its methods were used.

    Args:
        rest: the client.
    """

    def __init__(self, rest: OptimizelyRest) -> None:
        self._rest = rest
        self.names: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        self.names.add(name)
        return getattr(self._rest, name)


def test_every_method_of_the_client_conforms_to_the_description(vendor: Simulation, exchanges: Exchanges) -> None:
    rest = Recorder(vendor.rest)
    lists_and_recipients(rest)
    campaigns(rest)
    batches_and_responses(vendor, rest)
    methods = {name for name, _ in inspect.getmembers(OptimizelyRest, inspect.isfunction) if name[0] != "_"}
    assert rest.names == methods - {"close"}
    named = {node.value for node in ast.walk(ast.parse(inspect.getsource(client))) if isinstance(node, ast.Constant)}
    assert set(exchanges.seen) == named & exchanges.description.operations.keys()


def lists_and_recipients(rest: Recorder) -> None:
    rest.get_authenticated_user()
    assert SEEDS in {listed.id for listed in rest.select_recipient_lists()}
    assert rest.get_recipient_list(SEEDS).recipients == rest.count_recipients(SEEDS) == 5
    assert "Email" in {field.internal_name for field in rest.get_recipient_list_fields(SEEDS)}
    assert "seed1@bridge.example" in list(rest.select_recipients(SEEDS))
    assert rest.retrieve_distinct_values(SEEDS, "BroadcastKey") == ("",)
    rest.wipe_recipient_history("a&b@example.org", reason="asked for; ä")
    assert list(rest.select_all_configured_jobs())
    assert list(rest.select_all_running_jobs()) == []


def campaigns(rest: Recorder) -> None:
    assert list(rest.select_smart_campaigns("activationRequired", detailed=True, newest_first=True))
    copy = rest.copy_smart_campaign(EVENING, "Copy & ä", [SEEDS]).id
    assert rest.get_smart_campaign(copy).name == "Copy & ä"
    assert rest.get_recipient_lists_node(copy).recipient_list_ids == (SEEDS,)
    (node,) = rest.find_wait_nodes(copy)
    rest.update_wait_node(copy, node.node_id, after_recipient_import=True)
    late = datetime(2026, 2, 2, 12, tzinfo=UTC)
    between = {"predecessor_node_id": node.node_id, "successor_node_id": node.successor_node_id}
    assert rest.create_wait_node(copy, scheduled_at=late, **between).scheduled_at == late
    (message,) = rest.get_messages(copy)
    content = rest.get_smart_campaign_message(copy, message.mailing_id)
    assert (content.mailing_id, content.name, content.status) == (message.mailing_id, message.name, message.status)
    assert content.subject
    seeds = ["seed1@bridge.example", "nobody@example.org"]
    test = rest.start_test_mailing(copy, message.mailing_id, recipient_list_id=SEEDS, recipient_ids=seeds)
    assert (test.valid, test.without_address) == (1, 1)
    report = rest.get_test_mailing_report(copy, message.mailing_id, test.mailing_id)
    assert report.recipients_by_status == {"enqueued": 1}
    for change, status in (
        (rest.activate_smart_campaign, "activated"),
        (rest.deactivate_smart_campaign, "activationRequired"),
        (rest.start_smart_campaign, "running"),
        (rest.pause_smart_campaign, "paused"),
        (rest.stop_smart_campaign, "canceled"),
    ):
        change(copy)
        assert rest.get_smart_campaign(copy).status == status
    assert rest.get_report(copy).recipients_total == 5
    rest.delete_smart_campaign(rest.copy_smart_campaign(EVENING, "Deleted", [SEEDS]).id)


def batches_and_responses(vendor: Simulation, rest: Recorder) -> None:
    batch = rest.prepare_new_batch(FIRST_CAMPAIGN_ID, tag="B-1")
    recipients = [b'{"id":"p%d@example.org","data":{"Urn":"1","LoyaltyPoints":7}}' % n for n in range(400)]
    assert rest.add_recipients_to_batch(batch.id, "c-0001", recipients) == 400
    rest.send_batch(batch.id)
    assert rest.get_sending_batch(batch.id).state == "sent"
    assert [listed.id for listed in rest.select_sending_batches()] == [batch.id]
    for _ in range(2):
        vendor.pass_time(hours=40)
    (message,) = rest.get_messages(batch.campaign_id)
    bounced = rest.select_responses("hardbounce", mailing_id=message.mailing_id).items[0].recipient_id
    assert not rest.is_bounce_counter_threshold_exceeded(bounced)
    assert len(list(rest.select_unsubscribes(newest_first=True))) > 0
    assert len(list(rest.find_all_blacklist_entries(newest_first=True))) > 0


def test_the_checker_rejects_what_the_description_does_not_allow(vendor: Simulation, exchanges: Exchanges) -> None:
    transport: RestTransport = vendor.rest._transport
    for method, path, params, form in (
        ("GET", "recipientlists", {"pages": 1}, None),
        ("GET", "recipientlists", {"sort": "size"}, None),
        ("GET", "recipientlists", {"limit": 2**31}, None),
        ("GET", "recipientlists/x", None, None),
        ("GET", "recipientlist", None, None),
        ("PATCH", "recipientlists", None, None),
        ("GET", "responses", {"mailingId": 1}, None),
        ("POST", "smartcampaigns", None, {"title": "x"}),
        ("POST", f"smartcampaigns/{EVENING}/recipientLists", None, {"successorNodeId": "m1"}),
        ("POST", f"smartcampaigns/{EVENING}/schedules", None, {"scheduledAt": "2026-02-02T10:00:00"}),
        ("POST", f"smartcampaigns/{EVENING}/activate", None, {"now": "true"}),
    ):
        request = requests.Request(method, transport._url + path, params=params, data=form)
        with pytest.raises(AssertionError):
            exchanges.description.check_request(request.prepare())
    bodies: list[object] = [{"chunk": 5}, {"parts": []}, {"recipients": [{"id": 5}]}, {"recipients": [{"data": 1}]}]
    for body in [*bodies, None]:
        request = requests.Request("PUT", f"{transport._url}sending/batches/1", json=body)
        with pytest.raises(Exception, match=r"not of type|unexpected|requires"):
            exchanges.description.check_request(request.prepare())
    wrong = {"campaign": (None, "1"), "action": (None, "copy")}
    request = requests.Request("POST", f"{transport._url}sending/batches", files=wrong)
    with pytest.raises(AssertionError, match="knows no action"):
        exchanges.description.check_request(request.prepare())
