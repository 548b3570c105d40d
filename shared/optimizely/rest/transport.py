"""Requests to the REST API of Optimizely Campaign: one session, retries of GETs, pages.

This is the border: beyond it there are only errors of the catalogue, and none of them carries a
body, a header, a path or an address.

Whatever stands between the bridge and Optimizely can answer in its place: a proxy, a firewall, a page during
maintenance. An answer that the API would not give is therefore no refusal and no success.
"""

import json
import logging
import random
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from http import HTTPStatus
from http.cookiejar import DefaultCookiePolicy
from typing import Any, Final
from urllib.parse import parse_qs, urljoin, urlsplit

import requests
from pydantic import TypeAdapter
from pydantic import ValidationError as ShapeError
from requests.auth import HTTPBasicAuth
from urllib3.exceptions import HTTPError, InvalidHeader
from urllib3.util import Retry

from shared.errors import (
    OptimizelyAnswerInvalid,
    OptimizelyConflict,
    OptimizelyLoginRefused,
    OptimizelyNotAnswered,
    OptimizelyRefused,
    OptimizelyUnavailable,
)
from shared.optimizely.rest.answers import Link, Page
from shared.optimizely.rest.deadline import DeadlineAdapter
from shared.telemetry import log

#: Attempts of a GET, and seconds before the second one; the pause doubles with each further attempt.
_ATTEMPTS: Final = 4
_FIRST_PAUSE: Final = 0.5
#: Maximum pause in seconds before jitter, whatever `Retry-After` says: a step holds a lease meanwhile.
_MAX_PAUSE: Final = 30.0
#: Seconds to establish a connection.
_CONNECT_TIMEOUT: Final = 10.0
#: Most bytes of an answer, unpacked. The largest that is asked for, 9,999 entries on a page, has about a sixth of that.
_MAX_BYTES: Final = 32 * 1024 * 1024
_BLOCK: Final = 64 * 1024

#: Temporary statuses: a time-out, too many requests, and errors of the server.
_TEMPORARY: Final = frozenset({408, 429, *range(500, 600)}) - {
    HTTPStatus.NOT_IMPLEMENTED,
    HTTPStatus.HTTP_VERSION_NOT_SUPPORTED,
}

_MEDIA_TYPE: Final = re.compile(
    r"(?:application|audio|font|image|message|model|multipart|text|video)/[a-z0-9][a-z0-9.+-]{0,60}"
)
_CHARSET: Final = re.compile(r"charset\s*=\s*[\"']?(iso-8859-\d{1,2}|windows-125\d)\b", re.IGNORECASE)
_MARKUP: Final = re.compile(rb"(?:\xef\xbb\xbf)?\s*<")

# urllib3 warns of malformed headers with the full URL of the request, and some URLs contain a recipient's id.
logging.getLogger("urllib3.connection").addFilter(lambda record: record.levelno > logging.WARNING)

