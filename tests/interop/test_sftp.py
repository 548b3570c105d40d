"""The SFTP client against real servers: the same set of checks on each."""

import io
import os
import random
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from shared.errors import SftpHostKeyRefused, SftpLoginRefused, SftpRefused, SftpUnavailable
from shared.sftp.session import SftpSession
from shared.sftp.transfer import WRITE_WINDOW
from tests.interop.servers import (
    HOST_ED25519,
    HOST_RSA,
    PASSWORD,
    USER_KEYS,
    CuttingProxy,
    Server,
    openssh,
    proftpd,
)

MIB = 1024 * 1024
PASSPHRASE = "pass phrase"
SERVERS: dict[str, Callable[..., AbstractContextManager[Server]]] = {"OpenSSH": openssh, "ProFTPD": proftpd}
OTHER_KEY = asyncssh.generate_private_key("ssh-rsa", key_size=2048)

FORMS = [("RSA", "pkcs1-pem"), ("RSA", "pkcs8-pem"), ("RSA", "openssh"), ("Ed25519", "openssh"), ("ECDSA", "openssh")]


@pytest.fixture(scope="module", params=SERVERS)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with SERVERS[request.param](tmp_path_factory.mktemp(request.param)) as running:
        yield running


@pytest.fixture
def folder(server: Server) -> Path:
    """A folder on the server for one test."""
    made = server.folder / uuid.uuid4().hex
    made.mkdir()
    return made


@pytest.fixture
def session(server: Server) -> Iterator[SftpSession]:
    with server.site().connect() as session:
        yield session


def private(key: asyncssh.SSHKey, form: str = "openssh", passphrase: str | None = None) -> str:
    return key.export_private_key(form, passphrase, rounds=50).decode()


def known_hosts(key: asyncssh.SSHKey) -> str:
    return f"sftp.example {key.export_public_key().decode()}"


class Content:
    """A file to upload; records the offsets at which it is opened."""

    def __init__(self, size: int) -> None:
        self.bytes = random.Random(size).randbytes(size)
        self.opened: list[int] = []

    def open_at(self, offset: int) -> io.BytesIO:
        self.opened.append(offset)
        return io.BytesIO(self.bytes[offset:])


class TestLogin:
    @pytest.mark.parametrize("passphrase", [None, PASSPHRASE])
    @pytest.mark.parametrize(("kind", "form"), FORMS)
    def test_by_key(self, server: Server, kind: str, form: str, passphrase: str | None) -> None:
        key = private(USER_KEYS[kind], form, passphrase)

        with server.site(private_key=key, passphrase=passphrase).connect() as session:
            assert session.find(f"{server.folder}/none") is None

    def test_another_key_is_refused(self, server: Server) -> None:
        with pytest.raises(SftpLoginRefused), server.site(private_key=private(OTHER_KEY)).connect():
            pytest.fail("connected")

    def test_a_password_is_refused_where_only_keys_are_accepted(self, server: Server) -> None:
        with pytest.raises(SftpLoginRefused), server.site(private_key=None, password=PASSWORD).connect():
            pytest.fail("connected")

    @pytest.mark.parametrize("run", SERVERS.values(), ids=SERVERS)
    def test_by_password(self, run: Callable[..., AbstractContextManager[Server]], tmp_path: Path) -> None:
        with run(tmp_path, methods="password") as server:
            with server.site(private_key=None, password=PASSWORD).connect() as session:
                assert session.find(f"{server.folder}/none") is None
            with server.site(password=PASSWORD).connect() as session:  # the key is refused, the password taken
                assert session.find(f"{server.folder}/none") is None
            with pytest.raises(SftpLoginRefused), server.site(private_key=None, password="another").connect():
                pytest.fail("connected")

    @pytest.mark.parametrize(
        ("run", "methods"),
        [
            pytest.param(openssh, "publickey,password", id="OpenSSH"),
            pytest.param(openssh, "password,publickey", id="OpenSSH, password first"),
            pytest.param(proftpd, "publickey+password", id="ProFTPD"),
        ],
    )
    def test_by_both(self, run: Any, methods: str, tmp_path: Path) -> None:
        with run(tmp_path, methods=methods) as server:
            with server.site(password=PASSWORD).connect() as session:
                assert session.find(f"{server.folder}/none") is None
            for half in ({}, {"private_key": None, "password": PASSWORD}, {"password": "another"}):
                with pytest.raises(SftpLoginRefused), server.site(**half).connect():
                    pytest.fail("connected")


