"""The login to the SFTP site: by key, by password, by both."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import asyncssh
import paramiko
import pytest
from paramiko.common import AUTH_FAILED, AUTH_PARTIALLY_SUCCESSFUL, AUTH_SUCCESSFUL
from paramiko.server import InteractiveQuery

from shared.errors import SftpAlgorithmsRefused, SftpLoginRefused, SftpUnavailable, TerminalError
from shared.sftp.login import Credentials, log_in
from shared.sftp.private_key import load_private_key
from tests.unit.sftp.sftp_server import OTHER_KEY, USER_KEY, Login, Start, pem

PASSWORD = "pässword-canary"
HOST_KEY = paramiko.ECDSAKey.generate()


class PasswordLogin(Login):
    """Accepts the password."""

    def public_key_auth_supported(self) -> bool:
        return False

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        del username
        return password == PASSWORD


class TestKey:
    def test_a_key_that_is_not_registered(self, start: Start) -> None:
        server = start()

        with pytest.raises(SftpLoginRefused) as caught, server.client(private_key=pem(OTHER_KEY, "openssh")).connect():
            pytest.fail("connected")

        assert isinstance(caught.value, TerminalError)
        assert server.tried == ["r_customer"]

    def test_a_site_that_accepts_no_keys(self, start: Start) -> None:
        class PasswordLogin(Login):
            def public_key_auth_supported(self) -> bool:
                return False

            def password_auth_supported(self) -> bool:
                return True

        with pytest.raises(SftpLoginRefused), start(login=PasswordLogin).client().connect():
            pytest.fail("connected")

    def test_a_connection_lost_during_the_login_is_no_refusal(self, start: Start) -> None:
        class LosingLogin(Login):
            def begin_auth(self, username: str) -> Any:
                self.connection.abort()
                return super().begin_auth(username)

        with pytest.raises(SftpUnavailable), start(login=LosingLogin).client().connect():
            pytest.fail("connected")

    def test_a_login_without_answer_is_no_refusal(self, start: Start) -> None:
        class SilentLogin(Login):
            def begin_auth(self, username: str) -> Any:
                self.tried.append(username)
                return start.over.wait()

        with pytest.raises(SftpUnavailable), start(login=SilentLogin).client(timeout=1).connect():
            pytest.fail("connected")

    def test_a_site_that_accepts_rsa_keys_with_sha_1_only(self, start: Start) -> None:
        server = start(signature_algs=["ssh-rsa"])

        with pytest.raises(SftpAlgorithmsRefused, match="signatures by an RSA key"), server.client().connect():
            pytest.fail("connected")


class TestPassword:
    def test_it_logs_in(self, start: Start) -> None:
        with start(login=PasswordLogin).client(private_key=None, password=PASSWORD).connect() as session:
            assert session.find("/nothing") is None

    def test_another_is_refused(self, start: Start) -> None:
        site = start(login=PasswordLogin).client(private_key=None, password="another")

        with pytest.raises(SftpLoginRefused) as caught, site.connect():
            pytest.fail("connected")

        assert "another" not in f"{caught.value!r} {site!r}"

    def test_it_logs_in_where_the_key_is_refused(self, start: Start) -> None:
        class EitherLogin(PasswordLogin):
            def public_key_auth_supported(self) -> bool:
                return True

        site = start(login=EitherLogin).client(private_key=pem(OTHER_KEY, "openssh"), password=PASSWORD)

        with site.connect() as session:
            assert session.find("/nothing") is None

    def test_it_is_not_sent_where_the_key_is_accepted(self, start: Start) -> None:
        sent: list[str] = []

        class EitherLogin(PasswordLogin):
            def public_key_auth_supported(self) -> bool:
                return True

            def validate_password(self, username: str, password: str) -> bool:
                sent.append(password)
                return super().validate_password(username, password)

        with start(login=EitherLogin).client(password=PASSWORD).connect() as session:
            assert session.find("/nothing") is None
        assert sent == []

    def test_an_expired_one_is_refused(self, start: Start) -> None:
        class ExpiredLogin(PasswordLogin):
            def validate_password(self, username: str, password: str) -> bool:
                del username, password
                raise asyncssh.PasswordChangeRequired("choose another")

        with (
            pytest.raises(SftpLoginRefused),
            start(login=ExpiredLogin).client(private_key=None, password=PASSWORD).connect(),
        ):
            pytest.fail("connected")


class Guard(paramiko.ServerInterface):
    """Requires certain methods, one after the other."""

    def __init__(self, *required: str, questions: list[InteractiveQuery] | None = None) -> None:
        self.required = list(required)
        self.questions = questions or []
        self.tried: list[str] = []
        self.answers: list[list[str]] = []

    def get_allowed_auths(self, username: str) -> str:
        del username
        return self.required[0]

    def check(self, method: str, *, right: bool) -> int:
        self.tried.append(method)
        if method != self.required[0] or not right:
            return AUTH_FAILED
        if len(self.required) == 1:
            return AUTH_SUCCESSFUL
        del self.required[0]
        return AUTH_PARTIALLY_SUCCESSFUL

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        del username
        return self.check("publickey", right=key.asbytes() == USER_KEY.public_data)

    def check_auth_password(self, username: str, password: str) -> int:
        del username
        return self.check("password", right=password == PASSWORD)

    def check_auth_interactive(self, username: str, submethods: str) -> int | InteractiveQuery:
        del username, submethods
        if self.required[0] != "keyboard-interactive":
            return AUTH_FAILED
        return self.questions.pop(0)

    def check_auth_interactive_response(self, responses: list[str]) -> int | InteractiveQuery:
        self.answers.append(responses)
        if self.questions:
            return self.questions.pop(0)
        return self.check("keyboard-interactive", right=self.answers[0] == [PASSWORD])


@contextmanager
def connected(guard: Guard) -> Iterator[paramiko.Transport]:
    near, far = socket.socketpair()
    with near, far:
        server, client = paramiko.Transport(far), paramiko.Transport(near)
        server.add_server_key(HOST_KEY)
        started = threading.Event()
        server.start_server(started, guard)
        client.start_client(timeout=30)
        try:
            yield client
        finally:
            client.close()
            server.close()


def question(*prompts: tuple[str, bool]) -> InteractiveQuery:
    return InteractiveQuery("Login", "", *prompts)


@pytest.fixture
def log_in_to_guard() -> Callable[..., None]:
    """Log in to a guard with the key and the password, or one of them."""

    def log_in_to(guard: Guard, **changes: Any) -> None:
        known: dict[str, Any] = {
            "user": "r_customer",
            "key": load_private_key(pem(USER_KEY), None),
            "password": PASSWORD,
        } | changes
        with connected(guard) as transport:
            log_in(transport, Credentials(**known), host="site", timeout=30)
            assert transport.is_authenticated()

    return log_in_to


class TestSeveralMethods:
    @pytest.mark.parametrize(
        ("required", "tried"),
        [
            (["publickey", "password"], ["publickey", "password"]),
            (["password", "publickey"], ["publickey", "password", "publickey"]),
        ],
    )
    def test_a_site_that_requires_key_and_password(
        self, log_in_to_guard: Callable[..., None], required: list[str], tried: list[str]
    ) -> None:
        guard = Guard(*required)

        log_in_to_guard(guard)

        assert guard.tried == tried

    def test_a_site_that_requires_the_key_and_then_prompts(self, log_in_to_guard: Callable[..., None]) -> None:
        guard = Guard("publickey", "keyboard-interactive", questions=[question(("Password: ", False))])

        log_in_to_guard(guard)

        assert guard.answers == [[PASSWORD]]

    @pytest.mark.parametrize("half", [{"key": None}, {"password": None}, {"password": "another"}])
    def test_half_of_the_required_login_is_refused(
        self, log_in_to_guard: Callable[..., None], half: dict[str, Any]
    ) -> None:
        with pytest.raises(SftpLoginRefused):
            log_in_to_guard(Guard("publickey", "password"), **half)

    @pytest.mark.parametrize("method", ["publickey", "password"])
    def test_endless_partial_success_is_refused(self, log_in_to_guard: Callable[..., None], method: str) -> None:
        guard = Guard(*([method] * 20))

        with pytest.raises(SftpLoginRefused):
            log_in_to_guard(guard)

        assert len(guard.tried) <= 4


class TestPrompt:
    def test_a_prompt_is_answered_with_the_password(self, log_in_to_guard: Callable[..., None]) -> None:
        guard = Guard("keyboard-interactive", questions=[question(("Password: ", False))])

        log_in_to_guard(guard, key=None)

        assert guard.answers == [[PASSWORD]]

    def test_a_request_without_prompts_is_skipped(self, log_in_to_guard: Callable[..., None]) -> None:
        guard = Guard("keyboard-interactive", questions=[question(("Password: ", False)), question()])

        log_in_to_guard(guard, key=None)

        assert guard.answers == [[PASSWORD], []]

    @pytest.mark.parametrize(
        ("questions", "answers"),
        [
            pytest.param([question(("Password: ", False), ("Code: ", False))], [["", ""]], id="two at once"),
            pytest.param([question(("Name: ", True))], [[""]], id="with echo"),
            pytest.param(
                [question(("Password: ", False)), question(("New password: ", False))],
                [[PASSWORD], [""]],
                id="another one later",
            ),
        ],
    )
    def test_the_password_answers_only_a_single_prompt_without_echo(
        self, log_in_to_guard: Callable[..., None], questions: list[InteractiveQuery], answers: list[list[str]]
    ) -> None:
        class Strict(Guard):
            def check(self, method: str, *, right: bool) -> int:
                return super().check(method, right=right and len(self.answers) == 1)

        guard = Strict("keyboard-interactive", questions=list(questions))

        with pytest.raises(SftpLoginRefused):
            log_in_to_guard(guard, key=None)

        assert guard.answers == answers

    def test_a_prompt_is_not_answered_when_there_is_no_password(self, log_in_to_guard: Callable[..., None]) -> None:
        guard = Guard("keyboard-interactive", questions=[question(("Password: ", False))])

        with pytest.raises(SftpLoginRefused):
            log_in_to_guard(guard, password=None)

        assert guard.answers == []
