"""A real HTTP server instead of the REST API; a test sets its answers."""

import json
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.parser import BytesParser
from email.policy import HTTP
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from shared.optimizely.rest.client import OptimizelyRest
from shared.optimizely.rest.transport import RestTransport

CLIENT_ID = 40291413820
USER = "api.user@client.example"
PASSWORD = "pässwörd-€-geheim"
ADDRESS = "anna.canary@person.example"


@dataclass
class Answer:
    """How the server answers one request."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    #: Sent instead of status, headers and body; then the connection is closed.
    raw: bytes | None = None
    #: Closes the connection without an answer.
    drops: bool = False
    #: Closes the connection in the middle of the body.
    breaks_off: bool = False
    #: The answer is sent once this is set.
    after: threading.Event | None = None


@dataclass
class Request:
    """A request that the server received."""

    method: str
    #: Below the client ID, as it was on the wire.
    path: str
    query: dict[str, list[str]]
    body: bytes
    headers: dict[str, str]

    @property
    def media_type(self) -> str:
        return self.headers.get("Content-Type", "").partition(";")[0]

    @property
    def form(self) -> dict[str, list[str]]:
        return parse_qs(self.body.decode(), keep_blank_values=True, strict_parsing=bool(self.body))

    @property
    def parts(self) -> dict[str, tuple[str | None, str]]:
        """File name and content of each part of a multipart body."""
        head = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode()
        message = BytesParser(policy=HTTP).parsebytes(head + self.body)
        return {
            str(part.get_param("name", header="Content-Disposition")): (part.get_filename(), part.get_content())
            for part in message.iter_parts()
        }


class Campaign(ThreadingHTTPServer):
    """Returns the answers of each path in turn; the last one repeats."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: dict[str, deque[Answer]] = defaultdict(deque)
        self.requests: list[Request] = []
        self.observe: Callable[[], None] = lambda: None

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore errors: tests let clients disconnect half-way."""
        del request, client_address

    def says(self, path: str, *answers: Answer) -> None:
        self.answers[path].extend(answers)

    def forget(self) -> None:
        self.answers.clear()
        self.requests.clear()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/rest"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Campaign
    #: Sends the body at once, without waiting for the client's acknowledgement of the headers.
    disable_nagle_algorithm = True

    def _answer(self) -> None:
        target = urlsplit(self.path)
        path = target.path.removeprefix(f"/rest/{CLIENT_ID}/")
        query = parse_qs(target.query, keep_blank_values=True)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.requests.append(Request(self.command, path, query, body, dict(self.headers)))
        self.server.observe()
        queue = self.server.answers[path]
        self._send(queue.popleft() if len(queue) > 1 else queue[0])

    def _send(self, answer: Answer) -> None:
        if answer.after:
            answer.after.wait()
        self.close_connection = self.close_connection or answer.drops or answer.breaks_off or answer.raw is not None
        if answer.drops:
            return
        if answer.raw is not None:
            self.wfile.write(answer.raw)
            return
        body = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) + (100 if answer.breaks_off else 0)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PUT = do_DELETE = _answer  # noqa: N815 - names that http.server asks for

    def log_message(self, *args: object) -> None:
        del args


@contextmanager
def serving(campaign: Campaign) -> Iterator[None]:
    # A short poll: shutting down waits for one.
    thread = threading.Thread(target=campaign.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield
    finally:
        campaign.shutdown()
        thread.join()
        campaign.server_close()


def client_of(campaign: Campaign, **changes: Any) -> OptimizelyRest:
    settings: dict[str, Any] = {
        "base_url": campaign.base_url,
        "client_id": CLIENT_ID,
        "user": USER,
        "password": PASSWORD,
        "read_timeout": 10,
    }
    return OptimizelyRest(RestTransport(**settings | changes))


# Answers as the vendor shapes them

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
MESSAGE = {
    "nodeId": "m1",
    "mailingId": 9007199254740995,
    "name": "Autumn",
    "mediaType": "email",
    "status": "running",
    "created": "2022-03-03T08:45:07+01:00",
    "started": "2022-03-04T08:00:00+01:00",
    "finished": None,
    "senderAddress": ADDRESS,
    "subject": {"default": "Autumn is here"},
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
    "messages": [MESSAGE],
    "links": [],
}
BATCH = {
    "id": 9007199254740997,
    "campaignId": 9007199254740993,
    "recipientListId": CLIENT_ID + 2,
    "tag": "J7-0a1b2c3d",
    "chunks": ["c-0001", "c-0002"],
    "state": "has_recipients",
    "links": [],
}


def collection(*elements: Any, links: Any = ()) -> dict[str, Any]:
    return {"elements": elements, "links": links, "count": len(elements), "offset": 0, "limit": 100}


def following(href: str) -> list[dict[str, str]]:
    return [{"rel": "self", "href": "https://elsewhere.example/x"}, {"rel": "next", "href": href}]
