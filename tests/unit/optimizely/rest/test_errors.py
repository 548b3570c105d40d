"""The errors of the REST client, and what they do not reveal."""

import base64
import json
import logging
import traceback
from collections.abc import Iterator
from copy import deepcopy
from http import HTTPStatus
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.errors import (
    BridgeError,
    OptimizelyAnswerInvalid,
    OptimizelyConflict,
    OptimizelyLoginRefused,
    OptimizelyRefused,
    OptimizelyUnavailable,
    ScheduledJobsHidden,
    TerminalError,
    TransientError,
)
from shared.optimizely.rest.client import OptimizelyRest
from tests.unit.optimizely.rest.operations import OPERATIONS, WAIT_NODE, Operation
from tests.unit.optimizely.rest_server import (
    ADDRESS,
    BATCH,
    CAMPAIGN,
    LIST,
    PASSWORD,
    USER,
    Answer,
    Campaign,
    collection,
)

CANARY = "canary-7731 of anna.canary@person.example"
SECRETS = (
    *(PASSWORD, USER, base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode(), "Basic "),
    *("person.example", "canary-7731"),
)
READ = {name: operation for name, operation in OPERATIONS.items() if operation.answer != b""}


class TestStatuses:
    @pytest.mark.parametrize("status", [401, 403])
    @pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS.keys())
    def test_a_refused_login(self, campaign: Campaign, rest: OptimizelyRest, operation: Operation, status: int) -> None:
        campaign.says(operation.path, Answer(status, CANARY))

        hidden = status == HTTPStatus.FORBIDDEN and operation.path.startswith("customerjobs/")
        with pytest.raises(ScheduledJobsHidden if hidden else OptimizelyLoginRefused) as caught:
            operation.call(rest)

        assert isinstance(caught.value, TerminalError)
        assert str(status) in str(caught.value)
        assert len(campaign.requests) == 1

    @pytest.mark.parametrize("status", [400, 404, 406, 501])
    def test_a_refusal_names_operation_and_status(self, campaign: Campaign, rest: OptimizelyRest, status: int) -> None:
        campaign.says("smartcampaigns/3/start", Answer(status, CANARY))

        with pytest.raises(OptimizelyRefused) as caught:
            rest.start_smart_campaign(3)

        assert caught.value.fields() == {"operation": "startSmartCampaign", "status": status}
        assert len(campaign.requests) == 1


REACHED = {
    "activate": {"activated", "running", "finished"},
    "deactivate": {"activationRequired"},
    "start": {"running", "finished"},
    "pause": {"paused"},
    "stop": {"canceled"},
}
STATUSES = ("invalid", "activationRequired", "activated", "canceled", "paused", "running", "finished", "new in 2030")


class TestConflicts:
    @pytest.mark.parametrize("status", STATUSES)
    @pytest.mark.parametrize("verb", REACHED)
    def test_a_campaign_is_read_again(self, campaign: Campaign, rest: OptimizelyRest, verb: str, status: str) -> None:
        campaign.says(f"smartcampaigns/3/{verb}", Answer(409, CANARY))
        campaign.says("smartcampaigns/3", Answer(body=CAMPAIGN | {"status": status}))
        change = OPERATIONS[f"{verb}_smart_campaign"].call

        if status in REACHED[verb]:
            change(rest)
        else:
            with pytest.raises(OptimizelyConflict) as caught:
                change(rest)
            assert caught.value.fields() == {"operation": f"{verb}SmartCampaign", "state": status}

        assert [(request.method, request.path) for request in campaign.requests] == [
            ("POST", f"smartcampaigns/3/{verb}"),
            ("GET", "smartcampaigns/3"),
        ]

    @pytest.mark.parametrize("verb", REACHED)
    def test_a_campaign_that_cannot_be_read_again_leaves_the_outcome_open(
        self, campaign: Campaign, rest: OptimizelyRest, verb: str
    ) -> None:
        campaign.says(f"smartcampaigns/3/{verb}", Answer(409, CANARY))
        campaign.says("smartcampaigns/3", Answer(503, CANARY))

        with pytest.raises(OptimizelyUnavailable) as caught:
            OPERATIONS[f"{verb}_smart_campaign"].call(rest)

        assert caught.value.operation == "getSmartCampaign"
        assert [request.method for request in campaign.requests] == ["POST"] + ["GET"] * 4

    @pytest.mark.parametrize("state", ["initiated", "has_recipients", "sent", "invalid"])
    def test_a_batch_is_read_again_after_its_send(self, campaign: Campaign, rest: OptimizelyRest, state: str) -> None:
        campaign.says("sending/batches/9", Answer(409, CANARY), Answer(body=BATCH | {"state": state}))

        if state == "sent":
            rest.send_batch(9)
        else:
            with pytest.raises(OptimizelyConflict) as caught:
                rest.send_batch(9)
            assert caught.value.fields() == {"operation": "importRecipientsAndSendBatch", "state": state}

        assert [request.method for request in campaign.requests] == ["POST", "GET"]

    @pytest.mark.parametrize("state", ["sent", "invalid"])
    def test_a_chunk_that_came_too_late_is_not_in_the_batch(
        self, campaign: Campaign, rest: OptimizelyRest, state: str
    ) -> None:
        campaign.says("sending/batches/9", Answer(409, CANARY), Answer(body=BATCH | {"state": state}))

        with pytest.raises(OptimizelyConflict) as caught:
            rest.add_recipients_to_batch(9, "c-0003", [b'{"id":"1"}'])

        assert isinstance(caught.value, TerminalError)
        assert caught.value.fields() == {"operation": "addRecipients_1", "state": state}
        assert [request.method for request in campaign.requests] == ["PUT", "GET"]

    def test_elsewhere_there_is_no_state_to_read(self, campaign: Campaign, rest: OptimizelyRest) -> None:
        for name, operation in (("get_recipient_list", "getRecipientList"), ("prepare_new_batch", "prepareNewBatch")):
            campaign.says(OPERATIONS[name].path, Answer(409, CANARY))

            with pytest.raises(OptimizelyConflict) as caught:
                OPERATIONS[name].call(rest)

            assert caught.value.fields() == {"operation": operation, "state": "unknown"}
        assert [request.method for request in campaign.requests] == ["GET", "POST"]


