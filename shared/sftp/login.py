"""Logging in to the SFTP site: by key, by password, or by both where the site wants both."""

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from paramiko import AuthenticationException, Message, PKey, Transport
from paramiko.auth_handler import AuthHandler
from paramiko.ssh_exception import BadAuthenticationType, PartialAuthentication

from shared.errors import SftpAlgorithmsRefused, SftpLoginRefused, SftpUnavailable

# Names of the protocol (RFC 4252 and RFC 4256)
_KEY: Final = "publickey"
_PASSWORD: Final = "password"  # noqa: S105 - a method's name
_PROMPT: Final = "keyboard-interactive"


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Who we are at the site. The key is tried first."""

    user: str
    key: PKey | None = field(repr=False)
    password: str | None = field(repr=False)


def log_in(transport: Transport, credentials: Credentials, *, host: str, timeout: float) -> None:
    """Log in to a site whose host key is checked.

    A way that the site takes as a part of the login is followed by the others. A password is also the
    answer to a single question without echo, for sites that know no other password login.

    Args:
        transport: the connection, its keys exchanged.
        credentials: who we are.
        host: the site, for messages.
        timeout: seconds for each answer.

    Raises:
        SftpLoginRefused: the site took none of the ways.
        SftpAlgorithmsRefused: the site takes RSA keys only with SHA-1 signatures.
        SftpUnavailable: the connection broke or the site did not answer.
    """
    dialogue = _Dialogue(transport, credentials)
    transport.auth_handler = dialogue
    ways = [way for way, given in ((_KEY, credentials.key), (_PASSWORD, credentials.password)) if given]
    taken = set[str]()
    waiting = list(ways)
    while waiting and transport.is_active():
        way = waiting.pop(0)
        error = dialogue.ask(way, timeout)
        if transport.is_authenticated():
            return
        match error:
            case PartialAuthentication():
                taken.add(_PASSWORD if way == _PROMPT else way)
                waiting = [way for way in ways if way not in taken]
            case BadAuthenticationType() if way == _PASSWORD and _PROMPT in error.allowed_types:
                waiting.insert(0, _PROMPT)
            case None | BadAuthenticationType():
                pass
            case AuthenticationException():
                # What paramiko says when the site names the signatures that it takes, and none is SHA-2.
                raise SftpAlgorithmsRefused(host=host, what="signatures by an RSA key")
            case _:
                reason = "no answer to the login" if dialogue.silent else "the connection broke during the login"
                raise SftpUnavailable(host=host, operation="connect", reason=reason)
    raise SftpLoginRefused(host=host)


class _Dialogue(AuthHandler):
    """The client's side of a login with several ways, one after the other."""

    if TYPE_CHECKING:  # what the types of paramiko leave out

        def _parse_service_accept(self, message: Message) -> None: ...

    def __init__(self, transport: Transport, credentials: Credentials) -> None:
        super().__init__(transport)
        self._credentials = credentials
        self._service_asked_for = False
        self._prompted = False
        #: The site has not answered.
        self.silent = False

    def ask(self, way: str, timeout: float) -> Exception | None:
        """Try to log in this way; why it did not work, None for a plain refusal."""
        user, key, password = self._credentials.user, self._credentials.key, self._credentials.password
        # With an event of ours: paramiko's own wait calls a refusal, a time-out and a lost connection
        # by the same name, but only the first of them is for good.
        answered = threading.Event()
        if way == _KEY and key is not None:
            self.auth_publickey(user, key, answered)
        elif way == _PASSWORD and password is not None:
            self.auth_password(user, password, answered)
        else:
            self.auth_interactive(user, self._answer, answered)
        if not answered.wait(timeout):
            self.silent = True
            return TimeoutError()
        return self.transport.get_exception()

    def _answer(self, _title: str, _instructions: str, prompts: list[tuple[str, bool]]) -> list[str]:
        """The password for the first question if it is the only one; for others, such as a new password, nothing."""
        single = len(prompts) == 1 and not prompts[0][1] and not self._prompted
        if prompts:
            self._prompted = True
        return [str(self._credentials.password)] if single else [""] * len(prompts)

    def _request_auth(self) -> None:
        # paramiko asks for the login service anew before each try, which some servers take for a breach
        # of protocol: later tries begin where its answer would have come.
        if not self._service_asked_for:
            self._service_asked_for = True
            super()._request_auth()  # type: ignore[misc]  # paramiko's types leave it out
            return
        accepted = Message()
        accepted.add_string("ssh-userauth")
        accepted.rewind()
        self._parse_service_accept(accepted)

    def _parse_userauth_info_request(self, message: Message) -> None:
        if self.auth_method == _PASSWORD and self.auth_event is not None:
            # After a password the same number asks for a new one, for it has expired (RFC 4252, section 8).
            self.auth_event.set()
            return
        super()._parse_userauth_info_request(message)  # type: ignore[misc]  # paramiko's types leave it out
