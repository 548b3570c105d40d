"""The login to the SFTP site: by key, by password, or by both where the site requires both."""

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from paramiko import AuthenticationException, Message, PKey, Transport
from paramiko.auth_handler import AuthHandler
from paramiko.ssh_exception import BadAuthenticationType, PartialAuthentication

from shared.errors import SftpAlgorithmsRefused, SftpLoginRefused, SftpUnavailable

# Methods of the protocol (RFC 4252 and RFC 4256)
_KEY: Final = "publickey"
_PASSWORD: Final = "password"  # noqa: S105 - a method's name
_PROMPT: Final = "keyboard-interactive"


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """The login at the site. The key is tried first."""

    user: str
    key: PKey | None = field(repr=False)
    password: str | None = field(repr=False)


def log_in(transport: Transport, credentials: Credentials, *, host: str, timeout: float) -> None:
    """Log in to a site whose host key has been checked.

    If the site accepts a method as a part of the login, the other methods follow. The password also answers a
    single prompt without echo, for sites without any other password login.

    Args:
        transport: the connection, its keys exchanged.
        credentials: user, key and password.
        host: the site, for messages.
        timeout: seconds for each answer.

    Raises:
        SftpLoginRefused: the site accepted none of the methods.
        SftpAlgorithmsRefused: the site accepts RSA keys only with SHA-1 signatures.
        SftpUnavailable: the connection broke or the site did not answer.
    """
    dialogue = _Dialogue(transport, credentials)
    transport.auth_handler = dialogue
    methods = [method for method, secret in ((_KEY, credentials.key), (_PASSWORD, credentials.password)) if secret]
    accepted = set[str]()
    remaining = list(methods)
    while remaining and transport.is_active():
        method = remaining.pop(0)
        error = dialogue.attempt(method, timeout)
        if transport.is_authenticated():
            return
        match error:
            case PartialAuthentication():
                accepted.add(_PASSWORD if method == _PROMPT else method)
                remaining = [method for method in methods if method not in accepted]
            case BadAuthenticationType() if method == _PASSWORD and _PROMPT in error.allowed_types:
                remaining.insert(0, _PROMPT)
            case None | BadAuthenticationType():
                pass
            case AuthenticationException():
                # paramiko raises it when the site lists the signatures that it accepts, and none is SHA-2.
                raise SftpAlgorithmsRefused(host=host, what="signatures by an RSA key")
            case _:
                reason = "no answer to the login" if dialogue.silent else "the connection broke during the login"
                raise SftpUnavailable(host=host, operation="connect", reason=reason)
    raise SftpLoginRefused(host=host)


class _Dialogue(AuthHandler):
    """The client's side of a login with several methods, one after the other."""

    if TYPE_CHECKING:  # missing from paramiko's types

        def _parse_service_accept(self, message: Message) -> None: ...

    def __init__(self, transport: Transport, credentials: Credentials) -> None:
        super().__init__(transport)
        self._credentials = credentials
        self._service_requested = False
        self._prompted = False
        #: Whether the site did not answer.
        self.silent = False

    def attempt(self, method: str, timeout: float) -> Exception | None:
        """Try one method; the reason for a failure, None for success or a plain refusal."""
        user, key, password = self._credentials.user, self._credentials.key, self._credentials.password
        # With our own event: paramiko's wait raises the same error for a refusal, a time-out and a lost
        # connection, but only the first of them is final.
        answered = threading.Event()
        if method == _KEY and key is not None:
            self.auth_publickey(user, key, answered)
        elif method == _PASSWORD and password is not None:
            self.auth_password(user, password, answered)
        else:
            self.auth_interactive(user, self._answer, answered)
        if not answered.wait(timeout):
            self.silent = True
            return TimeoutError()
        return self.transport.get_exception()

    def _answer(self, _title: str, _instructions: str, prompts: list[tuple[str, bool]]) -> list[str]:
        """The password for a single first prompt; nothing for other prompts, such as one for a new password."""
        single = len(prompts) == 1 and not prompts[0][1] and not self._prompted
        if prompts:
            self._prompted = True
        return [str(self._credentials.password)] if single else [""] * len(prompts)

    def _request_auth(self) -> None:
        # paramiko requests the login service again before each attempt, which some servers treat as a violation
        # of the protocol: later attempts continue as if the service had been granted again.
        if not self._service_requested:
            self._service_requested = True
            super()._request_auth()  # type: ignore[misc]  # missing from paramiko's types
            return
        accepted = Message()
        accepted.add_string("ssh-userauth")
        accepted.rewind()
        self._parse_service_accept(accepted)

    def _parse_userauth_info_request(self, message: Message) -> None:
        if self.auth_method == _PASSWORD and self.auth_event is not None:
            # After a password this message requests a new one, because it has expired (RFC 4252, section 8).
            self.auth_event.set()
            return
        super()._parse_userauth_info_request(message)  # type: ignore[misc]  # missing from paramiko's types
