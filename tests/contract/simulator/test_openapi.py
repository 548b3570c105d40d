"""Every answer of the simulator has the shape that the vendor describes, and a status that it lists."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from jsonschema import Draft202012Validator

from local.simulator.store import CLIENT_ID, FIRST_CAMPAIGN_ID, FIRST_LIST_ID
from tests.contract.simulator.conftest import Simulation, simulation

DESCRIPTION = Path(
    os.environ.get("OPTIMIZELY_OPENAPI")
    or Path(__file__).parents[3].parent / "shared" / "reference" / "optimizely-campaign-openapi.json"
)
pytestmark = pytest.mark.skipif(not DESCRIPTION.exists(), reason="the vendor's description is not here")

LIST, CAMPAIGN = str(FIRST_LIST_ID), str(FIRST_CAMPAIGN_ID)
#: Method, path of the description, values of its parameters, query or form.
EXCHANGES: list[tuple[str, str, dict[str, str], dict[str, str]]] = [
    ("get", "/users/authenticated", {}, {}),
    ("get", "/recipientlists", {}, {}),
    ("get", "/recipientlists", {}, {"limit": "2"}),
    ("get", "/recipientlists", {}, {"limit": "10000"}),
    ("get", "/recipientlists/{recipientListId}", {"recipientListId": LIST}, {}),
    ("get", "/recipientlists/{recipientListId}", {"recipientListId": "5"}, {}),
    ("get", "/recipientlists/{recipientListId}/fields", {"recipientListId": LIST}, {}),
    ("get", "/recipientlists/{recipientListId}/attributeNames", {"recipientListId": LIST}, {}),
    ("get", "/recipients/{recipientListId}/count", {"recipientListId": LIST}, {}),
    (
        "get",
        "/recipients/{recipientListId}/{recipientId}/valid",
        {"recipientListId": LIST, "recipientId": "a@blocked.example"},
        {},
    ),
    ("get", "/smartcampaigns", {}, {}),
    ("get", "/smartcampaigns", {}, {"resultView": "DETAILED", "sort": "name", "direction": "DESC"}),
    ("get", "/smartcampaigns", {}, {"status": "activationRequired", "limit": "1"}),
    ("post", "/smartcampaigns", {}, {"sourceCampaignId": CAMPAIGN, "name": "Copy", "recipientListIds": LIST}),
    ("get", "/smartcampaigns/{campaignId}", {"campaignId": CAMPAIGN}, {}),
    ("get", "/smartcampaigns/{campaignId}/messages", {"campaignId": CAMPAIGN}, {}),
    ("get", "/smartcampaigns/{campaignId}/report", {"campaignId": CAMPAIGN}, {}),
    ("get", "/smartcampaigns/{campaignId}/recipientLists", {"campaignId": CAMPAIGN}, {}),
    ("post", "/smartcampaigns/{campaignId}/deactivate", {"campaignId": CAMPAIGN}, {}),
    ("post", "/smartcampaigns/{campaignId}/activate", {"campaignId": CAMPAIGN}, {}),
    ("post", "/smartcampaigns/{campaignId}/start", {"campaignId": CAMPAIGN}, {}),
    ("post", "/smartcampaigns/{campaignId}/deactivate", {"campaignId": CAMPAIGN}, {}),
    ("post", "/smartcampaigns/{campaignId}/start", {"campaignId": CAMPAIGN}, {}),
    ("post", "/smartcampaigns/{campaignId}/pause", {"campaignId": CAMPAIGN}, {}),
    ("post", "/smartcampaigns/{campaignId}/stop", {"campaignId": CAMPAIGN}, {}),
    ("post", "/smartcampaigns/{campaignId}/stop", {"campaignId": CAMPAIGN}, {}),
    ("get", "/customerjobs/configured", {}, {}),
    ("get", "/customerjobs/running", {}, {}),
    ("get", "/unsubscribes", {}, {}),
    ("get", "/blacklistentries", {}, {}),
]


@pytest.fixture(scope="module")
def description() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(DESCRIPTION.read_text())
    return loaded


@pytest.fixture(scope="module")
def one_vendor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulation]:
    with simulation(tmp_path_factory.mktemp("simulator")) as made:
        yield made


def strict(schema: Any, description: dict[str, Any]) -> Any:
    """The schema with its references resolved; objects may have no property that it does not know."""
    if isinstance(schema, list):
        return [strict(one, description) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return strict(description["components"]["schemas"][name], description)
    resolved = {name: strict(value, description) for name, value in schema.items() if name != "links"}
    if "properties" in resolved:
        # The description has links in collections as write-only; every client follows them.
        resolved["properties"] = {**resolved["properties"], "links": {"type": "array"}}
        resolved.setdefault("additionalProperties", False)
    return resolved


@pytest.mark.parametrize(
    ("number", "exchange"),
    list(enumerate(EXCHANGES)),
    ids=[f"{number}-{one[0]}-{one[1]}" for number, one in enumerate(EXCHANGES)],
)
def test_an_answer_has_the_described_shape(
    one_vendor: Simulation,
    description: dict[str, Any],
    number: int,
    exchange: tuple[str, str, dict[str, str], dict[str, str]],
) -> None:
    method, path, parameters, more = exchange
    operation = description["paths"]["/{clientId}" + path][method]
    answer = requests.request(
        method,
        f"{one_vendor.addresses['rest_url']}/{CLIENT_ID}{path.format(**parameters)}",
        params=more if method == "get" else None,
        data=more if method == "post" else None,
        auth=(one_vendor.addresses["api_user"], one_vendor.addresses["api_password"]),
        timeout=10,
    )
    assert str(answer.status_code) in operation["responses"], f"exchange {number}: {answer.text}"
    if answer.ok:
        schema = operation["responses"][str(answer.status_code)]["content"]["application/json"]["schema"]
        Draft202012Validator(strict(schema, description), format_checker=Draft202012Validator.FORMAT_CHECKER).validate(
            answer.json()
        )
    else:
        assert answer.json().keys() == {"httpStatusCode", "errorMessage", "violations"}


def test_the_exchanges_are_with_the_operations_that_the_client_uses(description: dict[str, Any]) -> None:
    used = {description["paths"]["/{clientId}" + path][method]["operationId"] for method, path, _, _ in EXCHANGES}
    source = (Path(__file__).parents[3] / "shared" / "optimizely" / "rest.py").read_text()
    for operation in ("selectRecipientLists", "createOrCopySmartCampaign", "startSmartCampaign", "getReport_1"):
        assert operation in source
        assert operation in used


def test_a_wrong_login_is_answered_with_401_and_another_client_with_404(one_vendor: Simulation) -> None:
    url = one_vendor.addresses["rest_url"]
    wrong = requests.get(f"{url}/{CLIENT_ID}/users/authenticated", auth=("a", "b"), timeout=10)
    assert wrong.status_code == 401
    login = (one_vendor.addresses["api_user"], one_vendor.addresses["api_password"])
    assert requests.get(f"{url}/1/users/authenticated", auth=login, timeout=10).status_code == 404
