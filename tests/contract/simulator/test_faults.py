"""Each fault strikes as requested, as a client sees it; the records show what took effect anyway."""

import io
import itertools
import re
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, get_args

import pytest
import requests

from local.simulator.faults import Fault, read_fault
from local.simulator.operations import OPERATIONS
from local.simulator.rest import serialisers
from local.simulator.rest.middleware import MOST_COUNTING, MOST_REQUESTS
from local.simulator.store import CLIENT_ID, FIRST_CAMPAIGN_ID, FIRST_MAILING_ID
from shared.errors import OptimizelyUnavailable, SftpHostKeyRefused, SftpLoginRefused, SftpRefused, SftpUnavailable
from shared.optimizely.rest.client import OptimizelyRest
from shared.optimizely.rest.transport import RestTransport
from shared.sftp.transfer import BLOCK
from tests.contract.simulator.conftest import Simulation
from tests.contract.simulator.description import Description, needed

HEADER = "Email;Urn;CommunicationKey;BroadcastKey;LoyaltyPoints\n"
STARTED = {"running", "finished"}


# The knobs


@pytest.fixture
def vendor(shared_vendor: Simulation) -> Iterator[Simulation]:
    """The simulation of all tests here: no fault is left in it, no file waits, no import runs."""
    yield shared_vendor
    knob(shared_vendor, "delete")
    for folder in ("import", "closedloop"):
        for path in (shared_vendor.simulator._site / folder).iterdir():
            if path.is_file():
                path.unlink()
    shared_vendor.pass_time(hours=2)


def knob(vendor: Simulation, method: str, path: str = "", **more: Any) -> requests.Response:
    return requests.request(method, f"{vendor.addresses['control_url']}/faults{path}", timeout=30, **more)


def play(vendor: Simulation, kind: str, **fault: object) -> int:
    answer = knob(vendor, "post", json={"kind": kind, **fault})
    assert answer.status_code == 201, answer.text
    return int(answer.json()["id"])


def struck(vendor: Simulation) -> list[int]:
    return [fault["struck"] for fault in knob(vendor, "get").json()]


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_faults_are_added_listed_and_cleared(vendor: Simulation) -> None:
    first = play(vendor, "drop", operation="getReport_1", when="after", times=2)
    second = play(vendor, "refuse-login")
    assert knob(vendor, "get").json() == [
        {"id": first, "struck": 0, "kind": "drop", "operation": "getReport_1", "when": "after", "times": 2},
        {"id": second, "struck": 0, "kind": "refuse-login"},
    ]
    assert knob(vendor, "delete", f"/{first}").status_code == 204
    assert knob(vendor, "delete", f"/{first}").status_code == 404
    assert knob(vendor, "delete", "/first").status_code == 404
    assert [fault["id"] for fault in knob(vendor, "get").json()] == [second]
    assert knob(vendor, "delete").status_code == 204
    assert knob(vendor, "get").json() == []


@pytest.mark.parametrize(
    ("fault", "about"),
    [
        ("no JSON", "JSON"),
        ("[]", "fault"),
        ("{}", "kind"),
        ('{"kind": "earthquake"}', "earthquake"),
        ('{"kind": "drop", "operation": "startSmartCampaign"}', "when"),
        ('{"kind": "drop", "operation": "startCampaign", "when": "after"}', "operation"),
        ('{"kind": "status", "operation": "*", "when": "after", "status": 404}', "status"),
        ('{"kind": "latency", "operation": "*", "seconds": 0}', "seconds"),
        ('{"kind": "latency", "operation": "*", "seconds": "1"}', "seconds"),
        ('{"kind": "import-loses", "percent": 101}', "percent"),
        ('{"kind": "wrong-count", "by": 0}', "by"),
        ('{"kind": "disk-full", "after_bytes": -1}', "after_bytes"),
        ('{"kind": "refuse-login", "times": 0}', "times"),
        ('{"kind": "host-key-changed", "times": 1}', "times"),
        ('{"kind": "refuse-login", "when": "after"}', "when"),
    ],
)
def test_nonsense_is_refused_with_a_sentence(vendor: Simulation, fault: str, about: str) -> None:
    answer = knob(vendor, "post", data=fault)
    assert answer.status_code == 400
    assert about in answer.text
    assert answer.text.endswith(".")
    assert knob(vendor, "get").json() == []


def kinds(fault: type[Fault] = Fault) -> set[str]:
    return set(get_args(fault.model_fields["kind"].annotation)).union(*map(kinds, fault.__subclasses__()))