class TestHostKey:
    @pytest.mark.parametrize(
        "pins",
        [
            pytest.param(HOST_ED25519.get_fingerprint(), id="fingerprint of the preferred key"),
            pytest.param(HOST_RSA.get_fingerprint(), id="fingerprint of another key"),
            pytest.param(known_hosts(HOST_ED25519), id="known_hosts line of the preferred key"),
            pytest.param(known_hosts(HOST_RSA), id="known_hosts line of another key"),
            pytest.param(f"{OTHER_KEY.get_fingerprint()};{HOST_RSA.get_fingerprint()}", id="second fingerprint"),
            pytest.param(f"{known_hosts(OTHER_KEY)}\n{known_hosts(HOST_ED25519)}", id="second line"),
        ],
    )
    def test_a_pinned_key_is_found(self, server: Server, pins: str) -> None:
        site = server.site(host_keys=pins)

        for _ in range(2):
            with site.connect() as session:
                assert session.find(f"{server.folder}/none") is None

    @pytest.mark.parametrize(
        "pins", [OTHER_KEY.get_fingerprint(), known_hosts(OTHER_KEY)], ids=["fingerprint", "known_hosts line"]
    )
    def test_an_unknown_or_changed_key_is_refused(self, server: Server, pins: str) -> None:
        with pytest.raises(SftpHostKeyRefused) as caught, server.site(host_keys=pins).connect():
            pytest.fail("connected")

        assert caught.value.fingerprint in {HOST_ED25519.get_fingerprint(), HOST_RSA.get_fingerprint()}


class TestUpload:
    @pytest.mark.parametrize("size", [0, 1, 32768, 7 * MIB + 17])
    def test_the_content_arrives(self, server: Server, folder: Path, size: int) -> None:
        content = Content(size)

        sent = server.site().upload(content.open_at, f"{folder}/list.csv", size=size, tag="t1")

        assert sent == size
        assert (folder / "list.csv").read_bytes() == content.bytes
        assert os.listdir(folder) == ["list.csv"]  # noqa: PTH208 - names

    def test_it_resumes_after_breaks(self, server: Server, folder: Path) -> None:
        content = Content(16 * MIB)

        with CuttingProxy(server.port, [6 * MIB, 6 * MIB]) as proxy:
            sent = server.site(port=proxy.port).upload(content.open_at, f"{folder}/list.csv", size=16 * MIB, tag="t1")

        assert sent == 16 * MIB
        assert (folder / "list.csv").read_bytes() == content.bytes
        assert os.listdir(folder) == ["list.csv"]  # noqa: PTH208 - names
        assert len(proxy.passed) == 3
        first, second, third = content.opened
        assert first == 0 < second < third
        assert second < 6 * MIB
        # After a break, the writes in flight are repeated, and as much before them.
        assert sum(proxy.passed) < 16 * MIB + 2 * (2 * WRITE_WINDOW + MIB)

    def test_another_process_resumes(self, server: Server, folder: Path) -> None:
        content, later = Content(8 * MIB), Content(8 * MIB)

        with CuttingProxy(server.port, [5 * MIB] + 3 * [4096]) as proxy, pytest.raises(SftpUnavailable):
            server.site(port=proxy.port).upload(content.open_at, f"{folder}/list.csv", size=8 * MIB, tag="t1")
        assert os.listdir(folder) == ["list.csv.t1.part"]  # noqa: PTH208 - names
        server.site().upload(later.open_at, f"{folder}/list.csv", size=8 * MIB, tag="t1")

        assert later.opened[0] > 0
        assert (folder / "list.csv").read_bytes() == content.bytes
        assert os.listdir(folder) == ["list.csv"]  # noqa: PTH208 - names

    def test_other_content_starts_from_the_beginning(self, server: Server, folder: Path) -> None:
        content = Content(5 * MIB)
        (folder / "list.csv.t1.part").write_bytes(bytes(4 * MIB))

        server.site().upload(content.open_at, f"{folder}/list.csv", size=5 * MIB, tag="t2")

        assert content.opened == [0]
        assert (folder / "list.csv").read_bytes() == content.bytes

    def test_a_gap_left_by_a_break_is_filled(self, server: Server, folder: Path) -> None:
        content = Content(6 * MIB)
        left = bytearray(content.bytes[: 5 * MIB])
        left[5 * MIB - WRITE_WINDOW : 5 * MIB - 32768] = bytes(WRITE_WINDOW - 32768)
        (folder / "list.csv.t1.part").write_bytes(left)

        server.site().upload(content.open_at, f"{folder}/list.csv", size=6 * MIB, tag="t1")

        assert content.opened == [5 * MIB - WRITE_WINDOW]
        assert (folder / "list.csv").read_bytes() == content.bytes

    @pytest.mark.parametrize("old", [b"old", bytes(100)])
    def test_an_existing_file_is_replaced_on_request_only(self, server: Server, folder: Path, old: bytes) -> None:
        (folder / "list.csv").write_bytes(old)

        with pytest.raises(SftpRefused, match="already exists"):
            server.site().upload(Content(10).open_at, f"{folder}/list.csv", size=10, tag="t1")
        assert (folder / "list.csv").read_bytes() == old
        server.site().upload(Content(10).open_at, f"{folder}/list.csv", size=10, tag="t1", replace=True)

        assert (folder / "list.csv").read_bytes() == Content(10).bytes

    def test_a_rename_overwrites_on_request_only(self, session: SftpSession, folder: Path) -> None:
        (folder / "new").write_bytes(b"new")
        (folder / "old").write_bytes(b"old")

        with pytest.raises(SftpRefused):
            session.rename(f"{folder}/new", f"{folder}/old", replace=False)
        assert (folder / "old").read_bytes() == b"old"
        session.rename(f"{folder}/new", f"{folder}/old", replace=True)

        assert (folder / "old").read_bytes() == b"new"
        assert not (folder / "new").exists()

    def test_a_site_that_lets_no_file_be_reopened(self, tmp_path: Path) -> None:
        content = Content(5 * MIB)

        with proftpd(tmp_path, overwrite=False) as server:
            (server.folder / "list.csv.t1.part").write_bytes(content.bytes[: 4 * MIB])
            server.site().upload(content.open_at, f"{server.folder}/list.csv", size=5 * MIB, tag="t1")
            assert (server.folder / "list.csv").read_bytes() == content.bytes

        assert content.opened == [0]


