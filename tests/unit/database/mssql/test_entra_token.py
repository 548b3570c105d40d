"""Microsoft Entra tokens: whose they are, and that none is used that has run out."""

import json
import struct
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from azure.core.credentials import AccessToken
from azure.core.exceptions import ClientAuthenticationError

import shared.database.entra_token
from shared.config.connection_string import EntraIdentity, EntraLogin
from shared.database.entra_token import EntraTokens
from shared.errors import EntraTokenUnavailable

MANAGED = EntraLogin(identity=EntraIdentity.MANAGED_IDENTITY)
DEVELOPER = EntraLogin(identity=EntraIdentity.DEFAULT)


class Credentials:
    """Stands for azure-identity: notes which credentials are made and what they are asked for."""

    def __init__(self) -> None:
        self.made: list[tuple[str, Mapping[str, Any]]] = []
        self.scopes: list[str] = []
        self.refuse = False

    def maker(self, kind: str) -> Any:
        def make(**options: Any) -> Credentials:
            self.made.append((kind, options))
            return self

        return make

    def get_token(self, scope: str) -> AccessToken:
        if self.refuse:
            raise ClientAuthenticationError(message="AADSTS50020: user ann@example.com of tenant 0000 is unknown")
        self.scopes.append(scope)
        return AccessToken(f"token {len(self.scopes)}", 0)


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch) -> Credentials:
    credentials = Credentials()
    for kind in ("ManagedIdentityCredential", "DefaultAzureCredential"):
        monkeypatch.setattr(shared.database.entra_token, kind, credentials.maker(kind))
    return credentials


def text(attribute: bytes) -> str:
    """The token in a connection attribute."""
    (length,) = struct.unpack_from("<I", attribute)
    assert len(attribute) == 4 + length
    return attribute[4:].decode("utf-16-le")


def test_a_token_is_handed_over_as_the_driver_takes_it(credentials: Credentials) -> None:
    assert EntraTokens().access_token(MANAGED) == b"\x0e\0\0\0t\0o\0k\0e\0n\0 \0001\0"
    assert credentials.scopes == ["https://database.windows.net/.default"]


@pytest.mark.parametrize(
    ("login", "of_app", "made"),
    [
        (MANAGED, None, ("ManagedIdentityCredential", {"client_id": None})),
        (MANAGED, "app", ("ManagedIdentityCredential", {"client_id": "app"})),
        (
            EntraLogin(identity=EntraIdentity.MANAGED_IDENTITY, client_id="own"),
            "app",
            ("ManagedIdentityCredential", {"client_id": "own"}),
        ),
        (DEVELOPER, None, ("DefaultAzureCredential", {"managed_identity_client_id": None})),
        (DEVELOPER, "app", ("DefaultAzureCredential", {"managed_identity_client_id": "app"})),
    ],
)
def test_the_identity_is_the_one_of_the_connection_string_else_that_of_the_app(
    credentials: Credentials, login: EntraLogin, of_app: str | None, made: tuple[str, Mapping[str, Any]]
) -> None:
    EntraTokens(of_app).access_token(login)
    assert credentials.made == [made]


def test_each_identity_has_one_credential_which_is_asked_anew_for_each_connection(credentials: Credentials) -> None:
    tokens = EntraTokens()
    assert [text(tokens.access_token(login)) for login in (MANAGED, MANAGED, DEVELOPER)] == [
        *("token 1", "token 2", "token 3")
    ]
    assert [kind for kind, _ in credentials.made] == ["ManagedIdentityCredential", "DefaultAzureCredential"]


def test_threads_that_connect_at_once_share_the_credential(credentials: Credentials) -> None:
    tokens, start = EntraTokens(), threading.Barrier(8)

    def ask(_: int) -> bytes:
        start.wait()
        return tokens.access_token(MANAGED)

    with ThreadPoolExecutor(8) as threads:
        assert len(set(threads.map(ask, range(8)))) == 8
    assert len(credentials.made) == 1


def test_where_entra_gives_no_token_the_error_passes_and_names_nobody(credentials: Credentials) -> None:
    credentials.refuse = True
    with pytest.raises(EntraTokenUnavailable) as caught:
        EntraTokens().access_token(MANAGED)
    assert caught.value.fields() == {"identity": "managed identity", "reason": "ClientAuthenticationError"}
    assert "ann@example.com" not in str(caught.value)
    assert caught.value.__suppress_context__


# azure-identity itself, over the endpoint that Azure gives to an app


@dataclass
class Endpoint:
    """What the endpoint was asked, and how many seconds each of its tokens lives."""

    seconds: int = 3600
    #: Answered in place of a token.
    odd: bytes | None = None
    asked: list[dict[str, list[str]]] = field(default_factory=list)


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[Endpoint]:
    endpoint = Endpoint()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            assert self.headers["X-IDENTITY-HEADER"] == "secret of the app"
            endpoint.asked.append(parse_qs(urlsplit(self.path).query))
            answer = {
                "access_token": f"token {len(endpoint.asked)}",
                "expires_on": str(int(time.time()) + endpoint.seconds),
                "resource": "https://database.windows.net/",
                "token_type": "Bearer",
            }
            body = json.dumps(answer).encode() if endpoint.odd is None else endpoint.odd
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        monkeypatch.setenv("IDENTITY_ENDPOINT", f"http://127.0.0.1:{server.server_address[1]}/msi/token")
        monkeypatch.setenv("IDENTITY_HEADER", "secret of the app")
        yield endpoint
        server.shutdown()
        thread.join()


def test_a_token_is_kept_as_long_as_it_is_good(endpoint: Endpoint) -> None:
    tokens = EntraTokens("0000-1111")
    assert [text(tokens.access_token(MANAGED)) for _ in range(3)] == ["token 1"] * 3
    (asked,) = endpoint.asked
    assert asked["client_id"] == ["0000-1111"]
    assert asked["resource"] == ["https://database.windows.net"]


def test_the_next_token_is_fetched_before_the_last_one_runs_out(endpoint: Endpoint) -> None:
    endpoint.seconds = 4 * 60
    tokens = EntraTokens()
    assert [text(tokens.access_token(MANAGED)) for _ in range(2)] == ["token 1", "token 2"]


@pytest.mark.parametrize(
    "odd",
    [b"<html>canary</html>", b"", b"[]", b'"canary"', b"null", b'{"access_token": "x", "expires_on": "canary"}', b"{}"],
)
def test_an_answer_that_is_no_token_is_an_obstacle(endpoint: Endpoint, odd: bytes) -> None:
    endpoint.odd = odd
    with pytest.raises(EntraTokenUnavailable) as caught:
        EntraTokens().access_token(MANAGED)
    assert "canary" not in str(caught.value)