def test_every_kind_has_an_example_in_the_docs_and_every_example_is_valid() -> None:
    page = (Path(__file__).parents[3] / "docs/reference/simulator.md").read_text()
    examples = re.findall(r"^fault '(.*)'$", page, re.MULTILINE)
    assert {read_fault(example).kind for example in examples} == kinds()


# The REST API


@pytest.fixture
def rest(vendor: Simulation) -> Iterator[OptimizelyRest]:
    """A client that does not wait between its tries."""
    addresses = vendor.addresses
    with ExitStack() as stack:
        client = OptimizelyRest(
            RestTransport(
                base_url=addresses["rest_url"],
                client_id=addresses["client_id"],
                user=addresses["api_user"],
                password=addresses["api_password"],
                sleep=lambda _: None,
            )
        )
        stack.callback(client.close)
        yield client


def ask(vendor: Simulation, method: str, path: str, **more: Any) -> requests.Response:
    """An answer that the vendor's description may not list."""
    login = (vendor.addresses["api_user"], vendor.addresses["api_password"])
    url = f"{vendor.addresses['rest_url']}/{CLIENT_ID}{path}"
    return requests.request(method, url, auth=login, timeout=30, **more)


@pytest.fixture
def campaign(vendor: Simulation) -> int:
    """A Smart Campaign that is not started."""
    return vendor.rest.copy_smart_campaign(FIRST_CAMPAIGN_ID, "Copy", [vendor.list_id()]).id


def status(vendor: Simulation, campaign: int) -> str:
    return next(str(entry["status"]) for entry in vendor.state()["campaigns"] if entry["id"] == campaign)


@needed
def test_every_route_has_the_operation_id_of_the_description(vendor: Simulation) -> None:
    described = {
        operation.id: (operation.method, operation.path) for operation in Description.load().operations.values()
    }
    assert {name: (method, f"/{{clientId}}{path}") for (method, path), name in OPERATIONS.items()}.items() <= (
        described.items()
    )
    routes = {
        (route.method, route.resource.canonical)
        for route in vendor.simulator._rest.application().router.routes()
        if route.resource and route.method != "HEAD"
    }
    assert routes == OPERATIONS.keys()


@pytest.mark.parametrize("code", [403, 429, 500, 502, 503])
@pytest.mark.parametrize("when", ["before", "after"])
def test_an_error_is_returned_before_or_after_the_effect(
    vendor: Simulation, campaign: int, code: int, when: str
) -> None:
    play(vendor, "status", operation="startSmartCampaign", status=code, when=when, retry_after=7, times=1)
    answer = ask(vendor, "post", f"/smartcampaigns/{campaign}/start")
    assert (answer.status_code, answer.headers["Retry-After"]) == (code, "7")
    assert answer.json() == serialisers.error(code, answer.json()["errorMessage"])
    assert (status(vendor, campaign) in STARTED) == (when == "after")
    # It is spent: what follows is answered by the state of the campaign.
    assert ask(vendor, "post", f"/smartcampaigns/{campaign}/start").status_code == (409 if when == "after" else 200)
    assert struck(vendor) == [1]


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_connection_is_closed_before_or_after_the_effect(
    vendor: Simulation, campaign: int, rest: OptimizelyRest, when: str
) -> None:
    another = rest.copy_smart_campaign(FIRST_CAMPAIGN_ID, "Another", [vendor.list_id()]).id
    play(vendor, "drop", operation="startSmartCampaign", when=when)
    with pytest.raises(requests.ConnectionError):
        ask(vendor, "post", f"/smartcampaigns/{campaign}/start")
    with pytest.raises(OptimizelyUnavailable):
        rest.start_smart_campaign(another)
    for campaign_id in (campaign, another):
        assert (status(vendor, campaign_id) in STARTED) == (when == "after")
    assert struck(vendor) == [2]
    assert rest.get_smart_campaign(campaign).id == campaign, "other operations are well"


def test_a_connection_is_closed_on_a_request_whose_body_is_not_read(vendor: Simulation, rest: OptimizelyRest) -> None:
    play(vendor, "drop", operation="createOrCopySmartCampaign", when="before", times=1)
    before = len(vendor.state()["campaigns"])
    with pytest.raises(OptimizelyUnavailable):
        rest.copy_smart_campaign(FIRST_CAMPAIGN_ID, "Copy" * 20_000, [vendor.list_id()])
    assert len(vendor.state()["campaigns"]) == before


def test_a_client_that_retries_overcomes_errors_of_every_operation(vendor: Simulation, rest: OptimizelyRest) -> None:
    play(vendor, "status", operation="*", status=503, when="before", times=2)
    play(vendor, "drop", operation="*", when="before", times=1)
    assert rest.get_smart_campaign(FIRST_CAMPAIGN_ID).id == FIRST_CAMPAIGN_ID
    assert struck(vendor) == [2, 1]


