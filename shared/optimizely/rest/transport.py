"""How the REST API of Optimizely Campaign is asked: one session, retries by kind of error, pages.

This is the border: from here on there are only errors of the catalogue, and none of them carries a
body, a header, a path or an address.
"""

import logging
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from http import HTTPStatus
from http.cookiejar import DefaultCookiePolicy
from typing import Final
from urllib.parse import parse_qs, urljoin, urlsplit

import requests
from pydantic import TypeAdapter
from pydantic import ValidationError as ShapeError
from requests.adapters import HTTPAdapter
from requests.auth import HTTPBasicAuth
from urllib3.exceptions import InvalidHeader
from urllib3.util import Retry

from shared.errors import (
    OptimizelyAnswerInvalid,
    OptimizelyConflict,
    OptimizelyLoginRefused,
    OptimizelyRefused,
    OptimizelyUnavailable,
)
from shared.optimizely.rest.answers import Link, Page
from shared.telemetry import log

#: Tries of a GET, and seconds before the second one; the pause doubles with each further try.
_TRIES: Final = 4
_FIRST_PAUSE: Final = 0.5
#: Longest pause in seconds before jitter, whatever `Retry-After` asks for: a step holds a lease meanwhile.
_LONGEST_PAUSE: Final = 30.0

#: Statuses that pass by themselves: a time-out on the way, too many requests, and trouble of the server.
_PASSING: Final = frozenset({408, 429, *range(500, 600)}) - {
    HTTPStatus.NOT_IMPLEMENTED,
    HTTPStatus.HTTP_VERSION_NOT_SUPPORTED,
}

# urllib3 warns of odd headers with the whole address of the request, and some have a recipient's id in it.
logging.getLogger("urllib3.connection").addFilter(lambda record: record.levelno > logging.WARNING)

