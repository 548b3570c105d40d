"""The simulator returns every status that the vendor's description lists for a simulated operation."""

import json
from collections.abc import Callable
from typing import Any

import requests

from local.simulator.store import CLIENT_ID, FIRST_CAMPAIGN_ID, FIRST_LIST_ID, FIRST_MAILING_ID
from tests.contract.simulator.conftest import Simulation
from tests.contract.simulator.description import Description, needed

pytestmark = needed

SEEDS = FIRST_LIST_ID + 4
#: What the description lists and the simulator does not play, and why.
NOT_SIMULATED = {
    ("selectRecipients", 429): "requests are answered one after the other",
    ("countRecipients", 429): "requests are answered one after the other",
    ("createOrUpdateRecipientListsNode_1", 201): "every Smart Campaign has its recipients node",
    ("selectAllRunningJobs", 400): "the operation has no limit",
    ("selectAllConfiguredJobs", 403): "any IP address may ask",
    ("selectAllRunningJobs", 403): "any IP address may ask",
}


def served(vendor: Simulation) -> set[tuple[str, str]]:
    """Method and path of every route of the REST API."""
    routes = vendor.simulator._rest.application().router.routes()
    return {
        (route.method, f"/{{clientId}}{route.resource.canonical}")
        for route in routes
        if route.resource and route.method != "HEAD"
    }


def test_every_route_is_an_operation_of_the_description(shared_vendor: Simulation) -> None:
    described = {(operation.method, operation.path) for operation in Description.load().operations.values()}
    assert served(shared_vendor) - described == set()


def test_every_listed_status_is_returned(vendor: Simulation) -> None:
    description = Description.load()
    seen: set[tuple[str, int]] = set()

    def record(answer: requests.Response, **_: object) -> None:
        operation, _parameters = description.operation(answer.request.method or "", answer.request.url or "")
        if answer.status_code in operation.answers:
            description.check_answer(operation, answer, listed=True)
        seen.add((operation.id, answer.status_code))

    vendor.session.hooks["response"].append(record)
    for play in (users_and_lists, campaigns, wait_nodes, messages, batches, responses):
        play(vendor, vendor.ask)
    expected = {
        (operation.id, status)
        for operation in description.operations.values()
        if (operation.method, operation.path) in served(vendor)
        for status in operation.answers
    }
    assert seen & NOT_SIMULATED.keys() == set()
    assert expected - seen == NOT_SIMULATED.keys()


type Ask = Callable[..., Any]


def users_and_lists(vendor: Simulation, ask: Ask) -> None:
    ask("get", "/users/authenticated")
    for path in ("/recipientlists", "/customerjobs/configured", "/blacklistentries"):
        ask("get", path)
        ask("get", path, params={"limit": 10000})
    ask("get", "/customerjobs/running")
    for list_id in (FIRST_LIST_ID, 5):
        for more in ("", "/fields", "/attributeNames"):
            ask("get", f"/recipientlists/{list_id}{more}")
    ask("get", f"/recipients/{SEEDS}")
    ask("get", f"/recipients/{SEEDS}/count")
    for field in ("BroadcastKey", "Nothing"):
        ask("get", f"/recipients/{SEEDS}/distinctvalues", params={"attributeName": field})
    for list_id in (SEEDS, 5):
        ask("get", f"/recipients/{list_id}/seed1@bridge.example/valid")
    ask("delete", "/recipients", params={"recipientKey": "a@example.org"})
    ask("delete", "/recipients")
    vendor.pass_time(seconds=1)


