"""`bridge smoke` against the app in a real host: healthy, unhealthy, silent, with and without a key."""

import http.server
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from cli.main import app
from tests.flow.harness import Flow, app_host

KEY = "the-function-key"


@pytest.fixture
def deployed(flow: Flow, tmp_path: Path) -> Iterator[str]:
    """Address of the app in a host; its channel has a seed list."""
    channels = tmp_path / "channels.toml"
    channels.write_text('[channels.default]\nseed_list = "Seed list"\n\n[channels.other]\n')
    with app_host(flow, CHANNELS_FILE=str(channels), HOST_FUNCTION_KEY=KEY) as (_, url):
        yield url


def smoke(url: str, *options: str, key: str | None = KEY) -> Result:
    return CliRunner().invoke(app, ["smoke", url, "--wait", "0", *options], env={"BRIDGE_FUNCTION_KEY": key})


def test_an_app_that_works_is_asked_step_by_step(deployed: str, flow: Flow) -> None:
    without_key = smoke(deployed.removesuffix("/api"), key=None)
    assert without_key.exit_code == 0, without_key.stderr
    assert "healthy" in without_key.output
    assert "BRIDGE_FUNCTION_KEY is not set" in without_key.output
    tested = smoke(deployed, "--message", "Spring Newsletter")
    assert tested.exit_code == 0, tested.stderr
    assert "logs in to Optimizely's REST API and SFTP site" in tested.output
    assert "recipients of the seed list" in tested.output
    assert KEY not in tested.output + tested.stderr
    assert flow.simulator()["mailed_twice"] == 0
    unknown = smoke(deployed, "--message", "No such message")
    assert (unknown.exit_code, "message-unknown" in unknown.stderr) == (1, True)
    no_seeds = smoke(deployed, "--message", "Spring Newsletter", "--channel", "other")
    assert (no_seeds.exit_code, "seed-list-missing" in no_seeds.stderr) == (1, True)
    wrong_key = smoke(deployed, key="another")
    assert wrong_key.exit_code == 1
    assert "does not accept the key" in wrong_key.stderr


def test_an_app_that_cannot_start_is_reported_by_its_check_and_code(flow: Flow, tmp_path: Path) -> None:
    with app_host(flow, RS_DB=f"sqlite:///{tmp_path}/new.db", WS_DB="") as (_, url):
        result = smoke(url)
    assert result.exit_code == 1
    assert "status 503: start (schema-out-of-date)" in result.stderr


def test_an_app_that_does_not_answer_is_reported() -> None:
    with socket.socket() as bound:  # nobody listens there
        bound.bind(("127.0.0.1", 0))
        result = smoke(f"http://127.0.0.1:{bound.getsockname()[1]}")
    assert result.exit_code == 1
    assert "does not answer (ConnectionError)" in result.stderr


def test_an_app_that_gets_healthy_is_waited_for() -> None:
    looks = 0

    class GetsHealthy(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            nonlocal looks
            looks += 1
            self.send_response(200 if looks > 1 else 502)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - theirs
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), GetsHealthy) as server:
        threading.Thread(target=server.serve_forever).start()
        result = smoke(f"http://127.0.0.1:{server.server_port}", "--wait", "60", key=None)
        server.shutdown()
    assert (result.exit_code, looks) == (0, 2)


def test_a_key_does_not_follow_an_answer_that_points_elsewhere() -> None:
    asked: list[str] = []

    class PointsElsewhere(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()

        def do_POST(self) -> None:
            asked.append(self.path)
            self.send_response(307)
            self.send_header("Location", "/elsewhere")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - theirs
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), PointsElsewhere) as server:
        threading.Thread(target=server.serve_forever).start()
        result = smoke(f"http://127.0.0.1:{server.server_port}")
        server.shutdown()
    assert (result.exit_code, asked) == (1, ["/api/peoplestage/test"])
    assert "status 307" in result.stderr


@pytest.mark.parametrize("body", [b"", b"<html>Please log in</html>", b"[]"])
def test_a_page_in_place_of_the_app_is_no_success(body: bytes) -> None:
    class Proxy(http.server.BaseHTTPRequestHandler):
        def answer(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = answer  # noqa: N815 - names that http.server asks for

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - theirs
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Proxy) as server:
        threading.Thread(target=server.serve_forever).start()
        result = smoke(f"http://127.0.0.1:{server.server_port}", "--message", "Spring Newsletter")
        server.shutdown()
    assert result.exit_code == 1
    assert "something else answers in the app's place" in result.stderr


@pytest.mark.parametrize("url", ["http://bridge.example.com", "bridge.example.com", "file:///etc/passwd"])
def test_a_key_never_goes_over_an_open_line(url: str) -> None:
    result = smoke(url)
    assert result.exit_code == 2
    assert "https://" in result.stderr


def test_a_test_mail_without_a_key_is_refused_before_anything_is_asked() -> None:
    result = smoke("https://bridge.invalid", "--message", "Spring Newsletter", key=None)
    assert result.exit_code == 2
    assert "BRIDGE_FUNCTION_KEY" in result.stderr
