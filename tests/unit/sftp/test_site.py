"""SFTP sessions on a real SFTP server (asyncssh) that can be made to misbehave."""

import hashlib
import io
import logging
import os
import random
import socket
import threading
import tracemalloc
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncssh
import pytest
from paramiko.sftp import CMD_DATA

from shared.errors import (
    SftpAlgorithmsRefused,
    SftpRefused,
    SftpUnavailable,
    TerminalError,
    TransientError,
)
from shared.sftp.remote_file import RemoteFile
from shared.sftp.session import SftpSession
from tests.unit.sftp.sftp_server import SERVER_TEXT, USER_KEY, Server, Start, pem

BLOCK = 32768
MIB = 1024 * 1024
PASSPHRASE = "passphrase-canary-4711"


class TestConnect:
    def test_an_unreachable_site(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]

        with pytest.raises(SftpUnavailable) as caught, Server(port, Path(), []).client().connect():
            pytest.fail("connected")

        assert isinstance(caught.value, TransientError)

    def test_a_silent_site(self) -> None:
        with (
            socket.create_server(("127.0.0.1", 0)) as listener,
            pytest.raises(SftpUnavailable),
            Server(listener.getsockname()[1], Path(), []).client(timeout=0.1).connect(),
        ):
            pytest.fail("connected")

    @pytest.mark.parametrize("greeting", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"SSH-2.0-x\r\n" + bytes(64)])
    def test_a_site_that_hangs_up(self, greeting: bytes) -> None:
        def hang_up() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.sendall(greeting)

        with socket.create_server(("127.0.0.1", 0)) as listener:
            thread = threading.Thread(target=hang_up)
            thread.start()
            with (
                pytest.raises(SftpUnavailable),
                Server(listener.getsockname()[1], Path(), []).client(timeout=2).connect(),
            ):
                pytest.fail("connected")
            thread.join()

    def test_a_site_that_never_opens_sftp(self, start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(asyncssh.channel.SSHServerChannel, "_process_subsystem_request", lambda *_: None)

        with pytest.raises(SftpUnavailable), start().client(timeout=1).connect():
            pytest.fail("connected")

    def test_a_site_without_sftp(self, start: Start) -> None:
        with pytest.raises(SftpUnavailable), start(files=None).client().connect():
            pytest.fail("connected")

    @pytest.mark.parametrize(
        ("weak", "what"),
        [
            ({"encryption_algs": ["aes256-cbc"]}, "ciphers"),
            ({"mac_algs": ["hmac-sha1"], "encryption_algs": ["aes256-ctr"]}, "macs"),
            ({"kex_algs": ["diffie-hellman-group14-sha1"]}, "kex algorithm"),
        ],
    )
    def test_weak_algorithms_are_not_used(self, start: Start, weak: dict[str, Any], what: str) -> None:
        server = start(**weak)

        with pytest.raises(SftpAlgorithmsRefused, match=what) as caught, server.client().connect():
            pytest.fail("connected")

        assert isinstance(caught.value, TerminalError)
        assert server.tried == []

    def test_errors_of_the_caller_pass_through(self, start: Start) -> None:
        with pytest.raises(FileNotFoundError, match="own"), start().client().connect():
            raise FileNotFoundError("own")

    def test_nothing_secret_is_logged(self, start: Start, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG)
        caplog.set_level(logging.DEBUG, "paramiko")
        text = pem(USER_KEY, "pkcs1-pem", PASSPHRASE)
        site = start().client(private_key=text, passphrase=PASSPHRASE)

        site.upload(lambda _: io.BytesIO(b"row-canary"), "/import/list.csv", size=10, tag="t1")
        with site.connect() as session:
            assert b"".join(session.read("/import/list.csv")) == b"row-canary"
        with pytest.raises(SftpRefused) as caught:
            site.upload(lambda _: io.BytesIO(b"row-canary"), "/none/list.csv", size=10, tag="t1")

        shown = f"{caplog.text} {site!r} {session!r} {caught.value!r}"
        assert "paramiko" in shown
        for secret in (PASSPHRASE, "row-canary", *text.split("\n")[4:-2]):
            assert secret not in shown


class TestStat:
    def test_a_file(self, start: Start) -> None:
        server = start()
        path = server.root / "import" / "list.csv"
        path.write_bytes(b"12345")
        os.utime(path, (0, 1_700_000_000))

        with server.client().connect() as session:
            file = session.find("/import/list.csv")

        assert file == RemoteFile(name="list.csv", size=5, modified=datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC))

    def test_nothing_there(self, session: SftpSession) -> None:
        assert session.find("/import/none.csv") is None
        assert session.find("/none/none.csv") is None

    def test_a_folder_is_not_a_file(self, session: SftpSession) -> None:
        with pytest.raises(SftpRefused, match="not a file"):
            session.find("/import")

    def test_the_text_of_a_refusal_is_not_kept(self, start: Start) -> None:
        class Rude(asyncssh.SFTPServer):
            def stat(self, path: bytes) -> Any:
                raise asyncssh.SFTPFailure(f"{SERVER_TEXT} {path!r}")

            scandir = stat

            def open(self, path: bytes, pflags: int, attrs: asyncssh.SFTPAttrs) -> object:
                raise asyncssh.SFTPFailure(f"{SERVER_TEXT} {path!r} {pflags} {attrs}")

        with start(Rude).client().connect() as session, pytest.raises(SftpRefused, match="failure") as caught:
            session.find("/import/x")

        assert SERVER_TEXT not in f"{caught.value} {caught.value!r} {caught.value.fields()}"

    def test_a_site_that_falls_silent(self, start: Start) -> None:
        class Silent(asyncssh.SFTPServer):
            def stat(self, path: bytes) -> Any:
                del path
                return start.over.wait()

        with start(Silent).client(timeout=1).connect() as session:
            with pytest.raises(SftpUnavailable, match="TimeoutError"):
                session.find("/import/x")
            # A late answer cannot be taken for the answer to another request.
            with pytest.raises(SftpUnavailable):
                session.list_files("/import", "*")