def campaigns(vendor: Simulation, ask: Ask) -> None:
    for query in ({"resultView": "DETAILED"}, {"status": "finished"}, {"limit": 10000}):
        ask("get", "/smartcampaigns", params=query)
    form = {"sourceCampaignId": FIRST_CAMPAIGN_ID, "name": "Copy", "recipientListIds": SEEDS}
    path = f"/smartcampaigns/{ask('post', '/smartcampaigns', data=form).json()['id']}"
    for more in ("", "/report", "/recipientLists"):
        ask("get", path + more)
    ask("get", "/smartcampaigns/5/recipientLists")
    ask("post", f"{path}/recipientLists", data={"recipientListIds": SEEDS})
    ask("post", "/smartcampaigns/5/recipientLists", data={"recipientListIds": SEEDS})
    for action in ("pause", "stop", "deactivate", "activate", "start", "activate", "deactivate", "start"):
        ask("post", f"{path}/{action}")
    vendor.pass_time(seconds=1)
    for action in ("pause", "start", "stop"):
        ask("post", f"{path}/{action}")
    ask("delete", path)
    ask("delete", f"/smartcampaigns/{ask('post', '/smartcampaigns', data=form).json()['id']}")


def wait_nodes(_vendor: Simulation, ask: Ask) -> None:
    path = f"/smartcampaigns/{FIRST_CAMPAIGN_ID}/schedules"
    form = {"scheduledAt": "2026-02-02T18:00:00+01:00"}
    node = ask("post", path, data=form).json()["nodeId"]
    ask("get", path)
    for node_id in (node, "w99"):
        ask("get", f"{path}/{node_id}")
        ask("post", f"{path}/{node_id}", data=form)
    ask("delete", f"{path}/{node}")


def messages(_vendor: Simulation, ask: Ask) -> None:
    path = f"/smartcampaigns/{FIRST_CAMPAIGN_ID}/messages"
    ask("get", path)
    ask("get", f"{path}/{FIRST_MAILING_ID}")
    form = {"recipientListId": SEEDS, "recipientIds": "seed1@bridge.example"}
    test = ask("post", f"{path}/{FIRST_MAILING_ID}/test", data=form).json()["mailingId"]
    ask("post", f"{path}/{FIRST_MAILING_ID}/test", data={})
    ask("get", f"{path}/{FIRST_MAILING_ID}/test/{test}")


def batches(_vendor: Simulation, ask: Ask) -> None:
    form = {"campaign": (None, str(FIRST_CAMPAIGN_ID)), "campaignAction": (None, "copy")}
    made = [ask("post", "/sending/batches", files=form) for _ in range(5)]
    assert made[-1].status_code == 409
    ask("post", "/sending/batches", files=form | {"campaign": (None, "x")})
    for limit in (1, 10000):
        ask("get", "/sending/batches", params={"limit": limit})
    chunk = {"chunk": "c", "recipients": [{"id": "a@example.org", "data": {"Urn": "1"}}]}
    for batch in (made[0].json()["id"], 5):
        path = f"/sending/batches/{batch}"
        ask("get", path)
        ask("put", path, json=chunk)
        ask("put", path, data=json.dumps(chunk | {"chunk": "c d"}))
        ask("post", path, json=chunk | {"chunk": "c d"})
        ask("post", path)
        ask("post", path)
        ask("put", path, json=chunk)


def responses(_vendor: Simulation, ask: Ask) -> None:
    for query in (
        {"category": "softbounce", "mailingId": FIRST_MAILING_ID},
        {"category": "softbounce", "mailingId": 5},
        {"category": "softbounce", "recipientIds": "nobody@example.org"},
        {"category": "softbounce"},
    ):
        ask("get", "/responses", params=query)
    for more in ("", "/a@example.org"):
        ask("get", f"/responses/bounces{more}", params={"category": "hardbounce"})
    ask("get", "/responses/bounces/a@example.org/thresholdExceeded")
    ask("get", "/unsubscribes")
    ask("get", "/unsubscribes", params={"limit": 10000})
    ask("get", "/unsubscribes/count")
    ask("get", "/blacklistentries/count")
    ask("get", "/blacklistentries/blacklisted", params={"address": "a@blocked.example"})


def test_wrong_credentials_get_401_and_another_client_404(shared_vendor: Simulation) -> None:
    url = shared_vendor.addresses["rest_url"]
    wrong = requests.get(f"{url}/{CLIENT_ID}/users/authenticated", auth=("a", "b"), timeout=10)
    assert wrong.status_code == 401
    login = (shared_vendor.addresses["api_user"], shared_vendor.addresses["api_password"])
    assert requests.get(f"{url}/1/users/authenticated", auth=login, timeout=10).status_code == 404
