"""The REST client's exchanges: login, pages, retries, threads, and the network."""

import base64
import ssl
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from shared.errors import (
    OptimizelyAnswerInvalid,
    OptimizelyConflict,
    OptimizelyRefused,
    OptimizelyUnavailable,
    TransientError,
)
from shared.optimizely.rest import client as module
from shared.optimizely.rest.client import OptimizelyRest
from tests.unit.optimizely.rest.operations import OPERATIONS, Operation
from tests.unit.optimizely.rest_server import (
    CAMPAIGN,
    CLIENT_ID,
    LIST,
    PASSWORD,
    USER,
    Answer,
    Campaign,
    client_of,
    collection,
    following,
    serving,
)

CREDENTIALS = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()


class TestPaging:
    def test_pages_are_followed_to_the_last(self, campaign: Campaign, rest: OptimizelyRest) -> None:
        base = f"{campaign.base_url}/{CLIENT_ID}/recipientlists"
        campaign.says(
            "recipientlists",
            Answer(body=collection({**LIST, "id": 1}, {**LIST, "id": 2}, links=following(f"{base}?offset=2&limit=2"))),
            Answer(body=collection({**LIST, "id": 3}, links=following("recipientlists?limit=2&offset=3"))),
            Answer(body=collection({**LIST, "id": 4}, links=None)),
        )

        assert [listed.id for listed in rest.select_recipient_lists()] == [1, 2, 3, 4]
        assert [request.query.get("offset") for request in campaign.requests] == [None, ["2"], ["3"]]

    @pytest.mark.parametrize(
        "name",
        [
            *("select_recipient_lists", "select_recipients", "select_smart_campaigns, all parameters"),
            *("select_sending_batches", "select_unsubscribes, newest first"),
            "find_all_blacklist_entries, newest first",
        ],
    )
    def test_the_filters_hold_on_every_page(self, campaign: Campaign, rest: OptimizelyRest, name: str) -> None:
        operation = OPERATIONS[name]
        element = {**LIST, **CAMPAIGN, **_element_of(operation)}
        campaign.says(
            operation.path,
            Answer(body=collection(element, links=following("?offset=1"))),
            Answer(body=collection(element)),
        )

        assert len(operation.call(rest)) == 2
        first, second = (request.query for request in campaign.requests)
        assert second == first | {"offset": ["1"]}

    def test_a_page_is_requested_when_it_is_needed(self, campaign: Campaign, rest: OptimizelyRest) -> None:
        campaign.says("recipientlists", Answer(body=collection(LIST, links=following("?offset=1"))))

        assert next(rest.select_recipient_lists()).id == LIST["id"]
        assert len(campaign.requests) == 1

    def test_an_empty_page_is_the_last(self, campaign: Campaign, rest: OptimizelyRest) -> None:
        campaign.says(
            "recipientlists",
            Answer(body=collection(LIST, links=following("?offset=1"))),
            Answer(body=collection(links=following("?offset=2"))),
        )

        assert len(list(rest.select_recipient_lists())) == 1
        assert len(campaign.requests) == 2

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
    def test_a_next_link_to_anything_but_a_later_page_is_refused(
        self, campaign: Campaign, rest: OptimizelyRest, href: str
    ) -> None:
        campaign.says("recipientlists", Answer(body=collection(LIST, links=following(href))))

        with pytest.raises(OptimizelyAnswerInvalid) as caught:
            list(rest.select_recipient_lists())

        assert "evil" not in str(caught.value)
        assert len(campaign.requests) == 1


def _element_of(operation: Operation) -> dict[str, Any]:
    """An element for a collection whose example is empty or has several."""
    elements = operation.answer["elements"]
    return dict(elements[0]) if elements else {"recipientId": "1", "pattern": "*"}


