"""HTTP triggers have the routes, methods, keys and responses of the Functions host."""

import json
import os
import signal
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from tests.contract.host.conftest import Hosts, until


@pytest.fixture(scope="module")
def ready(running: Hosts) -> dict[str, Any]:
    ready: dict[str, Any] = json.loads((running.folder / "host.json").read_text())
    return ready


@pytest.fixture(scope="module")
def session() -> Iterator[requests.Session]:
    with requests.Session() as made:
        yield made


@pytest.fixture
def ask(ready: dict[str, Any], session: requests.Session) -> Any:
    def send(method: str, path: str, key: str = "", **more: Any) -> requests.Response:
        headers = {"x-functions-key": ready[key]} if key else {}
        return session.request(method, f"{ready['url']}/{path}", headers=headers, timeout=30, **more)

    return send


def test_a_function_receives_the_request_and_its_response_is_returned(ask: Any) -> None:
    answer = ask("POST", "people/7?q=a", "function_key", data=b"hi")
    assert (answer.status_code, answer.headers["x-said"], answer.headers["content-type"]) == (
        201,
        "yes",
        "application/json",
    )
    assert answer.json() == {"number": "7", "q": "a", "body": "hi"}


@pytest.mark.parametrize(
    ("path", "key", "status"),
    [
        ("open", "", 200),
        ("people/7", "", 401),
        ("people/7", "function_key", 201),
        ("people/7", "master_key", 201),
        ("secret", "", 401),
        ("secret", "function_key", 401),
        ("secret", "master_key", 200),
    ],
)
def test_a_function_requires_the_key_of_its_level(ask: Any, path: str, key: str, status: int) -> None:
    answer = ask("POST", path, key)
    assert answer.status_code == status
    assert status != 401 or not answer.content


def test_the_key_may_be_in_the_query(ask: Any, ready: dict[str, Any]) -> None:
    assert ask("POST", f"people/7?code={ready['function_key']}").status_code == 201
    assert ask("POST", "people/7?code=wrong").status_code == 401


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "nobody/knows", 404),
        # As in Azure: a method that no function takes is not found.
        ("DELETE", "secret/more", 404),
        ("DELETE", "secret", 200),
        ("PUT", "OPEN", 200),
        ("GET", "open/", 200),
    ],
)
def test_routes_and_methods(ask: Any, method: str, path: str, status: int) -> None:
    assert ask(method, path, "master_key").status_code == status


def test_the_most_specific_route_that_accepts_the_method_is_called(ask: Any) -> None:
    assert ask("POST", "people/8", "function_key").json()["number"] == "8"
    assert ask("POST", "people/jo").text == "somebody jo"
    assert ask("GET", "people/8").text == "somebody 8", "the narrower route takes POST only"


def test_a_route_can_match_the_rest_of_the_path_and_respond_with_bytes_and_cookies(
    ask: Any, session: requests.Session
) -> None:
    answer = ask("GET", "files/a/b%20ä.png")
    assert answer.content == "a/b ä.png".encode() + b"\x00\xff"
    assert answer.headers["content-type"] == "image/png"
    assert session.cookies.get_dict() == {"a": "1", "b": "2"}
    assert ask("GET", "files").content == b"\x00\xff"


def test_an_error_is_hidden_from_the_caller_and_its_message_from_the_log(ask: Any, running: Hosts) -> None:
    broken = ask("GET", "broken")
    assert (broken.status_code, broken.text) == (500, "")
    until(lambda: "broken failed" in (running.folder / "host.log").read_text(), "it is in the log")
    assert "somebody@example.org" not in (running.folder / "host.log").read_text()


def test_the_host_listens_on_the_loopback_address_only(ready: dict[str, Any]) -> None:
    port = urlsplit(ready["url"]).port
    with socket.socket() as other, pytest.raises(ConnectionRefusedError):
        other.connect(("127.0.0.2", port))


def test_the_prefix_and_the_keys_can_be_chosen(hosts: Hosts) -> None:
    hosts.with_host_json(http={"routePrefix": ""})
    _, ready = hosts.start(HOST_MASTER_KEY="the-master", HOST_FUNCTION_KEY="the-function")
    assert ready["url"].count("/") == 2
    assert (ready["master_key"], ready["function_key"]) == ("the-master", "the-function")
    assert requests.get(f"{ready['url']}/open", timeout=30).status_code == 200
    assert requests.get(f"{ready['url']}/api/open", timeout=30).status_code == 404


def test_a_running_request_is_completed_when_the_host_stops(hosts: Hosts) -> None:
    (hosts.folder / "hold-request").touch()
    process, ready = hosts.start()
    with ThreadPoolExecutor() as pool:
        answer = pool.submit(requests.get, f"{ready['url']}/open", headers={"x-name": "jo"}, timeout=30)
        until(lambda: "anybody started" in process.log.read_text(), "it runs")
        os.kill(ready["pid"], signal.SIGTERM)
        until(lambda: "lets running invocations finish" in process.log.read_text(), "it heard")
        (hosts.folder / "hold-request").unlink()
        assert answer.result().text == "hello GET jo"
    until(lambda: process.ended() is not None, "it stopped")
    assert process.ended() == "ended with exit code 0"


def test_a_request_that_does_not_finish_does_not_keep_the_host_from_stopping(hosts: Hosts) -> None:
    (hosts.folder / "hold-request").touch()
    process, ready = hosts.start("host", "--finish-seconds", "0.5")
    with ThreadPoolExecutor() as pool:
        answer = pool.submit(requests.get, f"{ready['url']}/open", timeout=60)
        until(lambda: "anybody started" in process.log.read_text(), "it runs")
        os.kill(ready["pid"], signal.SIGTERM)
        assert isinstance(answer.exception(), requests.ConnectionError)
    until(lambda: process.ended() is not None, "it stopped")
    assert process.ended() == "ended with exit code 0"