class TestList:
    def test_only_finished_files_with_safe_names(self, start: Start) -> None:
        server = start()
        folder = server.root / "responses"
        folder.mkdir()
        names = [
            *("Response_1.csv", "Response-2.csv.gz", "Response3"),
            *("Response_4.csv.part", "Response_5.TMP", ".Response6", "Response 7.csv", "Response;8", "Résponse9"),
            *("Response\n10", "Response11\n", "-Response", "_Response", "other.csv", "response12.csv"),
        ]
        for name in names:
            (folder / name).write_bytes(name.encode())
        (folder / "Response_folder").mkdir()
        (folder / "Response_link").symlink_to("other.csv")
        (folder / "Response_nowhere").symlink_to("none.csv")

        with server.client().connect() as session:
            files = session.list_files("/responses", "*esponse*")
            assert [file.name for file in files] == [
                "Response-2.csv.gz",
                "Response3",
                "Response_1.csv",
                "Response_link",
                "response12.csv",
            ]
            assert files[1].size == len("Response3")
            assert files[1].modified == session.find("/responses/Response3").modified  # type: ignore[union-attr]
            assert [file.name for file in session.list_files("/responses", "Response_?.csv")] == ["Response_1.csv"]

    def test_a_path_instead_of_a_name_is_excluded(self, start: Start) -> None:
        class Sly(asyncssh.SFTPServer):
            async def scandir(self, path: bytes) -> AsyncIterator[asyncssh.SFTPName]:
                del path
                for name in (b"../../etc/passwd", b"/etc/passwd", b"..", b"a/b", b"a\\b", b"good"):
                    attributes = asyncssh.SFTPAttrs(size=1, permissions=0o100644, atime=0, mtime=0)
                    yield asyncssh.SFTPName(name, attrs=attributes)

        with start(Sly).client().connect() as session:
            assert [file.name for file in session.list_files("/", "*")] == ["good"]

    def test_a_name_in_another_encoding_is_excluded(self, start: Start) -> None:
        server = start()
        (server.root / "import" / "good").touch()
        with open(os.fsencode(server.root) + b"/import/R\xfcckl\xe4ufer.csv", "wb"):  # noqa: PTH123 - bytes
            pass

        with server.client().connect() as session:
            assert [file.name for file in session.list_files("/import", "*")] == ["good"]

    def test_a_missing_folder(self, session: SftpSession) -> None:
        with pytest.raises(SftpRefused, match="no such file or folder"):
            session.list_files("/none", "*")


class TestRemove:
    def test_a_file_is_removed_and_nothing_else(self, start: Start) -> None:
        server = start()
        for name in ("list.csv", "list.csv.part", "other.csv"):
            (server.root / "import" / name).write_bytes(b"x")

        with server.client().connect() as session:
            session.remove("/import/list.csv")

        assert sorted(path.name for path in (server.root / "import").iterdir()) == ["list.csv.part", "other.csv"]

    def test_a_missing_file_is_not_an_error(self, session: SftpSession) -> None:
        session.remove("/import/none.csv")

    def test_a_refusal(self, start: Start) -> None:
        class Keeping(asyncssh.SFTPServer):
            def remove(self, path: bytes) -> Any:
                raise asyncssh.SFTPPermissionDenied(f"{SERVER_TEXT} {path!r}")

        with start(Keeping).client().connect() as session, pytest.raises(SftpRefused) as caught:
            session.remove("/import/list.csv")

        assert caught.value.fields() == {"operation": "remove /import/list.csv", "reason": "permission denied"}