class TestFiles:
    def test_a_listing_has_the_files_with_safe_names(self, session: SftpSession, folder: Path) -> None:
        for name in ("Response1.csv", "Response2.csv.gz", "Response3.csv.part", ".Response4", "other"):
            (folder / name).write_bytes(name.encode())
        (folder / "Response5").mkdir()
        with open(os.fsencode(folder) + b"/Response\xfcckl\xe4ufer.csv", "wb"):  # noqa: PTH123 - bytes
            pass

        files = session.list_files(str(folder), "Response*")

        assert [(file.name, file.size) for file in files] == [("Response1.csv", 13), ("Response2.csv.gz", 16)]
        assert files[0] == session.find(f"{folder}/Response1.csv")

    def test_many_files_are_all_listed(self, session: SftpSession, folder: Path) -> None:
        for number in range(500):
            (folder / f"Response{number:03}").touch()

        assert len(session.list_files(str(folder), "Response*")) == 500

    @pytest.mark.parametrize("size", [0, 1, 7 * MIB + 17])
    def test_the_content_is_read(self, session: SftpSession, folder: Path, size: int) -> None:
        content = Content(size).bytes
        (folder / "file").write_bytes(content)

        assert b"".join(session.read(f"{folder}/file")) == content

    def test_a_file_is_removed(self, session: SftpSession, folder: Path) -> None:
        (folder / "file").touch()

        session.remove(f"{folder}/file")
        session.remove(f"{folder}/file")

        assert not (folder / "file").exists()

    def test_missing_files_and_folders(self, server: Server, session: SftpSession, folder: Path) -> None:
        assert session.find(f"{folder}/none") is None
        with pytest.raises(SftpRefused, match="no such file or folder"):
            list(session.read(f"{folder}/none"))
        with pytest.raises(SftpRefused, match="no such file or folder"):
            session.list_files(f"{folder}/none", "*")
        with pytest.raises(SftpRefused, match="no such file or folder"):
            server.site().upload(Content(10).open_at, f"{folder}/none/list.csv", size=10, tag="t1")

    def test_missing_permissions(self, server: Server) -> None:
        # No user, not even root, can create files there.
        with pytest.raises(SftpRefused, match="permission denied"):
            server.site().upload(Content(10).open_at, "/sys/list.csv", size=10, tag="t1")
