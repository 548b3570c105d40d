"""The REST client against a real HTTP server that answers as it is told."""

import base64
import json
import logging
import ssl
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from shared.errors import (
    BridgeError,
    OptimizelyAnswerInvalid,
    OptimizelyLoginRefused,
    OptimizelyRefused,
    OptimizelyUnavailable,
    TerminalError,
    TransientError,
)
from shared.optimizely import rest as module
from shared.optimizely.rest import OptimizelyRest
from shared.optimizely.rest_answers import (
    AuthenticatedUser,
    ConfiguredJob,
    JobTrigger,
    Message,
    RecipientList,
    RecipientListField,
    RunningJob,
    SmartCampaign,
    SmartCampaignReport,
)

CLIENT_ID = 40291413820
USER = "api.user@client.example"
PASSWORD = "pässwörd-€-geheim"
ADDRESS = "anna.canary@person.example"
BODY_CANARY = "body-canary-7731"


@dataclass
class Answer:
    """What the server does with one request."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    #: Closes the connection without an answer.
    drops: bool = False
    #: Closes the connection in the middle of the body.
    breaks_off: bool = False
    #: Is waited for before the answer is sent.
    after: threading.Event | None = None


@dataclass
class Request:
    method: str
    path: str
    query: dict[str, list[str]]
    form: dict[str, list[str]]
    headers: dict[str, str]


class Campaign(ThreadingHTTPServer):
    """Answers each path with its answers in turn, the last of them again and again."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: dict[str, deque[Answer]] = defaultdict(deque)
        self.requests: list[Request] = []
        self.observe: Callable[[], None] = lambda: None
        self.refused = 0

    def handle_error(self, request: Any, client_address: Any) -> None:
        del request, client_address
        self.refused += 1

    def says(self, path: str, *answers: Answer) -> None:
        self.answers[path].extend(answers)

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/rest"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Campaign

    def _answer(self) -> None:
        target = urlsplit(self.path)
        prefix = f"/rest/{CLIENT_ID}/"
        assert target.path.startswith(prefix)
        path = target.path.removeprefix(prefix)
        form = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        self.server.requests.append(
            Request(self.command, path, parse_qs(target.query), parse_qs(form), dict(self.headers))
        )
        self.server.observe()
        queue = self.server.answers[path]
        answer = queue.popleft() if len(queue) > 1 else queue[0]
        if answer.after:
            answer.after.wait()
        if answer.drops:
            self.close_connection = True
            return
        body = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) + (100 if answer.breaks_off else 0)))
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = self.close_connection or answer.breaks_off

    do_GET = do_POST = _answer  # noqa: N815 - names that http.server asks for

    def log_message(self, *args: object) -> None:
        del args


