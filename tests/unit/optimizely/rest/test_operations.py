"""The request that each method of the REST client sends, and the result that it returns."""

import inspect

import pytest

from shared.errors import OptimizelyRefused
from shared.optimizely.rest.answers import Message, SmartCampaign
from shared.optimizely.rest.client import OptimizelyRest
from tests.unit.optimizely.rest.operations import OPERATIONS, RESPONSE, Operation
from tests.unit.optimizely.rest_server import ADDRESS, CAMPAIGN, Answer, Campaign, collection


def test_every_method_is_listed_here() -> None:
    methods = {name for name, _ in inspect.getmembers(OptimizelyRest, inspect.isfunction) if name[0] != "_"}
    assert {name.partition(",")[0] for name in OPERATIONS} == methods - {"close"}


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS.keys())
def test_a_method_sends_its_request_and_reads_the_answer(
    campaign: Campaign, rest: OptimizelyRest, operation: Operation
) -> None:
    campaign.says(operation.path, Answer(operation.status, operation.answer))

    assert operation.call(rest) == operation.result

    [request] = campaign.requests
    assert (request.method, request.path) == (operation.method, operation.path)
    assert request.query == {name: [value] for name, value in operation.query.items()}
    assert request.headers["Accept"] == "application/json"
    if operation.form is not None:
        assert request.media_type == "application/x-www-form-urlencoded"
        assert request.form == {name: [value] for name, value in operation.form.items()}
    elif operation.json is not None:
        assert (request.media_type, request.body) == ("application/json", operation.json)
    elif operation.parts is not None:
        assert request.media_type == "multipart/form-data"
        assert request.parts == {name: (None, content) for name, content in operation.parts.items()}
    else:
        assert (request.media_type, request.body) == ("", b"")


def test_a_message_may_lack_everything_but_its_id(campaign: Campaign, rest: OptimizelyRest) -> None:
    campaign.says("smartcampaigns/3", Answer(body={"id": 3, "status": "paused", "messages": [{"mailingId": 5}]}))

    assert rest.get_smart_campaign(3) == SmartCampaign(id=3, status="paused", messages=(Message(mailing_id=5),))


@pytest.mark.parametrize(("number", "complete"), [(9998, True), (9999, False)])
def test_responses_report_whether_there_may_be_more(
    campaign: Campaign, rest: OptimizelyRest, number: int, complete: bool
) -> None:
    campaign.says("responses", Answer(body=collection(*[RESPONSE] * number)))

    responses = rest.select_responses("hardbounce", mailing_id=3)

    assert (len(responses.items), responses.complete) == (number, complete)
    assert len(campaign.requests) == 1


def test_personal_data_that_is_not_needed_is_not_kept(campaign: Campaign, rest: OptimizelyRest) -> None:
    shown = ""
    for name in (
        *("get_authenticated_user", "get_messages", "get_smart_campaign"),
        *("start_test_mailing", "get_test_mailing_report", "select_all_configured_jobs"),
    ):
        campaign.says(OPERATIONS[name].path, Answer(body=OPERATIONS[name].answer))
        shown += repr(OPERATIONS[name].call(rest))

    assert ADDRESS in str(CAMPAIGN)
    assert "person.example" not in shown
    assert "client.example" not in shown


@pytest.mark.parametrize("status", [400, 404])
def test_deleting_a_smart_campaign_that_is_gone_is_no_error(
    campaign: Campaign, rest: OptimizelyRest, status: int
) -> None:
    campaign.says("smartcampaigns/3", Answer(status), Answer(404))

    rest.delete_smart_campaign(3)


def test_deleting_a_smart_campaign_that_has_started_is_refused(campaign: Campaign, rest: OptimizelyRest) -> None:
    campaign.says("smartcampaigns/3", Answer(400), Answer(body=CAMPAIGN))

    with pytest.raises(OptimizelyRefused, match="deleteSmartCampaign"):
        rest.delete_smart_campaign(3)