def test_a_response_is_delayed(vendor: Simulation) -> None:
    play(vendor, "latency", operation="getSmartCampaign", seconds=0.2)
    began = time.monotonic()
    assert ask(vendor, "get", f"/smartcampaigns/{FIRST_CAMPAIGN_ID}").ok
    assert time.monotonic() - began >= 0.2, "it is the least that the request took, on any machine"
    assert struck(vendor) == [1]


def test_a_client_with_a_shorter_timeout_gets_no_response(vendor: Simulation, campaign: int) -> None:
    play(vendor, "latency", operation="startSmartCampaign", seconds=600)
    with pytest.raises(requests.ReadTimeout):
        requests.post(
            f"{vendor.addresses['rest_url']}/{CLIENT_ID}/smartcampaigns/{campaign}/start",
            auth=(vendor.addresses["api_user"], vendor.addresses["api_password"]),
            timeout=0.2,
        )
    assert status(vendor, campaign) == "activationRequired"
    knob(vendor, "delete")
    until(lambda: status(vendor, campaign) in STARTED)


# The vendor's limits of requests at a time


@contextmanager
def open_requests(vendor: Simulation, count: int, head: str) -> Iterator[None]:
    """Requests whose answers are not waited for."""
    address = vendor.addresses["rest_url"].split("/")[2].split(":")
    prepared = requests.Request("GET", "http://x", auth=vendor.session.auth).prepare()
    with ExitStack() as stack:
        for _ in range(count):
            connection = stack.enter_context(socket.create_connection((address[0], int(address[1]))))
            connection.sendall(
                f"{head}\r\nHost: x\r\nAuthorization: {prepared.headers['Authorization']}\r\n\r\n".encode()
            )
        yield


def test_more_concurrent_requests_than_the_vendor_allows_are_refused(vendor: Simulation) -> None:
    # The bodies never come, so the requests stay under way.
    head = f"POST /rest/{CLIENT_ID}/smartcampaigns HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded"

    def answered() -> int:
        return ask(vendor, "get", "/users/authenticated").status_code

    with open_requests(vendor, MOST_REQUESTS - 1, f"{head}\r\nContent-Length: 9"):
        assert [answered() for _ in range(20)] == [200] * 20
        with open_requests(vendor, 1, f"{head}\r\nContent-Length: 9"):
            until(lambda: answered() == 429)
        until(lambda: answered() == 200)
    assert (MOST_REQUESTS, MOST_COUNTING) == (40, 10)


def test_more_than_ten_concurrent_counts_and_selects_are_refused(vendor: Simulation) -> None:
    play(vendor, "latency", operation="countRecipients", seconds=600)
    counted = f"GET /rest/{CLIENT_ID}/recipients/{vendor.list_id()}/count HTTP/1.1\r\nAccept: */*"

    def answered(path: str) -> int:
        return ask(vendor, "get", path).status_code

    select = f"/recipients/{vendor.list_id()}"
    with open_requests(vendor, MOST_COUNTING - 1, counted):
        until(lambda: struck(vendor) == [MOST_COUNTING - 1])
        assert answered(select) == 200
        with open_requests(vendor, 1, counted):
            until(lambda: struck(vendor) == [MOST_COUNTING])
            assert answered(select) == 429
            assert answered("/users/authenticated") == 200, "only these two are so few"
        knob(vendor, "delete")
        until(lambda: answered(select) == 200)


# Imports


_numbers = itertools.count()


def people(count: int, last: int = 1) -> str:
    """Rows of so many people who are in no other test: nobody of them has unsubscribed."""
    numbers = itertools.islice(_numbers, count)
    return "".join(f"p{n}@example.org;{n};k{n};B1;{last}\n" for n in numbers)


def upload(vendor: Simulation, rows: str, name: str = "B1") -> None:
    vendor.upload(f"/import/{vendor.list_id()}_{name}.csv", (HEADER + rows).encode())


def imported(vendor: Simulation, rows: str, name: str = "B1") -> dict[str, Any]:
    """The record of an import whose time is over."""
    upload(vendor, rows, name)
    vendor.pass_time(minutes=10)
    vendor.pass_time(minutes=5)
    run: dict[str, Any] = vendor.state()["imports"][-1]
    return run


def upload_to_closed_loop(vendor: Simulation, count: int) -> None:
    header = "Email;Urn;CommunicationKey;BroadcastKey;MailingId\n"
    vendor.upload("/closedloop/B1.csv", (header + people(count, FIRST_MAILING_ID)).encode())