type Params = Mapping[str, str | int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """What a request carries; at most one of them."""

    form: Params | None = None
    #: Already encoded.
    json: bytes | None = None
    multipart: Mapping[str, str] | None = None


class _Session(requests.Session):
    """A session for which there are no redirections: without this it reads `Location` even if it is not to follow."""

    def get_redirect_target(self, resp: requests.Response) -> None:
        del resp


class RestTransport:
    """Exchanges with the REST API for one client ID. Safe to use from several threads.

    Args:
        base_url: address of the API without the client ID.
        client_id: client ID.
        user: API user.
        password: its password.
        connections: connections kept open; a further request waits for one.
        connect_timeout: seconds for a connection to stand.
        read_timeout: seconds without a byte of the answer.
        sleep: waits for a number of seconds between the tries of a GET.
    """

    def __init__(
        self,
        *,
        base_url: str,
        client_id: int,
        user: str,
        password: str,
        connections: int,
        connect_timeout: float,
        read_timeout: float,
        sleep: Callable[[float], None],
    ) -> None:
        self._url = f"{base_url.rstrip('/')}/{client_id}/"
        self._timeouts = (connect_timeout, read_timeout)
        self._sleep = sleep
        self._session = _Session()
        adapter = HTTPAdapter(pool_connections=1, pool_maxsize=connections, pool_block=True, max_retries=0)
        self._session.mount("https://", adapter)
        self._session.mount("http://", adapter)
        # As bytes: requests would encode text as Latin-1, and its error for other letters carries the text.
        self._session.auth = HTTPBasicAuth(user.encode(), password.encode())
        # Proxies and CA bundles are what networks of companies set; .netrc is not asked, for there is a login.
        self._session.trust_env = True
        self._session.headers["Accept"] = "application/json"
        # Nothing is remembered between requests: that is what makes the session safe in threads.
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def select[Element](
        self,
        operation: str,
        path: str,
        shape: TypeAdapter[Page[Element]],
        params: Params | None = None,
        slots: AbstractContextManager[object] | None = None,
    ) -> Iterator[Element]:
        """Every element of a collection, page by page."""
        query, offset = dict(params or {}), 0
        while True:
            page = self.get(operation, path, shape, query, slots)
            yield from page.elements
            following = self._next_offset(operation, page.links, offset)
            # Behind an empty page there is nothing, whatever its links say: else this might never end.
            if following is None or not page.elements:
                return
            query["offset"] = offset = following

    def _next_offset(self, operation: str, links: Sequence[Link], offset: int) -> int | None:
        """Where the next page begins, by the `next` link; None after the last page."""
        href = next((link.href for link in links if link.rel == "next"), None)
        if href is None:
            return None
        # Only the offset is taken from the link: credentials never go to an address that a body names.
        try:
            target = urlsplit(urljoin(self._url, href))
            following = int(parse_qs(target.query)["offset"][0])
        except (ValueError, KeyError):
            raise OptimizelyAnswerInvalid(operation=operation, reason="a next link without an offset") from None
        if target.hostname != urlsplit(self._url).hostname:
            raise OptimizelyAnswerInvalid(operation=operation, reason="a next link to another host")
        if following <= offset:
            raise OptimizelyAnswerInvalid(operation=operation, reason="a next link that does not lead on")
        return following

    def get[Shape](
        self,
        operation: str,
        path: str,
        shape: TypeAdapter[Shape],
        params: Params | None = None,
        slots: AbstractContextManager[object] | None = None,
    ) -> Shape:
        """The answer to a GET, asked again when it fails for a passing reason.

        Args:
            operation: its name in the vendor's description.
            path: path below the client ID.
            shape: what the body has to be.
            params: query parameters.
            slots: limits how many such requests run at once; a pause holds no slot.
        """
        tries_left = _TRIES
        while True:
            tries_left -= 1
            try:
                with slots or nullcontext():
                    return shaped(operation, shape, self.send("GET", operation, path, params=params))
            except OptimizelyUnavailable as error:
                if not tries_left:
                    raise
                pause = _pause(_TRIES - tries_left, error.facts.get("retry_after"))
                log.info(
                    "Optimizely Campaign did not answer %s (%s): it is asked again in %.1f s.",
                    operation,
                    error.facts["reason"],
                    pause,
                    extra={"action": "rest-retry", "operation": operation, "code": error.code},
                )
                self._sleep(pause)

    def send(
        self, method: str, operation: str, path: str, *, params: Params | None = None, body: Body | None = None
    ) -> bytes:
        """One exchange, without any retry. The body of an answer with status 2xx.

        Args:
            method: GET, POST, PUT or DELETE.
            operation: its name in the vendor's description.
            path: path below the client ID, quoted.
            params: query parameters.
            body: what it carries.

        Raises:
            OptimizelyUnavailable: no answer, 408, 429, or 5xx but 501 and 505. It may have taken effect.
            OptimizelyLoginRefused: 401 or 403.
            OptimizelyConflict: 409.
            OptimizelyRefused: another 4xx, 501 or 505.
            OptimizelyAnswerInvalid: a redirection, which is not followed.
        """
        body = body or Body()
        try:
            response = self._session.request(
                method,
                self._url + path,
                params=dict(params or {}),
                data=dict(body.form) if body.form else body.json,
                files={name: (None, value) for name, value in body.multipart.items()} if body.multipart else None,
                headers={"Content-Type": "application/json"} if body.json is not None else None,
                timeout=self._timeouts,
            )
        except requests.RequestException as error:
            # `from None`, because the text of the library's error can name what a server sent.
            raise OptimizelyUnavailable(operation=operation, reason=type(error).__name__) from None
        status = response.status_code
        if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
            return response.content
        if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            raise OptimizelyLoginRefused(operation=operation, status=status)
        if status in _PASSING:
            raise OptimizelyUnavailable(
                operation=operation, reason=f"status {status}", retry_after=_retry_after(response)
            )
        if status == HTTPStatus.CONFLICT:
            raise OptimizelyConflict(operation=operation, state="not told")
        if status >= HTTPStatus.BAD_REQUEST:
            raise OptimizelyRefused(operation=operation, status=status)
        raise OptimizelyAnswerInvalid(operation=operation, reason=f"status {status}")


def shaped[Shape](operation: str, shape: TypeAdapter[Shape], body: bytes) -> Shape:
    """The answer in its shape.

    Raises:
        OptimizelyAnswerInvalid: it has another; the place is told, never the content.
    """
    try:
        return shape.validate_json(body)
    except ShapeError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "the whole"
        raise OptimizelyAnswerInvalid(operation=operation, reason=f"{where}: {first['type']}") from None


def _retry_after(response: requests.Response) -> float | None:
    """Seconds that the server asks to wait, given as a number or as a date."""
    try:
        return float(Retry().parse_retry_after(response.headers["Retry-After"]))
    except (KeyError, InvalidHeader, ValueError, OverflowError):
        return None


def _pause(failed: int, retry_after: object) -> float:
    """Seconds before the next try, after so many failed ones. Jitter keeps instances apart."""
    pause = _FIRST_PAUSE * 2.0 ** (failed - 1)
    if isinstance(retry_after, float):
        pause = max(pause, retry_after)
    return min(pause, _LONGEST_PAUSE) * random.uniform(1, 1.5)  # noqa: S311 - no secret hangs on it