TEMPORARY = [
    pytest.param(Answer(drops=True), id="dropped"),
    pytest.param(Answer(body=LIST, breaks_off=True), id="broken off"),
    *(pytest.param(Answer(status, {}), id=str(status)) for status in (408, 429, 500, 502, 503, 504, 529)),
]
WRITING = {name: operation for name, operation in OPERATIONS.items() if operation.method != "GET"}


class TestRetries:
    @pytest.mark.parametrize("failure", TEMPORARY)
    def test_a_get_is_retried(
        self, campaign: Campaign, rest: OptimizelyRest, pauses: list[float], failure: Answer
    ) -> None:
        campaign.says("recipientlists/5", failure, failure, Answer(body=LIST))

        assert rest.get_recipient_list(5).recipients == 1200
        assert len(campaign.requests) == 3
        assert 0.5 <= pauses[0] <= 0.75
        assert 1 <= pauses[1] <= 1.5

    @pytest.mark.parametrize("failure", TEMPORARY)
    def test_a_get_fails_after_the_last_attempt(
        self, campaign: Campaign, rest: OptimizelyRest, pauses: list[float], failure: Answer
    ) -> None:
        campaign.says("recipientlists/5", failure)

        with pytest.raises(OptimizelyUnavailable) as caught:
            rest.get_recipient_list(5)

        assert isinstance(caught.value, TransientError)
        assert caught.value.operation == "getRecipientList"
        assert len(campaign.requests) == 4
        assert len(pauses) == 3

    def test_only_the_page_that_failed_is_requested_again(self, campaign: Campaign, rest: OptimizelyRest) -> None:
        campaign.says(
            "recipientlists",
            Answer(body=collection({**LIST, "id": 1}, links=following("?offset=1"))),
            Answer(503, {}),
            Answer(body=collection({**LIST, "id": 2})),
        )

        assert [listed.id for listed in rest.select_recipient_lists()] == [1, 2]
        assert [request.query.get("offset") for request in campaign.requests] == [None, ["1"], ["1"]]

    @pytest.mark.parametrize("operation", WRITING.values(), ids=WRITING.keys())
    @pytest.mark.parametrize(
        "failure", [Answer(drops=True), Answer(429, {}), Answer(503, {})], ids=["drop", "429", "503"]
    )
    def test_requests_other_than_get_are_never_retried(
        self, campaign: Campaign, rest: OptimizelyRest, pauses: list[float], failure: Answer, operation: Operation
    ) -> None:
        campaign.says(operation.path, failure)

        with pytest.raises(OptimizelyUnavailable):
            operation.call(rest)

        assert [request.method for request in campaign.requests] == [operation.method]
        assert pauses == []

    @pytest.mark.parametrize("status", [400, 404, 501, 505])
    def test_a_permanent_failure_is_not_retried(
        self, campaign: Campaign, rest: OptimizelyRest, pauses: list[float], status: int
    ) -> None:
        campaign.says("recipientlists/5", Answer(status, {}))

        with pytest.raises(OptimizelyRefused):
            rest.get_recipient_list(5)

        assert (len(campaign.requests), pauses) == (1, [])

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

        assert len(pauses) == 3

    def test_an_unreachable_server(self, pauses: list[float]) -> None:
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
        campaign.says("recipients/5/count", Answer(429, {}, {"Retry-After": "12"}), Answer(body={"count": 1}))

        assert rest.count_recipients(5) == 1
        assert 12 <= pauses[0] <= 18

    def test_retry_after_as_a_date_is_honoured_up_to_a_cap(
        self, campaign: Campaign, rest: OptimizelyRest, pauses: list[float]
    ) -> None:
        tomorrow = format_datetime(datetime.now(UTC) + timedelta(days=1), usegmt=True)
        campaign.says("recipients/5/count", Answer(429, {}, {"Retry-After": tomorrow}), Answer(body={"count": 1}))

        assert rest.count_recipients(5) == 1
        assert 30 <= pauses[0] <= 45

    @pytest.mark.parametrize(
        "value", ["soon", "", "-5", "Mon, 99 Foo 2022 99:99:99 GMT", "Mon, 01 Jan 99999 00:00:00 GMT", "9" * 5000]
    )
    def test_an_unreadable_retry_after_is_ignored(
        self, campaign: Campaign, rest: OptimizelyRest, pauses: list[float], value: str
    ) -> None:
        campaign.says("recipients/5/count", Answer(503, {}, {"Retry-After": value}), Answer(body={"count": 1}))

        assert rest.count_recipients(5) == 1
        assert 0.5 <= pauses[0] <= 0.75

    def test_a_pause_holds_no_slot(self, campaign: Campaign) -> None:
        campaign.says("recipients/5/count", Answer(429, {}), Answer(body={"count": 1}))
        free: list[int] = []
        client = client_of(campaign, sleep=lambda _: free.append(module._recipient_slots._value))

        assert client.count_recipients(5) == 1
        client.close()
        assert free == [10]


