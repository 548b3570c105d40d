"""Valid and invalid requests, generated from the vendor's description, cause no crash and no undescribed response."""

from collections import Counter
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from schemathesis import APIOperation, Case, GenerationMode
from schemathesis.core.result import Ok
from schemathesis.openapi import from_dict

from local.simulator.store import CLIENT_ID, FIRST_CAMPAIGN_ID, FIRST_LIST_ID, FIRST_MAILING_ID
from tests.contract.simulator.conftest import Simulation
from tests.contract.simulator.description import Description, needed
from tests.contract.simulator.test_batches import prepare
from tests.contract.simulator.test_openapi import served

pytestmark = needed

#: Requests for each operation.
EXAMPLES = 12
#: Objects that are there, by the names of parameters and fields: a request with made-up IDs alone gets no further
#: than to 404.
KNOWN: dict[str, list[object]] = {
    "campaign": [str(FIRST_CAMPAIGN_ID)],
    "campaignId": [FIRST_CAMPAIGN_ID, FIRST_CAMPAIGN_ID + 4, FIRST_CAMPAIGN_ID + 5],
    "mailingId": [FIRST_MAILING_ID],
    "recipientId": ["seed1@bridge.example", "a@blocked.example"],
    "recipientListId": [FIRST_LIST_ID, FIRST_LIST_ID + 4],
    "recipientListIds": [FIRST_LIST_ID + 4],
    "sendingBatchId": [9001, 9002],
    "sourceCampaignId": [FIRST_CAMPAIGN_ID + 5],
    "waitNodeId": ["w1"],
}
MODES = {"right": GenerationMode.POSITIVE, "wrong": GenerationMode.NEGATIVE}


def described(vendor: Simulation) -> Any:
    """The description of what is served, where no object has further properties, and without logins."""
    raw, played = Description.load().raw, served(vendor)
    paths = {
        path: {method: operation for method, operation in methods.items() if (method.upper(), path) in played}
        for path, methods in raw["paths"].items()
    }
    schemas = {
        name: schema | ({"additionalProperties": False} if "properties" in schema else {})
        for name, schema in raw["components"]["schemas"].items()
    }
    return raw | {
        "paths": {path: methods for path, methods in paths.items() if methods},
        "components": {"schemas": schemas},
    }


type AnyCase = Case[Any]


def with_known(case: AnyCase, known: dict[str, object]) -> AnyCase:
    for given_ in (case.path_parameters, case.query, case.body):
        if isinstance(given_, dict):
            given_ |= {name: value for name, value in known.items() if name in given_ and value is not None}
    case.path_parameters["clientId"] = CLIENT_ID
    return case


def requests_for(operation: APIOperation[Any, Any, Any, Any], mode: GenerationMode) -> SearchStrategy[AnyCase]:
    known = st.fixed_dictionaries({name: st.sampled_from([None, *ids]) for name, ids in KNOWN.items()})
    return st.builds(with_known, operation.as_strategy(generation_mode=mode), known)


@pytest.mark.parametrize("kind", MODES)
def test_no_generated_request_gets_a_response_outside_the_description(vendor: Simulation, kind: str) -> None:
    for _ in range(2):
        prepare(vendor)
    statuses: Counter[int] = Counter()

    def ask(case: AnyCase) -> None:
        # The session of the simulation holds every answer to the description.
        answer = case.call(base_url=vendor.addresses["rest_url"], session=vendor.session)
        statuses[answer.status_code] += 1

    seldom = settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    for result in from_dict(described(vendor)).get_all_operations():
        assert isinstance(result, Ok)
        seldom(given(case=requests_for(result.ok(), MODES[kind]))(ask))()
    assert statuses.keys() >= {200, 400, 404, 409}