class TestShapes:
    @pytest.mark.parametrize("body", [b"", b"<html>", b'"text"', b"[1]", b"\xff", b"[" * 5000])
    @pytest.mark.parametrize("operation", READ.values(), ids=READ.keys())
    def test_an_answer_of_another_kind(
        self, campaign: Campaign, rest: OptimizelyRest, operation: Operation, body: bytes
    ) -> None:
        for path in {operation.path, "smartcampaigns/3"}:  # read again after a change
            campaign.says(path, Answer(operation.status, body))

        with pytest.raises(OptimizelyAnswerInvalid) as caught:
            operation.call(rest)

        assert isinstance(caught.value, TransientError)
        methods = [request.method for request in campaign.requests]
        assert methods.count(operation.method) == (4 if operation.method == "GET" else 1)

    @pytest.mark.parametrize(
        ("name", "body", "reason"),
        [
            pytest.param("get_recipient_list", {"name": CANARY}, "id: missing", id="fields missing"),
            pytest.param(
                "get_recipient_list", LIST | {"recipients": CANARY}, "recipients: int_parsing", id="no number"
            ),
            pytest.param(
                "get_recipient_list", LIST | {"recipients": -1}, "recipients: greater_than_equal", id="negative"
            ),
            pytest.param("get_recipient_list", LIST | {"id": 2**63}, "id: less_than", id="more than 64 bits"),
            pytest.param(
                "get_recipient_list",
                LIST | {"modified": "2024-07-01T00:30:00"},
                "modified: timezone_aware",
                id="time without offset",
            ),
            pytest.param(
                "get_recipient_list",
                LIST | {"modified": CANARY},
                "modified: datetime_from_date_parsing",
                id="no time",
            ),
            pytest.param(
                "select_recipient_lists",
                collection(LIST, LIST | {"recipients": "many"}),
                "elements.1.recipients: int_parsing",
                id="in a collection",
            ),
            pytest.param("get_smart_campaign", {"id": 3}, "status: missing", id="no status"),
            pytest.param("get_report", {"recipients": None}, "recipients.total: missing", id="no totals"),
            pytest.param(
                "find_wait_nodes",
                [WAIT_NODE | {"scheduledAfterRecipientImport": "whenever"}],
                "0.scheduledAfterRecipientImport: bool_parsing",
                id="neither true nor false",
            ),
            pytest.param(
                "start_test_mailing",
                {"mailingId": 77, "validRecipientAddresses": ADDRESS},
                "validRecipientAddresses: value_error",
                id="no array",
            ),
            pytest.param(
                "get_test_mailing_report",
                {"mailingId": 77, "recipientStatus": [ADDRESS]},
                "recipientStatus: value_error",
                id="no map",
            ),
        ],
    )
    def test_the_reason_names_the_field_and_not_its_content(
        self, campaign: Campaign, rest: OptimizelyRest, name: str, body: Any, reason: str
    ) -> None:
        campaign.says(OPERATIONS[name].path, Answer(OPERATIONS[name].status, body))

        with pytest.raises(OptimizelyAnswerInvalid) as caught:
            OPERATIONS[name].call(rest)

        described = f"(status {OPERATIONS[name].status}, no media type, {len(json.dumps(body))} bytes)"
        assert caught.value.reason == f"{reason} {described}"


def paths(value: Any, *path: Any) -> Iterator[tuple[Any, ...]]:
    """The path of every value of a JSON document, by keys and indexes."""
    if path:
        yield path
    if isinstance(value, dict | list | tuple):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from paths(inner, *path, key)


