"""Answers that the storage account did not give: they say nothing about its files."""

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from azure.storage.blob import BlobServiceClient
from azure.storage.queue import QueueServiceClient

from shared.errors import StorageUnavailable
from shared.storage import account
from shared.storage.queues import Queues
from shared.storage.staging import Staging

PAGE = b"<html><body>canary-7731</body></html>"
#: Status, headers and body of what a proxy answers.
ODD: dict[str, tuple[int, dict[str, str], bytes]] = {
    "a page": (200, {"Content-Type": "text/html"}, PAGE),
    "a page for what was created": (201, {"Content-Type": "text/html"}, PAGE),
    "a page that says it is XML": (200, {"Content-Type": "application/xml"}, PAGE),
    "nothing": (200, {}, b""),
    "nothing created": (201, {}, b""),
    "accepted": (202, {}, b""),
    "JSON": (200, {"Content-Type": "application/json"}, b'{"message": "canary-7731"}'),
    "gzip that is none": (200, {"Content-Encoding": "gzip"}, PAGE),
    "a redirection": (302, {"Location": "/canary-7731"}, b""),
    "a page, status 404": (404, {"Content-Type": "text/html"}, PAGE),
    "a page, status 409": (409, {"Content-Type": "text/html"}, PAGE),
    "a page, status 412": (412, {"Content-Type": "text/html"}, PAGE),
    "a proxy's login": (407, {"Content-Type": "text/html"}, PAGE),
}


def commit(staging: Staging) -> None:
    with staging.writer("a") as file:
        file.write(b"content")
        file.commit({})


CALLS: dict[str, Callable[[Staging], object]] = {
    "exists": lambda staging: staging.exists(),
    "find": lambda staging: staging.find("a"),
    "read": lambda staging: staging.open("a").read(10),
    "commit": commit,
    "put": lambda staging: staging.put_metadata("a", {"number": "1"}, replacing=None),
    "remove": lambda staging: staging.remove("a"),
    "names": lambda staging: list(staging.names()),
}


@pytest.fixture
def answers() -> Iterator[list[tuple[int, dict[str, str], bytes]]]:
    """What the server answers from now on."""
    yield from [[]]


@pytest.fixture
def address(answers: list[tuple[int, dict[str, str], bytes]]) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, headers, body = answers[0]
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = answer  # noqa: N815 - names that http.server asks for

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/dev"
    server.shutdown()
    thread.join()
    server.server_close()


def connection(address: str) -> str:
    login = "DefaultEndpointsProtocol=http;AccountName=dev;AccountKey=bWF0cml4"
    return f"{login};BlobEndpoint={address};QueueEndpoint={address}"


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
@pytest.mark.parametrize("odd", ODD.values(), ids=ODD.keys())
def test_an_answer_of_somebody_else_is_no_answer(
    answers: list[tuple[int, dict[str, str], bytes]],
    address: str,
    odd: tuple[int, dict[str, str], bytes],
    call: Callable[[Staging], object],
) -> None:
    answers.append(odd)
    options = {**account._OPTIONS, "retry_total": 0}
    service = BlobServiceClient.from_connection_string(connection(address), **options)
    with service, pytest.raises(StorageUnavailable) as caught:
        call(Staging(service, "lists"))
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD.keys())
def test_a_message_is_not_sent_because_somebody_else_says_so(
    answers: list[tuple[int, dict[str, str], bytes]], address: str, odd: tuple[int, dict[str, str], bytes]
) -> None:
    answers.append(odd)
    options = {**account._OPTIONS, "retry_total": 0}
    service = QueueServiceClient.from_connection_string(connection(address), **options)
    with service, pytest.raises(StorageUnavailable):
        Queues(service).send("upload-list", {"key": "J1"})