class TestRead:
    @pytest.mark.parametrize("size", [0, 1, BLOCK, BLOCK + 1, 5 * MIB + 17])
    def test_the_content_arrives(self, start: Start, size: int) -> None:
        content = random.Random(size).randbytes(size)
        server = start()
        (server.root / "file").write_bytes(content)

        with server.client().connect() as session:
            assert b"".join(session.read("/file")) == content

    def test_memory_does_not_grow_with_the_file(self, start: Start) -> None:
        part = random.Random(7).randbytes(MIB)
        server = start()
        expected, digest = hashlib.sha256(), hashlib.sha256()
        with (server.root / "file").open("wb") as file:
            for _ in range(64):
                file.write(part)
                expected.update(part)

        with server.client().connect() as session:
            tracemalloc.start()
            for piece in session.read("/file"):
                digest.update(piece)
            _, peak = tracemalloc.get_traced_memory()
            tracemalloc.stop()

        assert digest.digest() == expected.digest()
        assert peak < 12 * MIB  # the server's share included

    def test_a_site_that_returns_less_than_requested(self, start: Start) -> None:
        class Stingy(asyncssh.SFTPServer):
            def read(self, file_obj: object, offset: int, size: int) -> Any:
                return super().read(file_obj, offset, max(1, size // 3))

        content = random.Random(3).randbytes(3 * MIB + 5)
        server = start(Stingy)
        (server.root / "file").write_bytes(content)

        with server.client().connect() as session:
            assert b"".join(session.read("/file")) == content

    def test_answers_out_of_order(self, start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
        chance = random.Random(5)
        send = asyncssh.sftp.SFTPServerHandler.send_packet
        order: list[int] = []

        def send_later(self: Any, kind: int, number: int, *rest: Any) -> None:
            def now() -> None:
                order.append(number)
                send(self, kind, number, *rest)

            start.loop.call_later(chance.random() / 100, now)

        content = random.Random(4).randbytes(8 * MIB)
        server = start()
        (server.root / "file").write_bytes(content)

        with server.client().connect() as session:
            monkeypatch.setattr(asyncssh.sftp.SFTPServerHandler, "send_packet", send_later)
            assert b"".join(session.read("/file")) == content

        assert order != sorted(order)

    def test_a_site_that_marks_the_end_by_empty_data(self, start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
        send = asyncssh.sftp.SFTPServerHandler.send_packet

        def send_nothing(self: Any, kind: int, number: int, *rest: Any) -> None:
            data = kind == CMD_DATA
            send(self, kind, number, *((number.to_bytes(4), bytes(4)) if data else rest))

        server = start()
        (server.root / "file").write_bytes(bytes(MIB))

        with server.client().connect() as session:
            monkeypatch.setattr(asyncssh.sftp.SFTPServerHandler, "send_packet", send_nothing)
            assert list(session.read("/file")) == []

    def test_a_file_that_becomes_shorter_ends_early(self, start: Start) -> None:
        server = start()
        path = server.root / "file"
        path.write_bytes(bytes(8 * MIB))

        with server.client().connect() as session:
            pieces = session.read("/file")
            first = next(pieces)
            os.truncate(path, 3 * MIB)
            assert len(first) + sum(map(len, pieces)) < 8 * MIB
            assert session.find("/file").size == 3 * MIB  # type: ignore[union-attr]

    def test_a_file_that_grows_is_read_to_its_first_size(self, start: Start) -> None:
        server = start()
        path = server.root / "file"
        path.write_bytes(bytes(MIB))

        with server.client().connect() as session:
            pieces = session.read("/file")
            first = next(pieces)
            os.truncate(path, 2 * MIB)
            assert len(first) + sum(map(len, pieces)) == MIB

    def test_the_session_continues_after_an_abandoned_download(self, start: Start) -> None:
        server = start()
        (server.root / "file").write_bytes(bytes(8 * MIB))
        (server.root / "other").write_bytes(b"other")

        with server.client().connect() as session:
            for _ in range(3):
                pieces = session.read("/file")
                next(pieces)
                del pieces
                assert b"".join(session.read("/other")) == b"other"

    def test_a_break_in_the_middle(self, start: Start) -> None:
        class Breaking(asyncssh.SFTPServer):
            def read(self, file_obj: object, offset: int, size: int) -> Any:
                if offset >= 4 * MIB:
                    self.channel.get_connection().abort()
                return super().read(file_obj, offset, size)

        server = start(Breaking)
        (server.root / "file").write_bytes(bytes(8 * MIB))

        with server.client().connect() as session, pytest.raises(SftpUnavailable) as caught:
            for _ in session.read("/file"):
                pass

        assert caught.value.operation == "read /file"

    def test_a_refusal_in_the_middle(self, start: Start) -> None:
        class Failing(asyncssh.SFTPServer):
            def read(self, file_obj: object, offset: int, size: int) -> Any:
                if offset >= MIB:
                    raise asyncssh.SFTPFailure(SERVER_TEXT)
                return super().read(file_obj, offset, size)

        server = start(Failing)
        (server.root / "file").write_bytes(bytes(8 * MIB))

        with server.client().connect() as session:
            with pytest.raises(SftpRefused, match="read /file"):
                list(session.read("/file"))
            assert session.find("/none") is None

    def test_a_missing_file(self, session: SftpSession) -> None:
        with pytest.raises(SftpRefused, match="no such file or folder"):
            list(session.read("/none"))
