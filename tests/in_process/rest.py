"""Optimizely within this process: requests reach the simulator's handlers without a socket."""

import asyncio
import io
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import requests
from aiohttp import HttpVersion11, StreamReader, web
from aiohttp.http_parser import RawRequestMessage
from multidict import CIMultiDict, CIMultiDictProxy
from requests.adapters import HTTPAdapter
from yarl import URL

from local.simulator.simulator import Simulator
from local.simulator.store import CLIENT_ID
from shared.optimizely.rest.transport import RestTransport
from tests.in_process.passage import Passage


class InProcessRest(HTTPAdapter):
    """Answers the requests of a session in the thread that asks.

    Args:
        simulator: whose handlers answer.
        passage: what each request goes through.
    """

    def __init__(self, simulator: Simulator, passage: Passage | None = None) -> None:
        super().__init__()
        self._passage = passage or Passage()
        self._app = web.Application(client_max_size=2**26)
        self._app.add_subapp(f"/rest/{CLIENT_ID}", simulator._rest.application())
        self._app.freeze()
        self._loop = asyncio.new_event_loop()
        self._protocol: Any = SimpleNamespace(
            ssl_context=None,
            peername=None,
            sockname=None,
            transport=None,
            _reading_paused=False,
            pause_reading=lambda: None,
            resume_reading=lambda **_: None,
            connected=True,
            max_field_size=8190,
            max_headers=128,
        )

    def serve(self, transport: RestTransport) -> None:
        """Answer whatever goes through a transport, which does not wait between its attempts."""
        for scheme in ("https://", "http://"):
            transport._session.mount(scheme, self)
        transport._session.trust_env = False  # nothing leaves this process: to look for proxies takes time only
        transport._sleep = lambda _seconds: None

    def end(self) -> None:
        """End its event loop; a session that is closed leaves it to the others."""
        self._loop.close()

    def close(self) -> None:
        """Nothing is open."""

    def send(self, request: requests.PreparedRequest, **_: Any) -> requests.Response:  # type: ignore[override]
        """One exchange."""
        address, method = urlsplit(str(request.url)), str(request.method)
        operation = f"{method} {address.path.split('/', 3)[3]}"
        if method == "GET":
            self._passage.looking(operation)
        else:
            self._passage.changing(operation)
        answer = self._loop.run_until_complete(self._handle(request, address.netloc))
        if method != "GET":
            self._passage.changed(operation)
        response = requests.Response()
        response.status_code, response.request, response.url = answer.status, request, str(request.url)
        response.headers.update(answer.headers)
        response.raw = io.BytesIO(answer.body if isinstance(answer.body, bytes) else b"")
        return response

    async def _handle(self, request: requests.PreparedRequest, host: str) -> web.Response:
        headers = {name: _text(value) for name, value in request.headers.items()} | {"Host": host}
        raw = tuple((name.encode(), value.encode()) for name, value in headers.items())
        message = RawRequestMessage(
            str(request.method), request.path_url, HttpVersion11, CIMultiDictProxy(CIMultiDict(headers)), raw,
            False, None, False, False, URL(request.path_url, encoded=True),
        )  # fmt: skip
        body = request.body or b""
        payload = StreamReader(self._protocol, 2**16, loop=self._loop)
        payload.feed_data(body if isinstance(body, bytes) else body.encode())
        payload.feed_eof()
        asked = web.Request(message, payload, self._protocol, self._protocol, None, self._loop)  # type: ignore[arg-type]
        answer = await self._app._handle(asked)
        assert isinstance(answer, web.Response)
        return answer


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode()