@contextmanager
def serving(campaign: Campaign) -> Iterator[None]:
    # A short poll: shutting down waits for it.
    thread = threading.Thread(target=campaign.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield
    finally:
        campaign.shutdown()
        thread.join()
        campaign.server_close()


@pytest.fixture
def campaign() -> Iterator[Campaign]:
    server = Campaign()
    with serving(server):
        yield server


@pytest.fixture
def pauses() -> list[float]:
    """The pauses that the client would have made."""
    return []


@pytest.fixture
def rest(campaign: Campaign, pauses: list[float]) -> Iterator[OptimizelyRest]:
    client = client_of(campaign, sleep=pauses.append)
    yield client
    client.close()


def client_of(campaign: Campaign, **changes: Any) -> OptimizelyRest:
    settings: dict[str, Any] = {
        "base_url": campaign.base_url,
        "client_id": CLIENT_ID,
        "user": USER,
        "password": PASSWORD,
        "read_timeout": 10,
    }
    return OptimizelyRest(**settings | changes)


# Vendor-shaped answers

LIST = {
    "id": CLIENT_ID + 1,
    "name": "Newsletter",
    "description": "Weekly",
    "recipients": 1200,
    "mediaTypes": ["email"],
    "testList": False,
    "forTransactionApi": False,
    "created": "2022-03-03T08:45:07+01:00",
    "modified": "2024-07-01T00:30:00+02:00",
    "links": [],
}
CAMPAIGN = {
    "id": 9007199254740993,
    "name": "Autumn [J7-0a1b2c3d]",
    "mailingGroupId": CLIENT_ID,
    "status": "activationRequired",
    "type": "regular",
    "created": "2022-03-03T08:45:07.250+01:00",
    "modified": "2022-03-03T08:45:07+01:00",
    "recipientLists": {"nodeId": "n1", "recipientListIds": [CLIENT_ID + 1], "links": []},
    "messages": [
        {
            "nodeId": "n2",
            "mailingId": 55,
            "name": "Autumn",
            "mediaType": "email",
            "status": "activationRequired",
            "senderAddress": ADDRESS,
        }
    ],
    "links": [],
}


def collection(*elements: Any, links: Any = ()) -> dict[str, Any]:
    return {"elements": elements, "links": links, "count": len(elements), "offset": 0, "limit": 100}


def following(href: str) -> list[dict[str, str]]:
    return [{"rel": "self", "href": "https://elsewhere.example/x"}, {"rel": "next", "href": href}]


class TestOperations:
    def test_the_login_is_http_basic_in_utf_8(self, campaign: Campaign, rest: OptimizelyRest) -> None:
        campaign.says("users/authenticated", Answer(body={"id": 7, "username": USER, "email": USER}))

        assert rest.get_authenticated_user() == AuthenticatedUser(id=7)

        credentials = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        assert campaign.requests[0].headers["Authorization"] == f"Basic {credentials}"

    def test_a_recipient_list_has_a_64_bit_id_and_aware_times(self, campaign: Campaign, rest: OptimizelyRest) -> None:
        campaign.says(f"recipientlists/{CLIENT_ID + 1}", Answer(body=LIST))

        assert rest.get_recipient_list(CLIENT_ID + 1) == RecipientList(
            id=40291413821,
            name="Newsletter",
            recipients=1200,
            modified=datetime(2024, 6, 30, 22, 30, tzinfo=UTC),
        )

    def test_the_fields_of_a_list(self, campaign: Campaign, rest: OptimizelyRest) -> None:
        described = {"internalName": "Urn", "displayName": "URN", "type": "STRING", "required": True}
        campaign.says("recipientlists/5/fields", Answer(body=collection(described)))

        expected = RecipientListField(internal_name="Urn", display_name="URN", type="STRING", required=True)
        assert rest.get_recipient_list_fields(5) == (expected,)

    def test_recipients_are_counted(self, campaign: Campaign, rest: OptimizelyRest) -> None:
        campaign.says("recipients/5/count", Answer(body={"count": 3_000_000_000, "links": []}))

        assert rest.count_recipients(5) == 3_000_000_000

    def test_campaigns_in_summary(self, campaign: Campaign, rest: OptimizelyRest) -> None:
        campaign.says("smartcampaigns", Answer(body=collection({"id": 1, "name": None, "status": "new in 2030"})))

        assert list(rest.select_smart_campaigns()) == [SmartCampaign(id=1, name="", status="new in 2030")]
        assert set(campaign.requests[0].query) == {"limit"}

    def test_campaigns_in_detail_and_by_status(self, campaign: Campaign, rest: OptimizelyRest) -> None:
        campaign.says("smartcampaigns", Answer(body=collection(CAMPAIGN)))

        found = list(rest.select_smart_campaigns("activationRequired", detailed=True))

        assert found == [
            SmartCampaign(
                id=9007199254740993,
                name="Autumn [J7-0a1b2c3d]",
                status="activationRequired",
                created=datetime(2022, 3, 3, 7, 45, 7, 250_000, tzinfo=UTC),
                recipient_list_ids=(CLIENT_ID + 1,),
                messages=(Message(mailing_id=55, name="Autumn", status="activationRequired"),),
            )
        ]
        assert campaign.requests[0].query["status"] == ["activationRequired"]
        assert campaign.requests[0].query["resultView"] == ["DETAILED"]

    def test_one_campaign(self, campaign: Campaign, rest: OptimizelyRest) -> None:
        campaign.says("smartcampaigns/3", Answer(body=CAMPAIGN | {"finished": "2022-03-04T00:00:00Z"}))

        assert rest.get_smart_campaign(3).finished == datetime(2022, 3, 4, tzinfo=UTC)

    def test_a_copy_is_asked_for_by_form(self, campaign: Campaign, rest: OptimizelyRest) -> None:
        campaign.says("smartcampaigns", Answer(201, CAMPAIGN))

        assert rest.copy_smart_campaign(3, "Autumn & more [J7]", [11, 12]).id == 9007199254740993

        [request] = campaign.requests
        assert request.method == "POST"
        assert request.form == {
            "name": ["Autumn & more [J7]"],
            "sourceCampaignId": ["3"],
            "recipientListIds": ["11,12"],
        }
        assert request.headers["Content-Type"] == "application/x-www-form-urlencoded"

    def test_a_start_does_not_depend_on_the_body(self, campaign: Campaign, rest: OptimizelyRest) -> None:
        campaign.says("smartcampaigns/3/start", Answer(body=b""))

        rest.start_smart_campaign(3)

        assert [(request.method, request.form) for request in campaign.requests] == [("POST", {})]

    def test_the_report(self, campaign: Campaign, rest: OptimizelyRest) -> None:
        recipients = {"net": 90, "total": 100, "skipped": 7, "inQueue": 3}
        report = {"campaignId": 3, "recipients": recipients, "bounces": {"hard": 1, "soft": 2}, "opens": {"total": 5}}
        campaign.says("smartcampaigns/3/report", Answer(body=report))

        assert rest.get_report(3) == SmartCampaignReport(
            recipients_total=100, net=90, skipped=7, in_queue=3, hard_bounces=1, soft_bounces=2
        )

    def test_the_messages_are_a_plain_array(self, campaign: Campaign, rest: OptimizelyRest) -> None:
        campaign.says("smartcampaigns/3/messages", Answer(body=CAMPAIGN["messages"]))

        assert [message.mailing_id for message in rest.get_messages(3)] == [55]

    def test_scheduled_jobs(self, campaign: Campaign, rest: OptimizelyRest) -> None:
        trigger = {"name": "daily", "state": "NORMAL", "lastFiredTime": "2024-01-01T03:00:00+01:00"}
        job = {"name": "Recipient import Newsletter", "type": "x", "jobData": {"file": "x"}, "triggers": [trigger]}
        campaign.says("customerjobs/configured", Answer(body=collection(job, {"name": "idle", "triggers": None})))
        running = {"name": "idle", "started": "2024-01-01T03:00:00+01:00", "elapsedRunningTime": {"seconds": 1}}
        campaign.says("customerjobs/running", Answer(body=collection(running)))

        at = datetime(2024, 1, 1, 2, tzinfo=UTC)
        assert list(rest.select_all_configured_jobs()) == [
            ConfiguredJob(
                name="Recipient import Newsletter", triggers=(JobTrigger(state="NORMAL", last_fired_time=at),)
            ),
            ConfiguredJob(name="idle"),
        ]
        assert list(rest.select_all_running_jobs()) == [RunningJob(name="idle", started=at)]


class TestPaging:
    def test_pages_are_followed_to_the_last(self, campaign: Campaign, rest: OptimizelyRest) -> None:
        base = f"{campaign.base_url}/{CLIENT_ID}/recipientlists"
        campaign.says(
            "recipientlists",
            Answer(body=collection({**LIST, "id": 1}, {**LIST, "id": 2}, links=following(f"{base}?offset=2&limit=2"))),
            Answer(body=collection({**LIST, "id": 3}, links=following("recipientlists?limit=2&offset=3"))),
            Answer(body=collection({**LIST, "id": 4}, links=None)),
        )

        assert [found.id for found in rest.select_recipient_lists()] == [1, 2, 3, 4]
        assert [request.query.get("offset") for request in campaign.requests] == [None, ["2"], ["3"]]

    def test_the_filters_hold_on_every_page(self, campaign: Campaign, rest: OptimizelyRest) -> None:
        campaign.says(
            "smartcampaigns", Answer(body=collection(CAMPAIGN, links=following("?offset=1"))), Answer(body=collection())
        )

        assert len(list(rest.select_smart_campaigns("paused"))) == 1
        assert [request.query["status"] for request in campaign.requests] == [["paused"], ["paused"]]

    def test_a_page_is_asked_for_when_it_is_needed(self, campaign: Campaign, rest: OptimizelyRest) -> None:
        campaign.says("recipientlists", Answer(body=collection(LIST, links=following("?offset=1"))))

        assert next(rest.select_recipient_lists()).id == LIST["id"]
        assert len(campaign.requests) == 1

    @pytest.mark.parametrize(
        "href",
        [
            "https://evil.example/rest/1/recipientlists?offset=1",
            "//evil.example/?offset=1",
            "recipientlists?limit=100",
            "recipientlists?offset=one",
            "recipientlists?offset=0",
            "http://[broken?offset=1",
            "",
        ],
    )
    def test_a_next_link_that_leads_astray_is_refused(
        self, campaign: Campaign, rest: OptimizelyRest, href: str
    ) -> None:
        campaign.says("recipientlists", Answer(body=collection(LIST, links=following(href))))

        with pytest.raises(OptimizelyAnswerInvalid) as caught:
            list(rest.select_recipient_lists())

        assert "evil" not in str(caught.value)
        assert len(campaign.requests) == 1


PASSING = [
    pytest.param(Answer(drops=True), id="dropped"),
    pytest.param(Answer(body=LIST, breaks_off=True), id="broken off"),
    pytest.param(Answer(429, {}), id="429"),
    pytest.param(Answer(500, {}), id="500"),
    pytest.param(Answer(503, {}), id="503"),
]


class TestRetries:
    @pytest.mark.parametrize("failure", PASSING)
    def test_a_get_is_tried_again(
        self, campaign: Campaign, rest: OptimizelyRest, pauses: list[float], failure: Answer
    ) -> None:
        campaign.says("recipientlists/5", failure, failure, Answer(body=LIST))

        assert rest.get_recipient_list(5).recipients == 1200
        assert len(campaign.requests) == 3
        assert 0.5 <= pauses[0] <= 0.75
        assert 1 <= pauses[1] <= 1.5

    @pytest.mark.parametrize("failure", PASSING)
    def test_a_get_is_given_up_in_the_end(
        self, campaign: Campaign, rest: OptimizelyRest, pauses: list[float], failure: Answer
    ) -> None:
        campaign.says("recipientlists/5", failure)

        with pytest.raises(OptimizelyUnavailable) as caught:
            rest.get_recipient_list(5)

        assert isinstance(caught.value, TransientError)
        assert caught.value.facts["operation"] == "getRecipientList"
        assert len(campaign.requests) == 4
        assert len(pauses) == 3

    @pytest.mark.parametrize("failure", PASSING)
    def test_a_post_is_never_repeated(
        self, campaign: Campaign, rest: OptimizelyRest, pauses: list[float], failure: Answer
    ) -> None:
        campaign.says("smartcampaigns/3/start", failure)
        campaign.says("smartcampaigns", failure)

        with pytest.raises(OptimizelyUnavailable):
            rest.start_smart_campaign(3)
        with pytest.raises(OptimizelyUnavailable):
            rest.copy_smart_campaign(3, "name", [1])

        assert [request.method for request in campaign.requests] == ["POST", "POST"]
        assert pauses == []

    def test_a_slow_answer_is_a_time_out(self, campaign: Campaign, pauses: list[float]) -> None:
        release = threading.Event()
        campaign.says("recipientlists/5", Answer(body=LIST, after=release))
        campaign.says("smartcampaigns/3/start", Answer(body={}, after=release))
        client = client_of(campaign, read_timeout=0.05, sleep=pauses.append)
        try:
            with pytest.raises(OptimizelyUnavailable, match="ReadTimeout"):
                client.get_recipient_list(5)
            with pytest.raises(OptimizelyUnavailable, match="ReadTimeout"):
                client.start_smart_campaign(3)
        finally:
            release.set()
            client.close()

        assert [request.method for request in campaign.requests] == ["GET"] * 4 + ["POST"]

    def test_a_server_that_is_not_there(self, pauses: list[float]) -> None:
        gone = Campaign()
        gone.server_close()
        client = client_of(gone, sleep=pauses.append)

        with pytest.raises(OptimizelyUnavailable, match="ConnectionError"):
            client.get_authenticated_user()
        with pytest.raises(OptimizelyUnavailable, match="ConnectionError"):
            client.start_smart_campaign(3)

        assert len(pauses) == 3

    def test_retry_after_in_seconds_is_honoured(
        self, campaign: Campaign, rest: OptimizelyRest, pauses: list[float]
    ) -> None:
        busy = Answer(429, {}, {"Retry-After": "12"})
        campaign.says("recipients/5/count", busy, Answer(503, {}, {"Retry-After": "soon"}), Answer(body={"count": 1}))

        assert rest.count_recipients(5) == 1
        assert 12 <= pauses[0] <= 18
        assert 1 <= pauses[1] <= 1.5

    def test_retry_after_as_a_date_is_honoured_up_to_a_cap(
        self, campaign: Campaign, rest: OptimizelyRest, pauses: list[float]
    ) -> None:
        tomorrow = format_datetime(datetime.now(UTC) + timedelta(days=1), usegmt=True)
        campaign.says("recipients/5/count", Answer(429, {}, {"Retry-After": tomorrow}), Answer(body={"count": 1}))

        assert rest.count_recipients(5) == 1
        assert 30 <= pauses[0] <= 45

    def test_no_pause_is_made_with_a_slot_for_counts_in_hand(self, campaign: Campaign) -> None:
        campaign.says("recipients/5/count", Answer(429, {}), Answer(body={"count": 1}))
        free: list[int] = []
        client = client_of(campaign, sleep=lambda _: free.append(module._counting._value))

        assert client.count_recipients(5) == 1
        client.close()
        assert free == [10]


class TestThreads:
    def test_at_most_ten_counts_run_at_once_in_the_process(
        self, campaign: Campaign, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        threads, changed = 24, threading.Condition()
        at_the_door = inside = running = most = 0
        everybody_is_there = False

        class Watched(threading.BoundedSemaphore):
            def __enter__(self, *_: Any) -> bool:
                nonlocal at_the_door, inside
                with changed:
                    at_the_door += 1
                    changed.notify_all()
                entered = self.acquire()
                with changed:
                    inside += 1
                    changed.notify_all()
                return entered

        def observe() -> None:
            nonlocal running, most, everybody_is_there
            with changed:
                running += 1
                most = max(most, running)
                # Nobody is answered before every thread is either here or held back at the door.
                changed.notify_all()
                changed.wait_for(lambda: everybody_is_there or running + at_the_door - inside == threads)
                everybody_is_there = True
                changed.notify_all()
                running -= 1

        monkeypatch.setattr(module, "_counting", Watched(module._counting._value))
        campaign.observe = observe
        campaign.says("recipients/5/count", Answer(body={"count": 1}))
        clients = [client_of(campaign) for _ in range(3)]
        with ThreadPoolExecutor(threads) as pool:
            counts = list(pool.map(lambda number: clients[number % 3].count_recipients(5), range(threads)))
        for client in clients:
            client.close()

        assert counts == [1] * threads
        assert most == 10

    def test_threads_share_the_connections(self, campaign: Campaign, rest: OptimizelyRest) -> None:
        answer = Answer(body=LIST, headers={"Set-Cookie": "session=1; Path=/"})
        campaign.says("recipientlists/5", answer)

        with ThreadPoolExecutor(16) as pool:
            lists = list(pool.map(rest.get_recipient_list, [5] * 100))

        assert {found.recipients for found in lists} == {1200}
        assert not any("Cookie" in request.headers for request in campaign.requests)


class TestErrors:
    @pytest.mark.parametrize("status", [401, 403])
    def test_a_refused_login(self, campaign: Campaign, rest: OptimizelyRest, status: int) -> None:
        campaign.says("customerjobs/running", Answer(status, BODY_CANARY))

        with pytest.raises(OptimizelyLoginRefused) as caught:
            list(rest.select_all_running_jobs())

        assert isinstance(caught.value, TerminalError)
        assert caught.value.facts == {"operation": "selectAllRunningJobs", "status": status}
        assert len(campaign.requests) == 1

    @pytest.mark.parametrize("status", [400, 404, 409])
    def test_a_refusal_tells_its_status(self, campaign: Campaign, rest: OptimizelyRest, status: int) -> None:
        campaign.says("smartcampaigns/3/start", Answer(status, BODY_CANARY))
        campaign.says("recipientlists/5", Answer(status, BODY_CANARY))

        with pytest.raises(OptimizelyRefused) as caught:
            rest.start_smart_campaign(3)
        with pytest.raises(OptimizelyRefused):
            rest.get_recipient_list(5)

        assert caught.value.facts == {"operation": "startSmartCampaign", "status": status}
        assert len(campaign.requests) == 2

    @pytest.mark.parametrize(
        "body",
        [
            pytest.param(b"<html>" + BODY_CANARY.encode(), id="no JSON"),
            pytest.param(b"", id="empty"),
            pytest.param([], id="another kind"),
            pytest.param({"name": BODY_CANARY}, id="fields missing"),
            pytest.param(LIST | {"recipients": BODY_CANARY}, id="no number"),
            pytest.param(LIST | {"recipients": -1}, id="negative"),
            pytest.param(LIST | {"id": 2**63}, id="more than 64 bits"),
            pytest.param(LIST | {"modified": "2024-07-01T00:30:00"}, id="time without offset"),
            pytest.param(LIST | {"modified": BODY_CANARY}, id="no time"),
        ],
    )
    def test_an_answer_of_another_shape(self, campaign: Campaign, rest: OptimizelyRest, body: Any) -> None:
        campaign.says("recipientlists/5", Answer(body=body))

        with pytest.raises(OptimizelyAnswerInvalid) as caught:
            rest.get_recipient_list(5)

        assert BODY_CANARY not in f"{caught.value!r} {caught.value.facts}"
        assert len(campaign.requests) == 1

    def test_the_reason_names_the_field(self, campaign: Campaign, rest: OptimizelyRest) -> None:
        campaign.says("recipientlists", Answer(body=collection(LIST, LIST | {"recipients": "many"})))

        with pytest.raises(OptimizelyAnswerInvalid, match=r"elements\.1\.recipients: int_parsing"):
            list(rest.select_recipient_lists())

    def test_redirects_are_not_followed(self, campaign: Campaign, rest: OptimizelyRest) -> None:
        campaign.says("recipientlists/5", Answer(302, {}, {"Location": f"{campaign.base_url}/{CLIENT_ID}/trap"}))

        with pytest.raises(OptimizelyAnswerInvalid, match="status 302"):
            rest.get_recipient_list(5)

        assert [request.path for request in campaign.requests] == ["recipientlists/5"]


class TestSecrets:
    def test_nothing_secret_reaches_errors_or_logs(
        self, campaign: Campaign, rest: OptimizelyRest, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        for name in ("urllib3", "requests"):
            caplog.set_level(logging.DEBUG, name)
        body = {"errorMessage": f"{BODY_CANARY} {ADDRESS}"}
        failures = [Answer(status, body) for status in (400, 401, 404, 409, 429, 500)]
        failures += [Answer(body=body), Answer(body=body, breaks_off=True), Answer(drops=True)]
        errors: list[BridgeError] = []
        for failure in failures:
            campaign.answers.clear()
            campaign.says("recipientlists/5", failure)
            campaign.says("smartcampaigns", failure)
            for act in (
                lambda: rest.get_recipient_list(5),
                lambda: rest.copy_smart_campaign(3, "name", [1]),
            ):
                with pytest.raises(BridgeError) as caught:
                    act()
                errors.append(caught.value)
                logging.getLogger("bridge").error("a step failed", exc_info=caught.value)

        assert len(errors) == 18
        credentials = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        told = caplog.text + repr(rest) + "".join(f"{error} {error!r} {error.facts}" for error in errors)
        assert "it is asked again" in told
        for secret in (PASSWORD, USER, credentials, "Basic ", ADDRESS, BODY_CANARY):
            assert secret not in told

    def test_an_answer_does_not_show_addresses(self, campaign: Campaign, rest: OptimizelyRest) -> None:
        campaign.says("users/authenticated", Answer(body={"id": 7, "username": USER, "email": ADDRESS}))
        campaign.says("smartcampaigns/3", Answer(body=CAMPAIGN))

        told = f"{rest.get_authenticated_user()!r} {rest.get_smart_campaign(3)!r}"

        assert USER not in told
        assert ADDRESS not in told

    def test_a_certificate_that_nobody_vouches_for_gets_no_password(self, tmp_path: Path) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self_signed(tmp_path))
        server = Campaign()
        server.socket = context.wrap_socket(server.socket, server_side=True)
        with serving(server):
            client = client_of(server, base_url=server.base_url.replace("http:", "https:"), sleep=lambda _: None)
            with pytest.raises(OptimizelyUnavailable, match="SSLError"):
                client.get_authenticated_user()
            client.close()

        assert server.requests == []


def self_signed(folder: Path) -> Path:
    """A certificate for 127.0.0.1 and its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    today = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(today - timedelta(days=1))
        .not_valid_after(today + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = folder / "server.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return path