class TestThreads:
    def test_at_most_ten_counts_and_selects_run_at_once_in_the_process(
        self, campaign: Campaign, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        threads, changed = 24, threading.Condition()
        waiting = inside = running = most = 0
        all_arrived = False

        class Watched(threading.BoundedSemaphore):
            def __enter__(self, *_: Any) -> bool:
                nonlocal waiting, inside
                with changed:
                    waiting += 1
                    changed.notify_all()
                entered = self.acquire()
                with changed:
                    inside += 1
                    changed.notify_all()
                return entered

        def observe() -> None:
            nonlocal running, most, all_arrived
            with changed:
                running += 1
                most = max(most, running)
                # No answer is sent before every thread is either here or waiting for a slot.
                changed.notify_all()
                changed.wait_for(lambda: all_arrived or running + waiting - inside == threads)
                all_arrived = True
                changed.notify_all()
                running -= 1

        monkeypatch.setattr(module, "_recipient_slots", Watched(module._recipient_slots._value))
        campaign.observe = observe
        campaign.says("recipients/5/count", Answer(body={"count": 1}))
        campaign.says("recipients/5", Answer(body=collection({"id": "1"})))
        clients = [client_of(campaign) for _ in range(3)]

        def ask(number: int) -> int:
            client = clients[number % 3]
            return client.count_recipients(5) if number % 2 else len(list(client.select_recipients(5)))

        with ThreadPoolExecutor(threads) as pool:
            counts = list(pool.map(ask, range(threads)))
        for client in clients:
            client.close()

        assert counts == [1] * threads
        assert most == 10

    def test_threads_share_the_connections(self, campaign: Campaign, rest: OptimizelyRest) -> None:
        answer = Answer(body=LIST, headers={"Set-Cookie": "session=1; Path=/"})
        campaign.says("recipientlists/5", answer)

        with ThreadPoolExecutor(16) as pool:
            lists = list(pool.map(rest.get_recipient_list, [5] * 100))

        assert {fetched.recipients for fetched in lists} == {1200}
        assert not any("Cookie" in request.headers for request in campaign.requests)

    def test_there_are_no_more_requests_at_a_time_than_connections(self, campaign: Campaign) -> None:
        release, full, lock = threading.Event(), threading.Event(), threading.Lock()
        running = most = 0

        def observe() -> None:
            nonlocal running, most
            with lock:
                running += 1
                most = max(most, running)
            if running == 2:
                full.set()
            release.wait()
            with lock:
                running -= 1

        campaign.observe = observe
        campaign.says("recipientlists/5", Answer(body=LIST))
        client = client_of(campaign, connections=2)
        with ThreadPoolExecutor(8) as pool:
            futures = [pool.submit(client.get_recipient_list, 5) for _ in range(8)]
            assert full.wait(60)
            release.set()
            assert {future.result().recipients for future in futures} == {1200}
        client.close()

        assert most == 2

    def test_a_failed_exchange_releases_its_connection(self, campaign: Campaign) -> None:
        failures = [
            *(Answer(drops=True), Answer(body=LIST, breaks_off=True), Answer(503, {}), Answer(409, {})),
            *(Answer(302, {}, {"Location": "/"}), Answer(body=b"no JSON"), Answer(raw=b"HTTP/1.1 what\r\n\r\n")),
        ]
        client = client_of(campaign, connections=1, sleep=lambda _: None)
        for failure in failures:
            campaign.forget()
            campaign.says("recipientlists/5", failure)
            with pytest.raises((OptimizelyUnavailable, OptimizelyConflict, OptimizelyAnswerInvalid)):
                client.get_recipient_list(5)
            campaign.forget()
            campaign.says("recipientlists/5", Answer(body=LIST))
            assert client.get_recipient_list(5).recipients == 1200
        client.close()


class TestNetwork:
    def test_the_login_is_http_basic_in_utf_8(self, campaign: Campaign, rest: OptimizelyRest) -> None:
        campaign.says("users/authenticated", Answer(body={"id": 7}))

        rest.get_authenticated_user()

        assert campaign.requests[0].headers["Authorization"] == CREDENTIALS

    def test_a_netrc_does_not_replace_the_login(
        self, campaign: Campaign, rest: OptimizelyRest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        netrc = tmp_path / "netrc"
        netrc.write_text("machine 127.0.0.1 login somebody password else\ndefault login any password body\n")
        netrc.chmod(0o600)
        monkeypatch.setenv("NETRC", str(netrc))
        campaign.says("users/authenticated", Answer(body={"id": 7}))

        rest.get_authenticated_user()

        assert campaign.requests[0].headers["Authorization"] == CREDENTIALS

    def test_a_proxy_of_the_environment_is_used(self, campaign: Campaign, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("NO_PROXY", "no_proxy", "ALL_PROXY", "all_proxy", "http_proxy"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{campaign.server_port}")
        campaign.says("users/authenticated", Answer(body={"id": 7}))
        client = client_of(campaign, base_url="http://campaign.invalid/rest")

        assert client.get_authenticated_user().id == 7
        client.close()

        assert campaign.requests[0].headers["Host"] == "campaign.invalid"

    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    @pytest.mark.parametrize("location", ["/trap", "https://evil.example/trap", "http://[broken", "\x00", ""])
    def test_redirections_are_neither_followed_nor_read(
        self, campaign: Campaign, rest: OptimizelyRest, status: int, location: str
    ) -> None:
        for path in ("recipientlists/5", "smartcampaigns/3/schedules/w%2F1"):
            campaign.says(path, Answer(status, {}, {"Location": location}))

        for act in (lambda: rest.get_recipient_list(5), lambda: rest.update_wait_node(3, "w/1")):
            with pytest.raises(
                OptimizelyAnswerInvalid, match=rf"a redirection \(status {status}, no media type, 2 byt"
            ):
                act()

        paths = [request.path for request in campaign.requests]
        assert paths == ["recipientlists/5"] * 4 + ["smartcampaigns/3/schedules/w%2F1"]

    def test_no_password_is_sent_to_a_server_with_an_untrusted_certificate(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
            monkeypatch.delenv(name, raising=False)
        server = secure(tmp_path)
        with serving(server):
            client = client_of(server, base_url=server.base_url.replace("http:", "https:"), sleep=lambda _: None)
            with pytest.raises(OptimizelyUnavailable, match="SSLError"):
                client.get_authenticated_user()
            client.close()

        assert server.requests == []

    def test_a_ca_bundle_of_the_environment_is_trusted(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        server = secure(tmp_path)
        server.says("users/authenticated", Answer(body={"id": 7}))
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "server.pem"))
        with serving(server):
            client = client_of(server, base_url=server.base_url.replace("http:", "https:"))
            assert client.get_authenticated_user().id == 7
            client.close()


def secure(folder: Path) -> Campaign:
    """A TLS server with a self-signed certificate: server.pem in the folder."""
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
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    server = Campaign()
    server.socket = context.wrap_socket(server.socket, server_side=True)
    return server