def test_an_import_takes_longer(vendor: Simulation) -> None:
    play(vendor, "import-slow", minutes=60, times=1)
    assert imported(vendor, people(3))["state"] == "running"
    assert vendor.rest.count_recipients(vendor.list_id()) == 0
    vendor.pass_time(minutes=50)
    assert vendor.rest.count_recipients(vendor.list_id()) == 0
    vendor.pass_time(minutes=10)
    assert vendor.rest.count_recipients(vendor.list_id()) == 3
    assert imported(vendor, people(4), "B2")["state"] == "done"
    assert struck(vendor) == [1]


def test_an_import_loses_a_share_of_the_good_rows(vendor: Simulation) -> None:
    play(vendor, "import-loses", percent=30)
    run = imported(vendor, people(200) + "nobody;5;k5;B1;1\n")
    assert vendor.rest.count_recipients(vendor.list_id()) == run["imported"] == 140
    assert run["skipped"] == {"lost": 60, "wrong address": 1}
    assert (run["rows_read"], run["error"]) == (201, None)
    assert struck(vendor) == [1]


def test_an_import_fails_and_leaves_the_list_empty(vendor: Simulation) -> None:
    assert imported(vendor, people(3))["imported"] == 3
    play(vendor, "import-fails", times=1)
    run = imported(vendor, people(5), "B2")
    assert vendor.rest.count_recipients(vendor.list_id()) == run["imported"] == 0
    assert run["error"]
    assert not list((vendor.simulator._site / "import").glob("*.csv")), "the file is taken"
    assert imported(vendor, people(5), "B3")["imported"] == 5


def test_import_jobs_do_not_fire_until_the_fault_is_cleared(vendor: Simulation) -> None:
    before = vendor.state()["imports"]
    play(vendor, "import-never")
    upload(vendor, people(3))
    for _ in range(3):
        vendor.pass_time(minutes=10)
    assert vendor.state()["imports"] == before
    assert not vendor.state()["idle"]
    assert struck(vendor) == [3], "once for every firing"
    knob(vendor, "delete")
    vendor.pass_time(minutes=10)
    vendor.pass_time(minutes=5)
    assert vendor.rest.count_recipients(vendor.list_id()) == 3


def test_the_faults_of_imports_apply_to_the_closed_loop(vendor: Simulation) -> None:
    before = vendor.state()["imports"]
    never = play(vendor, "import-never")
    upload_to_closed_loop(vendor, 40)
    vendor.pass_time(minutes=10)
    assert vendor.state()["imports"] == before
    assert struck(vendor) == [1]
    knob(vendor, "delete", f"/{never}")
    play(vendor, "import-slow", minutes=60)
    play(vendor, "import-loses", percent=50)
    vendor.simulator.round()
    vendor.pass_time(minutes=50)
    assert vendor.state()["imports"][-1]["state"] == "importing"
    vendor.pass_time(minutes=20)
    assert vendor.state()["imports"][-1]["imported"] == 20


@pytest.mark.parametrize(("by", "reported"), [(2, 5), (-2, 1), (-9, 0)])
def test_reported_counts_are_too_high_or_too_low(vendor: Simulation, by: int, reported: int) -> None:
    assert imported(vendor, people(3))["imported"] == 3
    play(vendor, "wrong-count", by=by)
    assert vendor.rest.count_recipients(vendor.list_id()) == reported
    assert vendor.rest.get_recipient_list(vendor.list_id()).recipients == reported
    knob(vendor, "delete")
    assert vendor.rest.count_recipients(vendor.list_id()) == 3


# The SFTP site


CONTENT = bytes(range(256)) * 1024


def send(vendor: Simulation, pauses: Callable[[float], None]) -> int:
    """Upload a file of four requests as the bridge does."""
    vendor.site._pause = pauses
    return vendor.site.upload(
        lambda offset: io.BytesIO(CONTENT[offset:]), "/import/file.csv", size=len(CONTENT), tag="abc"
    )


def there(vendor: Simulation) -> dict[str, bytes]:
    """The files in the import folder."""
    return {path.name: path.read_bytes() for path in (vendor.simulator._site / "import").iterdir() if path.is_file()}


