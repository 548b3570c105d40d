"""The private key: which texts are accepted."""

from pathlib import Path

import asyncssh
import pytest

from shared.errors import SettingsInvalid
from tests.unit.sftp.sftp_server import USER_KEY, Login, Server, Start, pem

PASSPHRASE = "passphrase-canary-4711"


@pytest.mark.parametrize("passphrase", [None, PASSPHRASE])
@pytest.mark.parametrize("form", ["pkcs1-pem", "pkcs8-pem", "openssh"])
def test_rsa_keys_log_in(start: Start, form: str, passphrase: str | None) -> None:
    server = start()

    with server.client(private_key=pem(USER_KEY, form, passphrase), passphrase=passphrase).connect() as session:
        assert session.find("/nothing") is None

    assert server.tried == ["r_customer"]


@pytest.mark.parametrize("passphrase", [None, PASSPHRASE])
@pytest.mark.parametrize(
    ("kind", "form"),
    [
        ("ssh-ed25519", "openssh"),
        ("ssh-ed25519", "pkcs8-pem"),
        ("ecdsa-sha2-nistp256", "openssh"),
        ("ecdsa-sha2-nistp256", "pkcs1-pem"),
        ("ecdsa-sha2-nistp521", "pkcs8-pem"),
    ],
)
def test_other_key_types_log_in(start: Start, kind: str, form: str, passphrase: str | None) -> None:
    key = asyncssh.generate_private_key(kind)

    class OtherLogin(Login):
        registered = key.convert_to_public()

    site = start(login=OtherLogin).client(private_key=pem(key, form, passphrase), passphrase=passphrase)

    with site.connect() as session:
        assert session.find("/nothing") is None


@pytest.mark.parametrize("form", ["pkcs1-pem", "openssh"])
def test_a_passphrase_that_is_not_needed_is_ignored(start: Start, form: str) -> None:
    with start().client(private_key=pem(USER_KEY, form), passphrase=PASSPHRASE).connect() as session:
        assert session.find("/nothing") is None


@pytest.mark.parametrize("form", ["pkcs1-pem", "openssh"])
def test_windows_line_breaks_are_accepted(start: Start, form: str) -> None:
    with start().client(private_key=pem(USER_KEY, form).replace("\n", "\r\n")).connect() as session:
        assert session.find("/nothing") is None


def test_escaped_line_breaks_are_accepted(start: Start) -> None:
    escaped = pem(USER_KEY, "openssh").replace("\n", "\\n")

    with start().client(private_key=f"  {escaped} ").connect() as session:
        assert session.find("/nothing") is None


@pytest.mark.parametrize(
    ("text", "passphrase"),
    [
        pytest.param("", None, id="empty"),
        pytest.param("key-canary", None, id="no key"),
        pytest.param(pem(USER_KEY)[:400], None, id="cut off"),
        pytest.param(pem(USER_KEY).replace("M", "!"), None, id="garbled PEM"),
        pytest.param(pem(USER_KEY, "openssh").replace("b", "c"), None, id="garbled OpenSSH"),
        pytest.param(pem(USER_KEY, "pkcs1-pem", PASSPHRASE), None, id="PEM without passphrase"),
        pytest.param(pem(USER_KEY, "pkcs1-pem", PASSPHRASE), "wrong", id="PEM with another passphrase"),
        pytest.param(pem(USER_KEY, "openssh", PASSPHRASE), None, id="OpenSSH without passphrase"),
        pytest.param(pem(USER_KEY, "openssh", PASSPHRASE), "wrong", id="OpenSSH with another passphrase"),
        pytest.param(USER_KEY.export_public_key().decode(), None, id="public key"),
    ],
)
def test_an_invalid_key_is_refused_without_its_text(text: str, passphrase: str | None) -> None:
    with pytest.raises(SettingsInvalid, match="SFTP_PRIVATE_KEY") as caught:
        Server(22, Path(), []).client(private_key=text, passphrase=passphrase)

    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    for part in filter(None, (*text.split("\n"), PASSPHRASE, passphrase)):
        assert part not in f"{caught.value} {caught.value!r}"
