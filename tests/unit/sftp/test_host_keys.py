"""Host keys: a connection with a key that is not pinned is refused before the login."""

from collections.abc import Callable
from pathlib import Path

import asyncssh
import pytest

from shared.errors import SettingsInvalid, SftpHostKeyRefused, TerminalError
from tests.unit.sftp.sftp_server import HOST_KEY, OTHER_KEY, RSA_HOST_KEY, Server, Start, known_hosts

ECDSA_HOST_KEY = asyncssh.generate_private_key("ecdsa-sha2-nistp384")


@pytest.mark.parametrize(
    "pins",
    [
        pytest.param(HOST_KEY.get_fingerprint(), id="fingerprint"),
        pytest.param(HOST_KEY.get_fingerprint() + "=", id="padded fingerprint"),
        pytest.param(known_hosts(HOST_KEY), id="known_hosts line"),
        pytest.param(known_hosts(HOST_KEY, "|1|c2FsdA==|aGFzaA==") + " a comment", id="hashed host"),
        pytest.param(f"{OTHER_KEY.get_fingerprint()};{HOST_KEY.get_fingerprint()}", id="two, second"),
        pytest.param(f"{HOST_KEY.get_fingerprint()}\n{known_hosts(OTHER_KEY)}\n", id="two, first"),
        pytest.param(f"# old\n{known_hosts(OTHER_KEY)}\n\n# new\n{known_hosts(HOST_KEY)}", id="commented"),
    ],
)
def test_a_pinned_key_is_accepted(start: Start, pins: str) -> None:
    with start().client(host_keys=pins).connect() as session:
        assert session.find("/nothing") is None


@pytest.mark.parametrize(
    "pins",
    [OTHER_KEY.get_fingerprint(), known_hosts(OTHER_KEY, "127.0.0.1")],
    ids=["fingerprint", "known_hosts line"],
)
def test_another_key_is_refused_before_the_login(start: Start, pins: str) -> None:
    server = start()

    with pytest.raises(SftpHostKeyRefused) as caught, server.client(host_keys=pins).connect():
        pytest.fail("connected")

    assert isinstance(caught.value, TerminalError)
    assert caught.value.fields() == {"host": "127.0.0.1", "fingerprint": HOST_KEY.get_fingerprint()}
    assert server.tried == []


@pytest.mark.parametrize("key", [HOST_KEY, ECDSA_HOST_KEY, RSA_HOST_KEY], ids=["Ed25519", "ECDSA", "RSA"])
@pytest.mark.parametrize("pin", [asyncssh.SSHKey.get_fingerprint, known_hosts], ids=["fingerprint", "line"])
def test_of_several_keys_the_pinned_one_is_found(
    start: Start, pin: Callable[[asyncssh.SSHKey], str], key: asyncssh.SSHKey
) -> None:
    server = start(server_host_keys=[HOST_KEY, ECDSA_HOST_KEY, RSA_HOST_KEY])

    with server.client(host_keys=pin(key)).connect() as session:
        assert session.find("/nothing") is None

    assert server.tried == ["r_customer"]


def test_a_pinned_key_is_found_beside_a_changed_one(start: Start) -> None:
    server = start(server_host_keys=[HOST_KEY, RSA_HOST_KEY])

    with server.client(host_keys=f"{known_hosts(OTHER_KEY)};{known_hosts(RSA_HOST_KEY)}").connect() as session:
        assert session.find("/nothing") is None


def test_the_next_connection_offers_the_pinned_type_first(start: Start) -> None:
    server = start(server_host_keys=[HOST_KEY, RSA_HOST_KEY])
    site = server.client(host_keys=RSA_HOST_KEY.get_fingerprint())
    counts = []

    for _ in range(2):
        before = server.connections()
        with site.connect() as session:
            assert session.find("/nothing") is None
        counts.append(server.connections() - before)

    assert counts == [2, 1]


@pytest.mark.parametrize(
    ("pins", "connections"),
    [(OTHER_KEY.get_fingerprint(), 4), (known_hosts(OTHER_KEY), 1)],
    ids=["fingerprint", "known_hosts line"],
)
def test_a_site_with_several_keys_none_of_them_pinned(start: Start, pins: str, connections: int) -> None:
    server = start(server_host_keys=[HOST_KEY, ECDSA_HOST_KEY, RSA_HOST_KEY])

    with pytest.raises(SftpHostKeyRefused) as caught, server.client(host_keys=pins).connect():
        pytest.fail("connected")

    assert caught.value.fingerprint == HOST_KEY.get_fingerprint()
    assert server.tried == []
    assert server.connections() == connections


@pytest.mark.parametrize(
    "pins",
    [
        "",
        " ; \n# only a comment",
        "SHA256:tooshort",
        "MD5:00:11:22",
        "sftp.example",
        "sftp.example ssh-rsa !!!",
        f"@revoked {known_hosts(HOST_KEY)}",
        known_hosts(HOST_KEY).replace("ssh-ed25519", "ssh-rsa"),
        f"{HOST_KEY.get_fingerprint()};nonsense",
    ],
    ids=range(9),
)
def test_unreadable_pins_are_refused(pins: str) -> None:
    with pytest.raises(SettingsInvalid, match="SFTP_HOST_KEYS"):
        Server(22, Path(), []).client(host_keys=pins)
