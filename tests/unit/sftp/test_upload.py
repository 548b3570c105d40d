"""Uploads that resume after a break: whatever a site keeps of earlier attempts, the file is complete or absent."""

import asyncio
import dataclasses
import io
import os
import random
import socket
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import asyncssh
import pytest
from paramiko.sftp import CMD_WRITE

from shared.errors import (
    BridgeError,
    SftpHostKeyRefused,
    SftpLoginRefused,
    SftpRefused,
    SftpRenameRefused,
    SftpUnavailable,
    StorageUnavailable,
    TerminalError,
)
from shared.sftp.transfer import BLOCK, WRITE_WINDOW
from shared.sftp.upload import Announcements
from tests.unit.sftp.sftp_server import OTHER_KEY, SERVER_TEXT, Server, Start, pem

MIB = 1024 * 1024
PATH = "/import/list.csv"


class Content:
    """A file to upload; records the offsets at which it is opened."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.bytes = random.Random(size).randbytes(size)
        self.opened: list[int] = []

    def open_at(self, offset: int) -> io.BytesIO:
        assert offset < self.size
        self.opened.append(offset)
        return io.BytesIO(self.bytes[offset:])


class Breaking(asyncssh.SFTPServer):
    """Breaks a connection at a write."""

    #: Offsets of writes at which the connection breaks, the first one first.
    breaks: list[int]
    #: The changes on the site, with names.
    acts: list[tuple[str, ...]]
    broken = False

    def write(self, file_obj: object, offset: int, data: bytes) -> Any:
        if not self.broken and self.breaks and offset >= self.breaks[0]:
            del self.breaks[0]
            self.broken = True
            self.channel.get_connection().abort()
        if self.broken:
            raise asyncssh.SFTPConnectionLost("broken")
        return super().write(file_obj, offset, data)

    def rename(self, oldpath: bytes, newpath: bytes) -> Any:
        self.acts.append(("rename", oldpath.decode(), newpath.decode()))
        return super().rename(oldpath, newpath)

    def posix_rename(self, oldpath: bytes, newpath: bytes) -> Any:
        self.acts.append(("replace", oldpath.decode(), newpath.decode()))
        return super().posix_rename(oldpath, newpath)

    def remove(self, path: bytes) -> Any:
        self.acts.append(("remove", path.decode()))
        return super().remove(path)


@pytest.fixture
def breaking() -> Callable[..., type[Breaking]]:
    """Creates a server class that breaks at these offsets."""

    def make(*offsets: int) -> type[Breaking]:
        return type("Fresh", (Breaking,), {"breaks": list(offsets), "acts": []})

    return make


class Trickle(io.RawIOBase):
    """A stream that returns less than requested."""

    def __init__(self, content: bytes) -> None:
        self.rest = content

    def read(self, size: int = -1, /) -> bytes:
        count = min(size, 1000)
        piece, self.rest = self.rest[:count], self.rest[count:]
        return piece


@contextmanager
def frozen_after(count: int, server: Server) -> Iterator[Server]:
    """The server behind a proxy that stops reading after `count` bytes."""

    def pump(source: socket.socket, target: socket.socket, most: float) -> None:
        passed = 0
        while passed < most and (piece := source.recv(8192)):
            target.sendall(piece)
            passed += len(piece)

    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        near: list[socket.socket] = []
        far = socket.create_connection(("127.0.0.1", server.port))

        def accept() -> None:
            near.append(listener.accept()[0])
            back = threading.Thread(target=pump, args=(far, near[0], float("inf")))
            back.start()
            pump(near[0], far, count)
            back.join()

        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield dataclasses.replace(server, port=listener.getsockname()[1])
        finally:
            far.shutdown(socket.SHUT_RDWR)
            thread.join()
            far.close()
            near[0].close()


def names(folder: Path) -> list[str]:
    return sorted(os.listdir(folder / "import"))  # noqa: PTH208 - names


class TestWholeFile:
    @pytest.mark.parametrize("size", [0, 1, BLOCK, BLOCK + 1, 5 * MIB + 17])
    def test_the_content_arrives(self, start: Start, size: int) -> None:
        content, server = Content(size), start()

        assert server.client().upload(content.open_at, PATH, size=size, tag="t1") == size

        assert (server.root / "import" / "list.csv").read_bytes() == content.bytes
        assert names(server.root) == ["list.csv"]

    def test_an_unfinished_file_is_named_by_its_content(
        self, start: Start, breaking: Callable[..., type[Breaking]]
    ) -> None:
        files = breaking()

        start(files).client().upload(Content(10).open_at, PATH, size=10, tag="0x8DC-a.b_c")

        assert files.acts == [("rename", f"{PATH}.0x8DC-a.b_c.part", PATH)]

    @pytest.mark.parametrize("tag", ["", "../x", "a/b", '"0x8DC"', ".x"])
    def test_a_tag_with_unsafe_characters_is_refused(self, start: Start, tag: str) -> None:
        with pytest.raises(ValueError, match="tag"):
            start().client().upload(Content(10).open_at, PATH, size=10, tag=tag)

    @pytest.mark.parametrize("stated", [9, 11])
    def test_content_of_another_size_than_stated_gets_no_name(self, start: Start, stated: int) -> None:
        content, server = Content(10), start()

        with pytest.raises(ValueError, match=f"has 10 bytes, not {stated}"):
            server.client().upload(content.open_at, PATH, size=stated, tag="t1")

        assert names(server.root) == ["list.csv.t1.part"]

    def test_an_error_of_the_content_passes_through(self, start: Start) -> None:
        def fail(offset: int) -> io.BytesIO:
            raise StorageUnavailable(operation=f"read at {offset}", reason="x")

        with pytest.raises(StorageUnavailable, match="read at 0"):
            start().client().upload(fail, PATH, size=10, tag="t1")

    def test_a_stream_may_return_less_than_requested(self, start: Start) -> None:
        content, server = Content(50_000), start()

        server.client().upload(lambda _: Trickle(content.bytes), PATH, size=50_000, tag="t1")

        assert (server.root / "import" / "list.csv").read_bytes() == content.bytes

    def test_memory_does_not_grow_with_the_file(self, start: Start) -> None:
        class Zeros(Trickle):
            left = 64 * MIB

            def read(self, size: int = -1, /) -> bytes:
                count = min(size, self.left)
                self.left -= count
                return bytes(count)

        site = start().client()

        tracemalloc.start()
        site.upload(lambda _: Zeros(b""), PATH, size=64 * MIB, tag="t1")
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()

        assert peak < 12 * MIB


class TestFailures:
    def test_an_error_in_the_content_leaves_no_file_and_a_usable_session(self, start: Start) -> None:
        class Failing(Trickle):
            def read(self, size: int = -1, /) -> bytes:
                if len(self.rest) < 3000:
                    raise StorageUnavailable(operation="read a staged file", reason="x")
                return super().read(size)

        server = start()

        with server.client().connect() as session:
            with pytest.raises(StorageUnavailable):
                session.resume_file(lambda _: Failing(bytes(10_000)), "/import/list.csv.part", 10_000)
            assert session.find(PATH) is None

        assert names(server.root) == ["list.csv.part"]

    def test_an_os_error_of_the_content_is_not_attributed_to_the_site(self, start: Start) -> None:
        class Failing(Trickle):
            def read(self, size: int = -1, /) -> bytes:
                raise OSError(size)

        with pytest.raises(OSError, match=str(BLOCK)) as caught:
            start().client().upload(lambda _: Failing(b""), PATH, size=10, tag="t1")

        assert not isinstance(caught.value, BridgeError)

    @pytest.mark.parametrize("failing", [0, 20, 49])
    def test_a_write_that_fails_leaves_no_file(self, start: Start, failing: int) -> None:
        class Failing(asyncssh.SFTPServer):
            def write(self, file_obj: object, offset: int, data: bytes) -> Any:
                if offset == failing * BLOCK:
                    raise asyncssh.SFTPFailure(SERVER_TEXT)
                return super().write(file_obj, offset, data)

        content, server = Content(50 * BLOCK), start(Failing)

        with pytest.raises(SftpRefused) as caught:
            server.client().upload(content.open_at, PATH, size=content.size, tag="t1")

        assert SERVER_TEXT not in f"{caught.value!r}"
        assert content.opened == [0]
        assert names(server.root) == ["list.csv.t1.part"]

    def test_a_site_that_loses_data(self, start: Start) -> None:
        class Losing(asyncssh.SFTPServer):
            def write(self, file_obj: object, offset: int, data: bytes) -> Any:
                return super().write(file_obj, offset, data[:-1])

        server = start(Losing)

        with pytest.raises(SftpUnavailable, match="3 bytes were sent, the site holds 2"):
            server.client().upload(Content(3).open_at, PATH, size=3, tag="t1")

        assert names(server.root) == []

    def test_a_site_that_stops_accepting_data(self, start: Start) -> None:
        class Stuck(asyncssh.SFTPServer):
            def write(self, file_obj: object, offset: int, data: bytes) -> Any:
                del file_obj, offset, data
                return start.over.wait()

        content = Content(16 * MIB)

        with (
            start(Stuck).client(timeout=1).connect() as session,
            pytest.raises(SftpUnavailable, match="upload /import/list"),
        ):
            session.resume_file(content.open_at, "/import/list.csv.part", content.size)

    def test_a_machine_that_freezes(self, start: Start) -> None:
        content = Content(4 * MIB)

        with frozen_after(256 * 1024, start()) as server, server.client(timeout=1).connect() as session:
            # Small buffers, so that TCP blocks and not SSH.
            connection = cast("socket.socket", session._transport.sock)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8192)
            with pytest.raises(SftpUnavailable):
                session.resume_file(content.open_at, "/import/list.csv.part", content.size)

    @pytest.mark.parametrize(
        ("error", "reason"),
        [
            (asyncssh.SFTPPermissionDenied(SERVER_TEXT), "permission denied"),
            (asyncssh.SFTPNoSuchFile(SERVER_TEXT), "no such file or folder"),
            (asyncssh.SFTPFailure(SERVER_TEXT), "failure"),
            (asyncssh.SFTPOpUnsupported(SERVER_TEXT), "not supported"),
            (asyncssh.SFTPBadMessage(SERVER_TEXT), "status 5"),
        ],
    )
    def test_a_refusal_is_final(self, start: Start, error: Exception, reason: str) -> None:
        class Refusing(asyncssh.SFTPServer):
            def open(self, path: bytes, pflags: int, attrs: asyncssh.SFTPAttrs) -> object:
                del path, pflags, attrs
                raise error

        with pytest.raises(SftpRefused) as caught:
            start(Refusing).client().upload(Content(10).open_at, PATH, size=10, tag="t1")

        assert isinstance(caught.value, TerminalError)
        assert caught.value.fields() == {"operation": "upload /import/list.csv.t1.part", "reason": reason}


class TestBreaks:
    def test_it_resumes_where_everything_before_is_written(
        self, start: Start, breaking: Callable[..., type[Breaking]]
    ) -> None:
        content, server = Content(20 * MIB), start(breaking(6 * MIB, 7 * MIB, 15 * MIB))

        assert server.client().upload(content.open_at, PATH, size=20 * MIB, tag="t1") == 20 * MIB

        assert (server.root / "import" / "list.csv").read_bytes() == content.bytes
        assert names(server.root) == ["list.csv"]
        assert len(content.opened) == 4
        assert content.opened == sorted(content.opened)
        assert content.opened[1] >= 6 * MIB - WRITE_WINDOW
        assert content.opened[3] >= 15 * MIB - WRITE_WINDOW

    def test_writes_that_were_lost_are_repeated(self, start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
        """Of the writes in flight when the connection breaks, a site keeps some, but not the first."""
        process = asyncssh.sftp.SFTPServerHandler._process_packet
        tasks = set()

        async def process_at_once(self: Any, kind: int, number: int, packet: Any) -> None:
            task = asyncio.create_task(process(self, kind, number, packet))
            tasks.add(task)
            if kind != CMD_WRITE:
                await task

        monkeypatch.setattr(asyncssh.sftp.SFTPServerHandler, "_process_packet", process_at_once)
        chance = random.Random(1)
        targets = [5 * MIB, 10 * MIB, 12 * MIB]

        class Forgetful(asyncssh.SFTPServer):
            first_lost: int | None = None

            def write(self, file_obj: object, offset: int, data: bytes) -> Any:
                if self.first_lost is None and targets and offset >= targets[0]:
                    del targets[0]
                    self.first_lost = offset
                if self.first_lost is None:
                    return super().write(file_obj, offset, data)
                last = offset == self.first_lost + WRITE_WINDOW - BLOCK
                if offset == self.first_lost or (not last and chance.random() < 0.5):
                    return start.over.wait()
                written = super().write(file_obj, offset, data)
                if last:
                    lengths.append(offset + len(data))
                    self.channel.get_connection().abort()
                return written

        lengths: list[int] = []
        content, server = Content(20 * MIB), start(Forgetful)

        server.client().upload(content.open_at, PATH, size=20 * MIB, tag="t1")

        assert content.opened == [0, *(length - WRITE_WINDOW for length in lengths)]
        assert len(lengths) == 3
        assert (server.root / "import" / "list.csv").read_bytes() == content.bytes

    def test_it_gives_up_after_growing_pauses_and_resumes_the_next_time(
        self, start: Start, breaking: Callable[..., type[Breaking]]
    ) -> None:
        content, pauses = Content(8 * MIB), list[float]()
        server = start(breaking(*[5 * MIB] * 4))

        with pytest.raises(SftpUnavailable):
            server.client(pause=pauses.append).upload(content.open_at, PATH, size=8 * MIB, tag="t1")
        assert len(pauses) == 3
        assert pauses == sorted(set(pauses))
        assert names(server.root) == ["list.csv.t1.part"]
        server.client().upload(content.open_at, PATH, size=8 * MIB, tag="t1")

        assert content.opened[-1] >= 5 * MIB - 2 * WRITE_WINDOW
        assert (server.root / "import" / "list.csv").read_bytes() == content.bytes

    def test_a_site_that_is_away_for_a_moment(self, start: Start) -> None:
        content, server = Content(10), start()
        away = server.client(port=1)

        def come_back(_seconds: float) -> None:
            away._port = server.port

        away._pause = come_back

        assert away.upload(content.open_at, PATH, size=10, tag="t1") == 10

    @pytest.mark.parametrize(
        ("change", "error"),
        [
            ({"private_key": pem(OTHER_KEY, "openssh")}, SftpLoginRefused),
            ({"host_keys": OTHER_KEY.get_fingerprint()}, SftpHostKeyRefused),
        ],
    )
    def test_a_refusal_is_not_retried(self, start: Start, change: dict[str, str], error: type[Exception]) -> None:
        pauses = list[float]()

        with pytest.raises(error):
            start().client(pause=pauses.append, **change).upload(Content(10).open_at, PATH, size=10, tag="t1")

        assert pauses == []


class TestUnfinishedFiles:
    def test_the_same_content_is_resumed_before_the_window(self, start: Start) -> None:
        content, server = Content(6 * MIB), start()
        left = bytearray(content.bytes[: 5 * MIB])
        left[5 * MIB - WRITE_WINDOW :] = bytes(WRITE_WINDOW)
        (server.root / "import" / "list.csv.t1.part").write_bytes(left)

        server.client().upload(content.open_at, PATH, size=6 * MIB, tag="t1")

        assert content.opened == [5 * MIB - WRITE_WINDOW]
        assert (server.root / "import" / "list.csv").read_bytes() == content.bytes

    @pytest.mark.parametrize("left", [0, 1, WRITE_WINDOW])
    def test_a_window_or_less_is_not_reused(self, start: Start, left: int) -> None:
        content, server = Content(3 * MIB), start()
        (server.root / "import" / "list.csv.t1.part").write_bytes(bytes(left))

        server.client().upload(content.open_at, PATH, size=3 * MIB, tag="t1")

        assert content.opened == [0]
        assert (server.root / "import" / "list.csv").read_bytes() == content.bytes

    def test_other_content_is_not_touched(self, start: Start) -> None:
        content, server = Content(3 * MIB), start()
        (server.root / "import" / "list.csv.t0.part").write_bytes(bytes(3 * MIB))

        server.client().upload(content.open_at, PATH, size=3 * MIB, tag="t1")

        assert (server.root / "import" / "list.csv").read_bytes() == content.bytes
        assert names(server.root) == ["list.csv", "list.csv.t0.part"]

    def test_a_file_longer_than_the_content_is_restarted(self, start: Start) -> None:
        content, server = Content(3 * MIB), start()
        (server.root / "import" / "list.csv.t1.part").write_bytes(bytes(4 * MIB))

        server.client().upload(content.open_at, PATH, size=3 * MIB, tag="t1")

        assert (server.root / "import" / "list.csv").read_bytes() == content.bytes

    def test_a_complete_one_gets_its_name(self, start: Start) -> None:
        content, server = Content(6 * MIB), start()
        (server.root / "import" / "list.csv.t1.part").write_bytes(content.bytes)

        assert server.client().upload(content.open_at, PATH, size=6 * MIB, tag="t1") == 6 * MIB

        assert (server.root / "import" / "list.csv").read_bytes() == content.bytes

    def test_it_restarts_where_files_cannot_be_reopened(self, start: Start) -> None:
        class WriteOnce(asyncssh.SFTPServer):
            def open(self, path: bytes, pflags: int, attrs: asyncssh.SFTPAttrs) -> object:
                if os.path.exists(self.map_path(path)):  # noqa: PTH110 - bytes
                    raise asyncssh.SFTPPermissionDenied(SERVER_TEXT)
                return super().open(path, pflags, attrs)

        content, server = Content(6 * MIB), start(WriteOnce)
        (server.root / "import" / "list.csv.t1.part").write_bytes(content.bytes[: 4 * MIB])

        server.client().upload(content.open_at, PATH, size=6 * MIB, tag="t1")

        assert content.opened == [0]
        assert (server.root / "import" / "list.csv").read_bytes() == content.bytes

    def test_it_restarts_where_a_site_lost_confirmed_data(self, start: Start) -> None:
        class Losing(asyncssh.SFTPServer):
            lost: list[int] = []  # noqa: RUF012 - of all connections

            def write(self, file_obj: object, offset: int, data: bytes) -> Any:
                if offset == 5 * MIB and not self.lost:
                    self.lost.append(offset)
                    return len(data)
                return super().write(file_obj, offset, data)

        content, server = Content(5 * MIB + 10), start(Losing)

        server.client().upload(content.open_at, PATH, size=content.size, tag="t1")

        assert content.opened == [0, 0]
        assert (server.root / "import" / "list.csv").read_bytes() == content.bytes


class TestName:
    def test_after_a_lost_answer_the_rename_is_checked(self, start: Start) -> None:
        class Losing(asyncssh.SFTPServer):
            renamed = 0

            def rename(self, oldpath: bytes, newpath: bytes) -> Any:
                super().rename(oldpath, newpath)
                type(self).renamed += 1
                self.channel.get_connection().abort()

        content, server = Content(5 * MIB), start(Losing)

        assert server.client().upload(content.open_at, PATH, size=5 * MIB, tag="t1") == 5 * MIB

        assert Losing.renamed == 1
        assert content.opened == [0]
        assert (server.root / "import" / "list.csv").read_bytes() == content.bytes

    def test_a_file_that_was_consumed_after_a_lost_answer_is_not_sent_again(self, start: Start) -> None:
        class Taking(asyncssh.SFTPServer):
            def rename(self, oldpath: bytes, newpath: bytes) -> Any:
                super().rename(oldpath, newpath)
                Path(os.fsdecode(self.map_path(newpath))).unlink()
                self.channel.get_connection().abort()

        content, server = Content(10), start(Taking)

        assert server.client().upload(content.open_at, PATH, size=10, tag="t1") == 10

        assert content.opened == [0]
        assert names(server.root) == []

    def test_a_rename_that_did_not_happen_is_repeated(self, start: Start) -> None:
        class Deaf(asyncssh.SFTPServer):
            tried = 0

            def rename(self, oldpath: bytes, newpath: bytes) -> Any:
                type(self).tried += 1
                if self.tried > 1:
                    return super().rename(oldpath, newpath)
                self.channel.get_connection().abort()
                return None

        content, server = Content(5 * MIB), start(Deaf)

        server.client().upload(content.open_at, PATH, size=5 * MIB, tag="t1")

        assert Deaf.tried == 2
        assert (server.root / "import" / "list.csv").read_bytes() == content.bytes

    def test_a_removed_unfinished_file_is_not_mistaken_for_a_renamed_one(self, start: Start) -> None:
        class Awkward(asyncssh.SFTPServer):
            """Lets no file be reopened; breaks at the first rename, and at the first open after a removal."""

            breaks: list[str] = ["rename", "open"]  # noqa: RUF012 - of all connections

            def break_at(self, act: str) -> None:
                if self.breaks[:1] == [act]:
                    del self.breaks[0]
                    self.channel.get_connection().abort()
                    raise asyncssh.SFTPConnectionLost(act)

            def open(self, path: bytes, pflags: int, attrs: asyncssh.SFTPAttrs) -> object:
                if os.path.exists(self.map_path(path)):  # noqa: PTH110 - bytes
                    raise asyncssh.SFTPPermissionDenied(SERVER_TEXT)
                self.break_at("open")
                return super().open(path, pflags, attrs)

            def rename(self, oldpath: bytes, newpath: bytes) -> Any:
                self.break_at("rename")
                return super().rename(oldpath, newpath)

        content, server = Content(10), start(Awkward)

        server.client().upload(content.open_at, PATH, size=10, tag="t1")

        assert Awkward.breaks == []
        assert (server.root / "import" / "list.csv").read_bytes() == content.bytes

    def test_an_existing_file_stays_and_nothing_is_sent(self, start: Start) -> None:
        content, server = Content(10), start()
        (server.root / "import" / "list.csv").write_bytes(b"old")

        with pytest.raises(SftpRefused, match="already exists"):
            server.client().upload(content.open_at, PATH, size=10, tag="t1")

        assert content.opened == []
        assert (server.root / "import" / "list.csv").read_bytes() == b"old"
        assert names(server.root) == ["list.csv"]

    @pytest.mark.parametrize(("copies", "answers", "refused"), [(False, True, 1), (True, True, 0), (False, False, 0)])
    def test_a_rename_that_certainly_had_no_effect_is_reported(
        self, start: Start, *, copies: bool, answers: bool, refused: int
    ) -> None:
        class Refusing(asyncssh.SFTPServer):
            tried = 0

            def rename(self, oldpath: bytes, newpath: bytes) -> Any:
                del oldpath
                type(self).tried += 1
                if not answers and self.tried == 1:
                    self.channel.get_connection().abort()
                    return
                if copies:
                    Path(os.fsdecode(self.map_path(newpath))).write_bytes(b"a copy")
                raise asyncssh.SFTPPermissionDenied(SERVER_TEXT)

            def posix_rename(self, oldpath: bytes, newpath: bytes) -> Any:
                raise asyncssh.SFTPPermissionDenied(f"{SERVER_TEXT} {oldpath!r} {newpath!r}")

        content, calls = Content(10), list[str]()

        with pytest.raises(SftpRenameRefused if refused else SftpRefused, match="permission denied"):
            start(Refusing).client().upload(
                content.open_at,
                PATH,
                size=10,
                tag="t1",
                announce=Announcements(
                    before_act=lambda: calls.append("before"), not_taken=lambda: calls.append("refused")
                ),
            )

        assert calls == ["before"] * (1 if answers else 2) + ["refused"] * refused

    def test_a_file_created_meanwhile_stays(self, start: Start) -> None:
        class Racing(asyncssh.SFTPServer):
            def rename(self, oldpath: bytes, newpath: bytes) -> Any:
                Path(os.fsdecode(self.map_path(newpath))).write_bytes(b"somebody else's")
                return super().rename(oldpath, newpath)

        server = start(Racing)

        with pytest.raises(SftpRefused):
            server.client().upload(Content(10).open_at, PATH, size=10, tag="t1")

        assert (server.root / "import" / "list.csv").read_bytes() == b"somebody else's"

    @pytest.mark.parametrize("replace", [False, True])
    def test_the_plain_rename_is_used_where_possible(
        self, start: Start, breaking: Callable[..., type[Breaking]], replace: bool
    ) -> None:
        files = breaking()

        start(files).client().upload(Content(10).open_at, PATH, size=10, tag="t1", replace=replace)

        assert files.acts == [("rename", f"{PATH}.t1.part", PATH)]

    def test_an_existing_file_is_replaced_on_request(
        self, start: Start, breaking: Callable[..., type[Breaking]]
    ) -> None:
        content, files = Content(10), breaking()
        server = start(files)
        (server.root / "import" / "list.csv").write_bytes(b"old")

        server.client().upload(content.open_at, PATH, size=10, tag="t1", replace=True)

        assert files.acts == [("replace", f"{PATH}.t1.part", PATH)]
        assert (server.root / "import" / "list.csv").read_bytes() == content.bytes

    def test_a_site_that_cannot_replace_has_the_old_file_removed(
        self, start: Start, breaking: Callable[..., type[Breaking]]
    ) -> None:
        files = breaking()

        class Old(files):  # type: ignore[valid-type,misc]
            def posix_rename(self, oldpath: bytes, newpath: bytes) -> Any:
                raise asyncssh.SFTPOpUnsupported(f"{oldpath!r} {newpath!r}")

        content, server = Content(10), start(Old)
        (server.root / "import" / "list.csv").write_bytes(b"old")

        server.client().upload(content.open_at, PATH, size=10, tag="t1", replace=True)

        assert files.acts == [("remove", PATH), ("rename", f"{PATH}.t1.part", PATH)]
        assert (server.root / "import" / "list.csv").read_bytes() == content.bytes

    def test_a_site_that_refuses_to_replace_keeps_the_old_file(self, start: Start) -> None:
        class Refusing(asyncssh.SFTPServer):
            def posix_rename(self, oldpath: bytes, newpath: bytes) -> Any:
                raise asyncssh.SFTPFailure(f"{SERVER_TEXT} {oldpath!r} {newpath!r}")

        content, server = Content(10), start(Refusing)
        (server.root / "import" / "list.csv").write_bytes(b"old")

        with pytest.raises(SftpRefused) as caught:
            server.client().upload(content.open_at, PATH, size=10, tag="t1", replace=True)

        assert SERVER_TEXT not in f"{caught.value!r}"
        assert (server.root / "import" / "list.csv").read_bytes() == b"old"