def test_the_site_presents_another_host_key_until_the_fault_is_cleared(vendor: Simulation) -> None:
    pinned = vendor.addresses["host_key_fingerprint"]
    play(vendor, "host-key-changed")
    shown = set()
    for _ in range(2):
        with pytest.raises(SftpHostKeyRefused) as refused, vendor.site.connect():
            pass
        shown.add(refused.value.fingerprint)
        play(vendor, "refuse-login")  # another fault changes nothing of it
    assert len(shown) == 1
    assert pinned not in shown
    assert vendor.simulator.addresses()["host_key_fingerprint"] == pinned
    assert struck(vendor)[0] >= 2
    knob(vendor, "delete")
    with vendor.site.connect() as session:
        assert session.list_files("/import", "*") == []


def test_a_login_is_refused(vendor: Simulation) -> None:
    play(vendor, "refuse-login", times=2)
    for _ in range(2):
        with pytest.raises(SftpLoginRefused), vendor.site.connect():
            pass
    with vendor.site.connect() as session:
        assert session.list_files("/import", "*") == []
    assert struck(vendor) == [2]


def test_a_file_grows_no_further_when_the_disk_is_full(vendor: Simulation) -> None:
    play(vendor, "disk-full", after_bytes=BLOCK + 100)
    with pytest.raises(SftpRefused):
        send(vendor, lambda _: None)
    (part,) = there(vendor).items()
    assert part == ("file.csv.abc.part", CONTENT[: BLOCK + 100])
    knob(vendor, "delete")
    send(vendor, lambda _: None)
    assert there(vendor) == {"file.csv": CONTENT}


def test_an_upload_breaks_and_what_was_written_stays(vendor: Simulation) -> None:
    play(vendor, "break-upload", after_bytes=BLOCK + 100, times=1)
    between = []

    def pause(_: float) -> None:
        between.append(there(vendor))

    assert send(vendor, pause) == len(CONTENT)
    assert between == [{"file.csv.abc.part": CONTENT[: BLOCK + 100]}]
    assert there(vendor) == {"file.csv": CONTENT}
    assert struck(vendor) == [1]


def test_an_upload_that_keeps_breaking_does_not_get_its_final_name(vendor: Simulation) -> None:
    play(vendor, "break-upload", after_bytes=10)
    with pytest.raises(SftpUnavailable):
        send(vendor, lambda _: None)
    assert there(vendor) == {"file.csv.abc.part": CONTENT[:10]}


@pytest.mark.parametrize("replace", [False, True])
def test_a_rename_takes_effect_without_a_response(vendor: Simulation, replace: bool) -> None:
    if replace:
        vendor.upload("/import/file.csv", b"old")
    vendor.upload("/import/new", b"new")
    play(vendor, "rename-unanswered", times=1)
    with vendor.site.connect() as session, pytest.raises(SftpUnavailable):
        session.rename("/import/new", "/import/file.csv", replace=replace)
    assert there(vendor) == {"file.csv": b"new"}
    assert struck(vendor) == [1]


# Response files


def response_files(vendor: Simulation) -> dict[str, bytes]:
    with vendor.site.connect() as session:
        files = session.list_files("/responses", "*")
        return {file.name: b"".join(session.read(f"/responses/{file.name}")) for file in files}


def next_response_file(vendor: Simulation) -> str:
    """Name of the newest response file, after it has appeared."""
    before = response_files(vendor)
    for _ in range(10):
        vendor.pass_time(hours=12)
        if new := response_files(vendor).keys() - before.keys():
            return max(new)
    raise AssertionError("no response file appeared")


def rows(vendor: Simulation, name: str) -> int:
    return next(int(file["rows"]) for file in vendor.state()["response_files"] if file["name"] == name)


def complete(vendor: Simulation, name: str) -> bool:
    content = response_files(vendor)[name]
    return content.endswith(b"\r\n") and content.count(b"\r\n") == rows(vendor, name) + 1


@pytest.mark.parametrize("way", ["cleared", "in time"])
def test_a_response_file_is_half_written_until_the_fault_is_cleared_or_time_has_passed(
    vendor: Simulation, campaign: int, way: str
) -> None:
    assert imported(vendor, people(300))["imported"] == 300
    ask(vendor, "post", f"/smartcampaigns/{campaign}/start")
    play(vendor, "half-written-response", times=1)
    name = next_response_file(vendor)
    assert struck(vendor) == [1]
    half = response_files(vendor)[name]
    assert not complete(vendor, name)
    assert not vendor.state()["idle"]
    if way == "cleared":
        knob(vendor, "delete")
        vendor.simulator.round()
    else:
        vendor.simulator.round()
        assert response_files(vendor)[name] == half
        vendor.pass_time(hours=12)
    assert complete(vendor, name)
    assert response_files(vendor)[name].startswith(half)
    following = next_response_file(vendor)
    assert complete(vendor, following), "the fault is spent"