type Params = Mapping[str, str | int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """The body of a request, in at most one of these forms."""

    form: Params | None = None
    #: Already encoded.
    json: bytes | None = None
    multipart: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """An answer as it was received: any status, any body."""

    status: int
    #: In lower case, without parameters; `no media type`, or `another media type` for what is no such name.
    media_type: str
    #: The encoding of one byte a character that it names, if any.
    charset: str | None = None
    body: bytes

    def text(self) -> str:
        """The text of the body, without byte-order marks: in UTF-8, UTF-16 or UTF-32, or else as `charset` says.

        Raises:
            ValueError: it is no text in these encodings.
        """
        try:
            text = self.body.decode(json.detect_encoding(self.body))
        except UnicodeDecodeError:
            text = self.body.decode(self.charset or "utf-8")
        return text.lstrip("\ufeff")

    def is_page(self) -> bool:
        """Whether it is a page for people, which the API never sends."""
        return self.media_type in {"text/html", "application/xhtml+xml"} or _MARKUP.match(self.body) is not None

    def __str__(self) -> str:
        """What is said of it: nothing of its text."""
        return f"status {self.status}, {self.media_type}, {len(self.body):,} bytes"

    def odd(self, operation: str, reason: str) -> OptimizelyAnswerInvalid:
        """The error that it is not what the API answers."""
        return OptimizelyAnswerInvalid(operation=operation, reason=f"{reason} ({self})")


class _Session(requests.Session):
    """A session without redirections; otherwise it parses `Location` even where it does not follow it."""

    def get_redirect_target(self, resp: requests.Response) -> None:
        del resp


class RestTransport:
    """Exchanges with the REST API for one client ID. Safe to use from several threads.

    Args:
        base_url: address of the API without the client ID, e.g. `https://api.campaign.episerver.net/rest`.
        client_id: client ID, from Administration > API Overview > REST API.
        user: API user.
        password: its password.
        connections: connections kept open; a further request waits for one. The vendor allows a client 40.
        read_timeout: seconds without a byte of the answer.
        total_timeout: seconds from the request until the answer is complete.
        sleep: waits a number of seconds between the attempts of a GET.
    """

    def __init__(
        self,
        *,
        base_url: str,
        client_id: int,
        user: str,
        password: str,
        connections: int = 8,
        read_timeout: float = 60,
        total_timeout: float = 120,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._url = f"{base_url.rstrip('/')}/{client_id}/"
        self._timeouts = (_CONNECT_TIMEOUT, read_timeout)
        self._sleep = sleep
        self._session = _Session()
        adapter = DeadlineAdapter(total_timeout, connections=connections)
        self._session.mount("https://", adapter)
        self._session.mount("http://", adapter)
        # As bytes: requests encodes text as Latin-1, and its error for other characters contains the text.
        self._session.auth = HTTPBasicAuth(user.encode(), password.encode())
        # Corporate networks set proxies and CA bundles; .netrc is not read, because there is a login.
        self._session.trust_env = True
        self._session.headers["Accept"] = "application/json"
        # No cookies: a session without state between requests is safe in threads.
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def select[Element](
        self,
        operation: str,
        path: str,
        shape: type[Page[Element]],
        params: Params | None = None,
        slots: AbstractContextManager[object] | None = None,
    ) -> Iterator[Element]:
        """Every element of a collection, page by page."""
        query, offset = dict(params or {}), 0
        while True:
            page = self.get(operation, path, shape, query, slots)
            yield from page.elements
            following = self._next_offset(operation, page.links, offset)
            # After an empty page there is nothing more, whatever its links say; otherwise this might never end.
            if following is None or not page.elements:
                return
            query["offset"] = offset = following

    def _next_offset(self, operation: str, links: Sequence[Link], offset: int) -> int | None:
        """The offset of the next page, from the `next` link; None after the last page."""
        href = next((link.href for link in links if link.rel == "next"), None)
        if href is None:
            return None
        # Only the offset is read from the link: credentials are never sent to an address from an answer.
        try:
            target = urlsplit(urljoin(self._url, href))
            following = int(parse_qs(target.query)["offset"][0])
        except (ValueError, KeyError):
            raise OptimizelyAnswerInvalid(operation=operation, reason="a next link without an offset") from None
        if target.hostname != urlsplit(self._url).hostname:
            raise OptimizelyAnswerInvalid(operation=operation, reason="a next link to another host")
        if following <= offset:
            raise OptimizelyAnswerInvalid(operation=operation, reason="a next link that does not lead to a later page")
        return following

    def get[Shape](
        self,
        operation: str,
        path: str,
        shape: type[Shape],
        params: Params | None = None,
        slots: AbstractContextManager[object] | None = None,
    ) -> Shape:
        """The answer to a GET, retried when it fails for a temporary reason.

        Args:
            operation: its name in the vendor's description.
            path: path below the client ID.
            shape: the type of the body.
            params: query parameters.
            slots: limits how many such requests run at once; a pause holds no slot.
        """
        attempts_left = _ATTEMPTS
        while True:
            attempts_left -= 1
            try:
                with slots or nullcontext():
                    return self.send("GET", operation, path, shape, params=params)
            except OptimizelyNotAnswered as error:
                if not attempts_left:
                    raise
                pause = _pause(_ATTEMPTS - attempts_left, error.retry_after)
                log.info(
                    "Optimizely Campaign did not answer %s (%s): retry in %.1f s.",
                    operation,
                    error.reason,
                    pause,
                    extra={"action": "rest-retry", "operation": operation, "code": error.code},
                )
                self._sleep(pause)

    def send[Shape](
        self,
        method: str,
        operation: str,
        path: str,
        shape: type[Shape],
        *,
        params: Params | None = None,
        body: Body | None = None,
    ) -> Shape:
        """One exchange, without a retry.

        Args:
            method: GET, POST, PUT or DELETE.
            operation: its name in the vendor's description.
            path: path below the client ID, quoted.
            shape: the type of the body of the answer.
            params: query parameters.
            body: the body of the request.

        Returns:
            The body of an answer with status 2xx.

        Raises:
            OptimizelyUnavailable: no answer, 408, 429, or 5xx but 501 and 505. It may have taken effect.
            OptimizelyAnswerInvalid: an answer of another shape, a redirection, which is not followed, or a page, which
                the API never sends, whatever its status. It may have taken effect.
            OptimizelyLoginRefused: 401 or 403.
            OptimizelyConflict: 409.
            OptimizelyRefused: another 4xx, 501 or 505.
        """
        return parse_answer(operation, shape, self._exchange(method, operation, path, params, body))

    def command(
        self,
        method: str,
        operation: str,
        path: str,
        expected: HTTPStatus,
        *,
        params: Params | None = None,
        body: Body | None = None,
    ) -> None:
        """One exchange, without a retry, whose answer is a status without a body. Raises as `send`.

        Args:
            method: POST or DELETE.
            operation: its name in the vendor's description.
            path: path below the client ID, quoted.
            expected: the status that the description has for it: any other 2xx is somebody else's answer.
            params: query parameters.
            body: the body of the request.
        """
        received = self._exchange(method, operation, path, params, body)
        if received.status != expected or received.is_page():
            raise received.odd(operation, f"not the status {expected.value} alone")

    def _exchange(self, method: str, operation: str, path: str, params: Params | None, body: Body | None) -> Received:
        """The answer, if it is one with status 2xx."""
        received, retry_after = self._request(method, operation, path, params, body or Body())
        status = received.status
        if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
            return received
        if status == HTTPStatus.UNAUTHORIZED:
            raise OptimizelyLoginRefused(operation=operation, status=status)
        if status in _TEMPORARY:
            reason = str(received) if received.is_page() else f"status {status}"
            raise OptimizelyUnavailable(operation=operation, reason=reason, retry_after=retry_after)
        if status < HTTPStatus.BAD_REQUEST:
            raise received.odd(operation, "a redirection")
        if status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED or received.is_page():
            raise received.odd(operation, "a refusal, but not by the API")
        if status == HTTPStatus.FORBIDDEN:
            raise OptimizelyLoginRefused(operation=operation, status=status)
        if status == HTTPStatus.CONFLICT:
            raise OptimizelyConflict(operation=operation, state="unknown")
        raise OptimizelyRefused(operation=operation, status=status)

    def _request(
        self, method: str, operation: str, path: str, params: Params | None, body: Body
    ) -> tuple[Received, float | None]:
        """Whatever is answered, and the seconds that the server asks to wait; bounded in size and in time."""
        try:
            with self._session.request(
                method,
                self._url + path,
                params=dict(params or {}),
                data=dict(body.form) if body.form else body.json,
                files={name: (None, value) for name, value in body.multipart.items()} if body.multipart else None,
                headers={"Content-Type": "application/json"} if body.json is not None else None,
                timeout=self._timeouts,
                stream=True,
            ) as response:
                content = bytearray()
                for block in response.iter_content(_BLOCK):
                    content += block
                    if len(content) > _MAX_BYTES:
                        break  # leaving the block closes the connection
                message = response.headers
        except (requests.RequestException, HTTPError) as error:
            # `from None`: the text of the library's error can contain what a server sent.
            raise OptimizelyUnavailable(operation=operation, reason=type(error).__name__) from None
        media_type, charset = _content_type(message.get("Content-Type", ""))
        received = Received(status=response.status_code, media_type=media_type, charset=charset, body=bytes(content))
        if len(content) > _MAX_BYTES:
            raise received.odd(operation, "more than an answer can have")
        return received, _retry_after(response)


class _Adapters(dict[type[Any], TypeAdapter[Any]]):
    """The validator of each shape, created when it is first needed."""

    def __missing__(self, shape: type[Any]) -> TypeAdapter[Any]:
        return self.setdefault(shape, TypeAdapter(shape))


_adapters: Final = _Adapters()


def parse_answer[Shape](operation: str, shape: type[Shape], received: Received) -> Shape:
    """Parse the body of an answer.

    Raises:
        OptimizelyAnswerInvalid: it has another shape; the error names the field, never its content.
    """
    try:
        answer: Shape = _adapters[shape].validate_json(received.text())
    except ShapeError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        field = ".".join(map(str, first["loc"])) or "the whole answer"
        raise received.odd(operation, f"{field}: {first['type']}") from None
    except ValueError:
        raise received.odd(operation, "the whole answer: no text") from None
    return answer


def _content_type(header: str) -> tuple[str, str | None]:
    """The media type, if it has the form of one, and an encoding that is no Unicode."""
    name, _, parameters = header.partition(";")
    media_type = name.strip().lower()
    if not _MEDIA_TYPE.fullmatch(media_type):
        media_type = "another media type" if media_type else "no media type"
    charset = _CHARSET.search(parameters)
    return media_type, charset[1] if charset else None


def _retry_after(response: requests.Response) -> float | None:
    """Seconds until the server wants the next request, given as a number or as a date."""
    try:
        return float(Retry().parse_retry_after(response.headers["Retry-After"]))
    except (KeyError, InvalidHeader, ValueError, OverflowError):
        return None


def _pause(failures: int, retry_after: object) -> float:
    """Seconds before the next attempt, after this number of failures. Jitter spreads instances."""
    pause = _FIRST_PAUSE * 2.0 ** (failures - 1)
    if isinstance(retry_after, float):
        pause = max(pause, retry_after)
    return min(pause, _MAX_PAUSE) * random.uniform(1, 1.5)  # noqa: S311 - no secret depends on it