@st.composite
def altered(draw: st.DrawFn, answer: Any) -> Any:
    """An answer with one value replaced."""
    answer = json.loads(json.dumps(answer))
    *path, last = draw(st.sampled_from(list(paths(answer))))
    inner = answer
    for key in path:
        inner = inner[key]
    others: list[Any] = [None, True, CANARY, -1, 1.5, 2**70, [], [CANARY], {}, {CANARY: CANARY}, {CANARY: {CANARY: []}}]
    inner[last] = deepcopy(draw(st.sampled_from(others)))
    return answer


#: Answers that are not HTTP, or malformed HTTP.
RAW = [
    *(b"HTTP/1.1 canary-7731\r\n\r\n", b"canary-7731\r\n\r\n", b"HTTP/1.1 200 OK\r\n", b"\x00\xff"),
    b"HTTP/1.1 200 OK\r\ncanary-7731 without a colon\r\nContent-Length: 2\r\n\r\n{}",
    b"HTTP/1.1 503 No\r\nX-\xff: canary-7731\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\n" + b"X-A: canary-7731\r\n" * 150 + b"\r\n",
    b"HTTP/1.1 200 OK\r\nX-A: " + b"canary-7731" * 7000 + b"\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: canary-7731\r\n\r\n{}",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2, 3\r\n\r\n{}",
    b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 11\r\n\r\ncanary-7731",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\ncanary-7731\r\n",
    b"HTTP/1.1 302 Found\r\nLocation: http://[canary-7731\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 429 No\r\nRetry-After: Mon, 01 Jan 99999 00:00:00 GMT\r\nContent-Length: 0\r\n\r\n",
]


@st.composite
def exchanges(draw: st.DrawFn) -> tuple[Operation, Answer]:
    """A call of the client that contains addresses, and an arbitrary answer."""
    operation = draw(st.sampled_from(list(OPERATIONS.values())))
    error = {"httpStatusCode": 400, "errorMessage": CANARY, "violations": [CANARY]}
    answers = [
        st.builds(Answer, raw=st.sampled_from(RAW)),
        st.builds(
            Answer,
            st.sampled_from([200, 302, 400, 401, 404, 409, 418, 429, 500, 501]),
            st.sampled_from([error, CANARY, [error], b"", CANARY.encode()]),
            breaks_off=st.booleans(),
        ),
    ]
    if operation.answer != b"":
        answers.append(st.builds(Answer, st.just(operation.status), altered(operation.answer)))
    return operation, draw(st.one_of(answers))


class TestSecrets:
    # All examples share the server and the client: neither keeps state between them.
    @settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(exchange=exchanges())
    def test_any_answer_raises_only_errors_of_the_catalogue_without_personal_data(
        self,
        campaign: Campaign,
        rest: OptimizelyRest,
        caplog: pytest.LogCaptureFixture,
        exchange: tuple[Operation, Answer],
    ) -> None:
        operation, answer = exchange
        caplog.clear()
        caplog.set_level(logging.DEBUG)
        caplog.set_level(logging.WARNING, "urllib3")  # as `telemetry.configure` does
        campaign.forget()
        campaign.says(operation.path, answer)
        campaign.says("smartcampaigns/3", answer)  # read again after 409

        shown = ""
        try:
            operation.call(rest)
        except BridgeError as error:
            shown = "".join(traceback.format_exception(error)) + f"{error!r} {error.fields()}"

        shown += caplog.text
        assert not [secret for secret in SECRETS if secret in shown]

    def test_a_retry_is_logged_by_its_operation(
        self, campaign: Campaign, rest: OptimizelyRest, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO)
        operation = OPERATIONS["is_bounce_counter_threshold_exceeded"]
        campaign.says(operation.path, Answer(503, CANARY), Answer(body=operation.answer))

        assert operation.call(rest) is True

        (record,) = (record for record in caplog.records if record.name == "bridge")
        assert record.getMessage().startswith(
            "Optimizely Campaign did not answer isBounceCounterThresholdExceeded (status 503)"
        )
        assert "person.example" not in caplog.text

    def test_malformed_headers_are_not_logged_with_the_url(
        self, campaign: Campaign, rest: OptimizelyRest, caplog: pytest.LogCaptureFixture
    ) -> None:
        campaign.says(
            "responses/bounces/anna.canary%40person.example/thresholdExceeded",
            Answer(raw=b'HTTP/1.1 200 OK\r\nContent-Length: 17\r\nno colon\r\n\r\n{"exceeded":true}'),
        )

        assert rest.is_bounce_counter_threshold_exceeded(ADDRESS)
        assert caplog.text == ""

    def test_the_client_does_not_show_its_login(self, rest: OptimizelyRest) -> None:
        shown = f"{rest!r} {rest} {vars(rest)}"

        assert not [secret for secret in SECRETS if secret in shown]
