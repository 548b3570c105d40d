"""Keys of the SFTP site: which texts are taken, and which host keys."""

from collections.abc import Callable
from pathlib import Path

import asyncssh
import pytest

from shared.errors import SettingsInvalid, SftpHostKeyRefused, TerminalError
from tests.unit.sftp.sftp_server import (
    HOST_KEY,
    OTHER_KEY,
    RSA_HOST_KEY,
    USER_KEY,
    Login,
    Server,
    Start,
    known_hosts,
    pem,
)

PASSPHRASE = "passphrase-canary-4711"
ECDSA_HOST_KEY = asyncssh.generate_private_key("ecdsa-sha2-nistp384")


class TestPrivateKey:
    @pytest.mark.parametrize("passphrase", [None, PASSPHRASE])
    @pytest.mark.parametrize("form", ["pkcs1-pem", "pkcs8-pem", "openssh"])
    def test_rsa_keys_log_in(self, start: Start, form: str, passphrase: str | None) -> None:
        server = start()

        with server.client(private_key=pem(USER_KEY, form, passphrase), passphrase=passphrase).connect() as session:
            assert session.stat("/nothing") is None

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
    def test_keys_of_other_kinds_log_in(self, start: Start, kind: str, form: str, passphrase: str | None) -> None:
        key = asyncssh.generate_private_key(kind)

        class OtherLogin(Login):
            registered = key.convert_to_public()

        site = start(login=OtherLogin).client(private_key=pem(key, form, passphrase), passphrase=passphrase)

        with site.connect() as session:
            assert session.stat("/nothing") is None

    @pytest.mark.parametrize("form", ["pkcs1-pem", "openssh"])
    def test_a_passphrase_that_is_not_needed_is_ignored(self, start: Start, form: str) -> None:
        with start().client(private_key=pem(USER_KEY, form), passphrase=PASSPHRASE).connect() as session:
            assert session.stat("/nothing") is None

    @pytest.mark.parametrize("form", ["pkcs1-pem", "openssh"])
    def test_line_breaks_of_windows_are_understood(self, start: Start, form: str) -> None:
        with start().client(private_key=pem(USER_KEY, form).replace("\n", "\r\n")).connect() as session:
            assert session.stat("/nothing") is None

    def test_escaped_line_breaks_are_understood(self, start: Start) -> None:
        escaped = pem(USER_KEY, "openssh").replace("\n", "\\n")

        with start().client(private_key=f"  {escaped} ").connect() as session:
            assert session.stat("/nothing") is None

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
    def test_a_text_that_is_no_key_is_not_shown(self, text: str, passphrase: str | None) -> None:
        with pytest.raises(SettingsInvalid, match="SFTP_PRIVATE_KEY") as caught:
            Server(22, Path(), []).client(private_key=text, passphrase=passphrase)

        assert caught.value.__suppress_context__ or caught.value.__context__ is None
        for part in filter(None, (*text.split("\n"), PASSPHRASE, passphrase)):
            assert part not in f"{caught.value} {caught.value!r}"


class TestHostKey:
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
    def test_a_pinned_key_is_taken(self, start: Start, pins: str) -> None:
        with start().client(host_keys=pins).connect() as session:
            assert session.stat("/nothing") is None

    @pytest.mark.parametrize(
        "pins",
        [OTHER_KEY.get_fingerprint(), known_hosts(OTHER_KEY, "127.0.0.1")],
        ids=["fingerprint", "known_hosts line"],
    )
    def test_another_key_is_refused_before_the_login(self, start: Start, pins: str) -> None:
        server = start()

        with pytest.raises(SftpHostKeyRefused) as caught, server.client(host_keys=pins).connect():
            pytest.fail("connected")

        assert isinstance(caught.value, TerminalError)
        assert caught.value.facts == {"host": "127.0.0.1", "fingerprint": HOST_KEY.get_fingerprint()}
        assert server.tried == []

    @pytest.mark.parametrize("key", [HOST_KEY, ECDSA_HOST_KEY, RSA_HOST_KEY], ids=["Ed25519", "ECDSA", "RSA"])
    @pytest.mark.parametrize("pin", [asyncssh.SSHKey.get_fingerprint, known_hosts], ids=["fingerprint", "line"])
    def test_of_several_keys_the_pinned_one_is_found(
        self, start: Start, pin: Callable[[asyncssh.SSHKey], str], key: asyncssh.SSHKey
    ) -> None:
        server = start(server_host_keys=[HOST_KEY, ECDSA_HOST_KEY, RSA_HOST_KEY])

        with server.client(host_keys=pin(key)).connect() as session:
            assert session.stat("/nothing") is None

        assert server.tried == ["r_customer"]

    def test_a_pinned_key_is_found_beside_a_changed_one(self, start: Start) -> None:
        server = start(server_host_keys=[HOST_KEY, RSA_HOST_KEY])

        with server.client(host_keys=f"{known_hosts(OTHER_KEY)};{known_hosts(RSA_HOST_KEY)}").connect() as session:
            assert session.stat("/nothing") is None

    def test_the_type_that_was_found_is_asked_for_first_the_next_time(self, start: Start) -> None:
        server = start(server_host_keys=[HOST_KEY, RSA_HOST_KEY])
        site = server.client(host_keys=RSA_HOST_KEY.get_fingerprint())
        counts = []

        for _ in range(2):
            before = server.connections()
            with site.connect() as session:
                assert session.stat("/nothing") is None
            counts.append(server.connections() - before)

        assert counts == [2, 1]

    @pytest.mark.parametrize(
        ("pins", "connections"),
        [(OTHER_KEY.get_fingerprint(), 4), (known_hosts(OTHER_KEY), 1)],
        ids=["fingerprint", "known_hosts line"],
    )
    def test_a_site_with_several_keys_of_which_none_is_pinned(self, start: Start, pins: str, connections: int) -> None:
        server = start(server_host_keys=[HOST_KEY, ECDSA_HOST_KEY, RSA_HOST_KEY])

        with pytest.raises(SftpHostKeyRefused) as caught, server.client(host_keys=pins).connect():
            pytest.fail("connected")

        assert caught.value.facts["fingerprint"] == HOST_KEY.get_fingerprint()
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
    def test_pins_that_cannot_be_read(self, pins: str) -> None:
        with pytest.raises(SettingsInvalid, match="SFTP_HOST_KEYS"):
            Server(22, Path(), []).client(host_keys=pins)
