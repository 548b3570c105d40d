"""Answers that the REST API does not give: what stands between has answered, or the answer came in an odd form.

They are obstacles (rule 12): a GET is repeated, and what may have taken effect is looked up.
"""

import gzip
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from shared.errors import (
    OptimizelyAnswerInvalid,
    OptimizelyConflict,
    OptimizelyLoginRefused,
    OptimizelyNotAnswered,
    OptimizelyRefused,
    OptimizelyUnavailable,
    TransientError,
)
from shared.optimizely.rest import transport as module
from shared.optimizely.rest.client import OptimizelyRest
from tests.unit.optimizely.rest.operations import OPERATIONS, PARSED_LIST
from tests.unit.optimizely.rest_server import BATCH, CAMPAIGN, LIST, Answer, Campaign, client_of

CANARY = "canary-7731"
PAGE = f"<!DOCTYPE html><html><title>{CANARY}</title></html>".encode()
HTML = {"Content-Type": "text/html; charset=utf-8"}
JSON = {"Content-Type": "application/json"}
WHOLE = json.dumps(LIST).encode()


def sent_as(body: bytes, **headers: str) -> Answer:
    return Answer(body=body, headers={name.replace("_", "-"): value for name, value in headers.items()})


def closed_after(body: bytes) -> Answer:
    """An answer without a length, which ends where the connection does."""
    return Answer(raw=b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n" + body)


ODD = {
    "a page": sent_as(PAGE, Content_Type="text/html"),
    "a page that says it is JSON": sent_as(PAGE, Content_Type="application/json"),
    "a page behind a byte-order mark": sent_as(b"\xef\xbb\xbf" + PAGE),
    "nothing": sent_as(b"", Content_Type="application/json"),
    "nothing, status 204": Answer(204, b""),
    "blanks": sent_as(b" \r\n "),
    "a redirection": Answer(302, b"", {"Location": "https://login.example/"}),
    "a redirection to a page": Answer(307, PAGE, HTML | {"Location": "/maintenance"}),
    "not modified": Answer(304, b""),
    "cut, with its length": Answer(body=WHOLE, breaks_off=True),
    "cut, without a length": closed_after(WHOLE[:-9]),
    "cut within a letter": closed_after(json.dumps(LIST | {"name": "ä"}, ensure_ascii=False).encode()[:34]),
    "half a chunk": Answer(raw=b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n400\r\n{}"),
    "a list in place of an object": sent_as(b"[]"),
    "a word": sent_as(b'"down"'),
    "null": sent_as(b"null"),
    "an error with status 200": sent_as(b'{"message": "down for maintenance"}'),
    "two objects": sent_as(WHOLE + WHOLE),
    "gzip that is none": sent_as(PAGE, Content_Encoding="gzip"),
    "gzip that is cut": sent_as(gzip.compress(WHOLE)[:-20], Content_Encoding="gzip"),
    "gzip that nobody announced": sent_as(gzip.compress(WHOLE)),
    "another encoding": sent_as(json.dumps(LIST | {"name": "ä"}, ensure_ascii=False).encode("latin-1")),
    "an unknown encoding": sent_as(b'{"name": "\xe4"}', Content_Type="application/json; charset=canary-7731"),
    "a proxy's login": Answer(407, b"{}", JSON),
    "a page, status 403": Answer(403, PAGE, HTML),
    "a page, status 404": Answer(404, PAGE, HTML),
    "a page, status 409": Answer(409, PAGE, HTML),
    "a page, status 410": Answer(410, PAGE),
    "a page, status 503": Answer(503, PAGE, HTML),
}
odd_answers = pytest.mark.parametrize("odd", ODD.values(), ids=ODD.keys())


@odd_answers
def test_one_odd_answer_to_a_get_is_an_obstacle(
    campaign: Campaign, rest: OptimizelyRest, pauses: list[float], odd: Answer
) -> None:
    campaign.says("recipientlists/5", odd, Answer(body=LIST))

    assert rest.get_recipient_list(5) == PARSED_LIST
    assert len(pauses) == 1


@odd_answers
def test_odd_answers_that_stay_are_named_and_not_quoted(
    campaign: Campaign, rest: OptimizelyRest, pauses: list[float], odd: Answer
) -> None:
    campaign.says("recipientlists/5", odd)

    with pytest.raises(OptimizelyNotAnswered) as caught:
        rest.get_recipient_list(5)

    assert isinstance(caught.value, TransientError)
    assert len(pauses) == 3
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize(
    ("odd", "described"),
    [
        (Answer(body=PAGE, headers=HTML), f"status 200, text/html, {len(PAGE)} bytes"),
        (Answer(302, b"", {"Location": f"/{CANARY}"}), "status 302, no media type, 0 bytes"),
        (Answer(403, PAGE, HTML), f"status 403, text/html, {len(PAGE)} bytes"),
        (Answer(503, PAGE, HTML), f"status 503, text/html, {len(PAGE)} bytes"),
        (Answer(body={"message": CANARY}, headers=JSON), "status 200, application/json, 26 bytes"),
        (
            Answer(body=b"x" * 5000, headers={"Content-Type": f"{CANARY} anna@person.example"}),
            "another media type, 5,000",
        ),
        (
            Answer(body=b"", headers={"Content-Type": f"text/{CANARY}@person.example"}),
            "status 200, another media type, 0",
        ),
    ],
)
def test_what_stands_between_is_described_by_status_media_type_and_length(
    campaign: Campaign, rest: OptimizelyRest, odd: Answer, described: str
) -> None:
    campaign.says("recipientlists/5", odd)

    with pytest.raises(OptimizelyNotAnswered) as caught:
        rest.get_recipient_list(5)

    assert described in str(caught.value)
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize(
    "body",
    [
        b"\xef\xbb\xbf" + WHOLE,
        b"\xef\xbb\xbf" * 2 + WHOLE,
        b"\r\n" + WHOLE + b"\n",
        json.dumps(LIST).encode("utf-16"),
        json.dumps(LIST).encode("utf-16-le"),
        json.dumps(LIST).encode("utf-32"),
        gzip.compress(WHOLE),
        gzip.compress(WHOLE) + b"rubbish",
    ],
)
def test_an_answer_in_an_odd_form_that_says_all_is_read(
    campaign: Campaign, rest: OptimizelyRest, pauses: list[float], body: bytes
) -> None:
    headers = {"Content-Encoding": "gzip"} if body[:2] == b"\x1f\x8b" else {}
    campaign.says("recipientlists/5", Answer(body=body, headers=headers))

    assert rest.get_recipient_list(5) == PARSED_LIST
    assert pauses == []


@pytest.mark.parametrize(
    ("encoding", "charset"),
    [
        ("iso-8859-1", "ISO-8859-1"),
        ("windows-1252", '"windows-1252"'),
        ("utf-8", "ISO-8859-1"),  # some servers say so of UTF-8
        ("utf-8", "utf-8"),
        ("utf-8", "canary-7731"),
    ],
)
def test_the_encoding_that_an_answer_names_is_used_where_it_is_not_unicode(
    campaign: Campaign, rest: OptimizelyRest, encoding: str, charset: str
) -> None:
    body = json.dumps(LIST | {"name": "Käufer"}, ensure_ascii=False).encode(encoding)
    campaign.says("recipientlists/5", sent_as(body, Content_Type=f"application/json; charset={charset}"))

    assert rest.get_recipient_list(5).name == "Käufer"


def test_a_refusal_by_the_api_is_one_at_once(campaign: Campaign, rest: OptimizelyRest, pauses: list[float]) -> None:
    refusals: list[tuple[Answer, type[Exception]]] = [
        (Answer(401, PAGE, HTML), OptimizelyLoginRefused),  # no proxy asks so for a login
        (Answer(403, {"httpStatusCode": 403}, JSON), OptimizelyLoginRefused),
        (Answer(404, b""), OptimizelyRefused),
        (Answer(400, b"Bad Request", {"Content-Type": "text/plain"}), OptimizelyRefused),
        (Answer(409, {}, JSON), OptimizelyConflict),
    ]
    for answer, refused in refusals:
        campaign.forget()
        campaign.says("recipientlists/5", answer)
        with pytest.raises(refused):
            rest.get_recipient_list(5)
        assert len(campaign.requests) == 1
    assert pauses == []


# What changes something

REACHED = {
    "activate": "activated",
    "deactivate": "activationRequired",
    "start": "running",
    "pause": "paused",
    "stop": "canceled",
}


@pytest.mark.parametrize("verb", REACHED)
@odd_answers
def test_a_change_with_an_odd_answer_is_looked_up(
    campaign: Campaign, rest: OptimizelyRest, odd: Answer, verb: str
) -> None:
    campaign.says(f"smartcampaigns/3/{verb}", odd)
    campaign.says("smartcampaigns/3", Answer(body=CAMPAIGN | {"status": REACHED[verb]}))
    try:
        OPERATIONS[f"{verb}_smart_campaign"].call(rest)
    except OptimizelyUnavailable:
        return  # as without an answer, it is looked up later

    assert [request.method for request in campaign.requests] == ["POST", "GET"]


@pytest.mark.parametrize("verb", REACHED)
@odd_answers
def test_a_change_that_does_not_show_stays_open_and_is_not_repeated(
    campaign: Campaign, rest: OptimizelyRest, odd: Answer, verb: str
) -> None:
    campaign.says(f"smartcampaigns/3/{verb}", odd)
    campaign.says("smartcampaigns/3", Answer(body=CAMPAIGN | {"status": "invalid"}))

    with pytest.raises(OptimizelyNotAnswered):
        OPERATIONS[f"{verb}_smart_campaign"].call(rest)

    assert [request.method for request in campaign.requests].count("POST") == 1


@pytest.mark.parametrize("state", ["has_recipients", "sent"])
@pytest.mark.parametrize(
    "odd",
    [Answer(body=PAGE, headers=HTML), Answer(202, PAGE, HTML), Answer(200, b""), Answer(204, b""), Answer(302, b"")],
)
def test_a_batch_whose_send_had_an_odd_answer_is_looked_up(
    campaign: Campaign, rest: OptimizelyRest, odd: Answer, state: str
) -> None:
    campaign.says("sending/batches/9", odd, Answer(body=BATCH | {"state": state}))

    if state == "sent":
        rest.send_batch(9)
    else:
        with pytest.raises(OptimizelyAnswerInvalid):
            rest.send_batch(9)

    assert [request.method for request in campaign.requests] == ["POST", "GET"]


@pytest.mark.parametrize(
    "name", ["copy_smart_campaign", "prepare_new_batch", "add_recipients_to_batch", "create_wait_node"]
)
@odd_answers
def test_what_is_created_is_created_once(campaign: Campaign, rest: OptimizelyRest, odd: Answer, name: str) -> None:
    campaign.says(OPERATIONS[name].path, odd)

    with pytest.raises(OptimizelyNotAnswered):
        OPERATIONS[name].call(rest)

    assert [request.method for request in campaign.requests] == [OPERATIONS[name].method]


@pytest.mark.parametrize("odd", [Answer(body=PAGE, headers=HTML), Answer(200, b""), Answer(302, b"")])
def test_a_deletion_with_an_odd_answer_is_looked_up(campaign: Campaign, rest: OptimizelyRest, odd: Answer) -> None:
    campaign.says("smartcampaigns/3", odd, Answer(404, {}, JSON))

    rest.delete_smart_campaign(3)

    assert [request.method for request in campaign.requests] == ["DELETE", "GET"]


def test_a_deletion_that_did_not_happen_stays_open(campaign: Campaign, rest: OptimizelyRest) -> None:
    campaign.says("smartcampaigns/3", Answer(body=PAGE, headers=HTML), Answer(body=CAMPAIGN))

    with pytest.raises(OptimizelyAnswerInvalid):
        rest.delete_smart_campaign(3)


def test_a_wiped_history_is_not_believed_of_a_page(campaign: Campaign, rest: OptimizelyRest) -> None:
    campaign.says("recipients", Answer(body=PAGE, headers=HTML))

    with pytest.raises(OptimizelyAnswerInvalid):
        rest.wipe_recipient_history("1", reason="Art. 17")


# Bounds


def test_a_huge_answer_is_not_read_to_its_end(
    campaign: Campaign, rest: OptimizelyRest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MAX_BYTES", 100_000)
    huge = b'{"name": "' + b"x" * 10_000_000
    campaign.says("recipientlists/5", Answer(body=huge), Answer(body=LIST))
    campaign.says("recipientlists/6", Answer(body=gzip.compress(huge), headers={"Content-Encoding": "gzip"}))

    assert rest.get_recipient_list(5) == PARSED_LIST
    with pytest.raises(OptimizelyAnswerInvalid, match="more than an answer can have") as caught:
        rest.get_recipient_list(6)
    assert "131,072 bytes" in str(caught.value), "of ten million"


@contextmanager
def dripping(*pieces: bytes) -> Iterator[Any]:
    """A server that sends the last piece again and again, for as long as its client listens."""
    server = socket.create_server(("127.0.0.1", 0))
    stop = threading.Event()

    def answer(connection: socket.socket) -> None:
        with connection:
            try:
                connection.recv(65536)
                connection.sendall(b"".join(pieces[:-1]))
                while not stop.wait(0.01):
                    connection.sendall(pieces[-1])
            except OSError:
                pass

    def serve() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=answer, args=(connection,), daemon=True).start()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield type("Site", (), {"base_url": f"http://127.0.0.1:{server.getsockname()[1]}/rest"})
    finally:
        stop.set()
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join()


HEAD = b"HTTP/1.1 200 OK\r\n"
DRIPS: dict[str, tuple[bytes, ...]] = {
    "the status line": (b"HTTP/1.1 200 ", b"O"),
    "the header": (HEAD, b"X-A: b\r\n"),
    "a line of the header": (HEAD, b"X"),
    "the body": (HEAD, b"Content-Length: 1000000\r\n\r\n{", b" "),
    "a body without a length": (HEAD, b"\r\n{", b" "),
    "chunks": (HEAD, b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
    "the size of a chunk": (HEAD, b"Transfer-Encoding: chunked\r\n\r\n", b"0"),
    "provisional answers": (b"HTTP/1.1 100 Continue\r\n\r\n",) * 2,
}


@pytest.mark.parametrize("pieces", DRIPS.values(), ids=DRIPS.keys())
def test_an_answer_that_never_ends_has_a_deadline(pieces: tuple[bytes, ...], pauses: list[float]) -> None:
    calls: tuple[Callable[[OptimizelyRest], object], ...] = (
        lambda rest: rest.get_recipient_list(5),
        lambda rest: rest.start_smart_campaign(3),
    )
    for call in calls:
        with dripping(*pieces) as site:
            client = client_of(site, read_timeout=60, total_timeout=0.2, sleep=pauses.append)
            with pytest.raises(OptimizelyUnavailable):
                call(client)
            client.close()


def test_through_a_proxy_an_answer_has_the_same_deadline(monkeypatch: pytest.MonkeyPatch, pauses: list[float]) -> None:
    for name in ("NO_PROXY", "no_proxy", "ALL_PROXY", "all_proxy", "http_proxy", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    for scheme in ("http", "https"):
        with dripping(HEAD, b"X") as site:
            monkeypatch.setenv(f"{scheme.upper()}_PROXY", site.base_url.removesuffix("/rest"))
            site.base_url = f"{scheme}://campaign.invalid/rest"
            client = client_of(site, read_timeout=60, total_timeout=0.2, sleep=pauses.append)
            with pytest.raises(OptimizelyUnavailable):
                client.get_authenticated_user()
            client.close()


def test_a_deadline_of_one_answer_is_not_that_of_the_next(campaign: Campaign) -> None:
    campaign.says("recipientlists/5", Answer(body=LIST))
    client = client_of(campaign, connections=1, total_timeout=30, read_timeout=20)
    for _ in range(3):
        assert client.get_recipient_list(5) == PARSED_LIST
    client.close()
