"""Uploads that go on after a break: whatever a site keeps of the earlier attempts, the file is whole or not there."""

import asyncio
import io
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import asyncssh
import pytest
from paramiko.sftp import CMD_WRITE

from shared.errors import SftpHostKeyRefused, SftpLoginRefused, SftpRefused, SftpUnavailable, StorageUnavailable
from shared.optimizely.sftp_transfer import BLOCK, WRITE_WINDOW
from tests.unit.optimizely.sftp_server import OTHER_KEY, SERVER_TEXT, Start, pem

MIB = 1024 * 1024
PATH = "/import/list.csv"


class Content:
    """A file to upload, which notes from where on it is read."""

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
    #: What is done on the site, with names.
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
    """Makes a class of servers that break at these offsets."""

    def make(*offsets: int) -> type[Breaking]:
        return type("Fresh", (Breaking,), {"breaks": list(offsets), "acts": []})

    return make


def names(folder: Path) -> list[str]:
    return sorted(os.listdir(folder / "import"))  # noqa: PTH208 - names


class TestWholeFile:
    @pytest.mark.parametrize("size", [0, 1, BLOCK, BLOCK + 1, 5 * MIB + 17])
    def test_what_is_sent_arrives(self, start: Start, size: int) -> None:
        content, server = Content(size), start()

        assert server.client().upload(content.open_at, PATH, size=size, tag="t1") == size

        assert (server.root / "import" / "list.csv").read_bytes() == content.bytes
        assert names(server.root) == ["list.csv"]

    def test_until_it_is_whole_its_name_tells_the_content(
        self, start: Start, breaking: Callable[..., type[Breaking]]
    ) -> None:
        files = breaking()

        start(files).client().upload(Content(10).open_at, PATH, size=10, tag="0x8DC-a.b_c")

        assert files.acts == [("rename", f"{PATH}.0x8DC-a.b_c.part", PATH)]

    @pytest.mark.parametrize("tag", ["", "../x", "a/b", '"0x8DC"', ".x"])
    def test_a_tag_that_is_no_part_of_a_name_is_a_mistake(self, start: Start, tag: str) -> None:
        with pytest.raises(ValueError, match="tag"):
            start().client().upload(Content(10).open_at, PATH, size=10, tag=tag)

    @pytest.mark.parametrize("said", [9, 11])
    def test_a_content_of_another_size_than_was_said_gets_no_name(self, start: Start, said: int) -> None:
        content, server = Content(10), start()

        with pytest.raises(ValueError, match=f"has 10 bytes, not {said}"):
            server.client().upload(content.open_at, PATH, size=said, tag="t1")

        assert names(server.root) == ["list.csv.t1.part"]

    def test_an_error_of_the_content_passes_through(self, start: Start) -> None:
        def fail(offset: int) -> io.BytesIO:
            raise StorageUnavailable(operation=f"read at {offset}", reason="x")

        with pytest.raises(StorageUnavailable, match="read at 0"):
            start().client().upload(fail, PATH, size=10, tag="t1")


class TestBreaks:
    def test_it_goes_on_where_all_before_is_written(
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

    def test_writes_that_are_lost_in_the_middle_come_again(self, start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
        """Of the writes under way when the connection breaks, a site keeps some, and not the first one."""
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

    def test_it_gives_up_after_growing_pauses_and_goes_on_the_next_time(
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
    def test_a_refusal_is_not_tried_again(self, start: Start, change: dict[str, str], error: type[Exception]) -> None:
        pauses = list[float]()

        with pytest.raises(error):
            start().client(pause=pauses.append, **change).upload(Content(10).open_at, PATH, size=10, tag="t1")

        assert pauses == []


class TestWhatIsLeft:
    def test_of_the_same_content_it_is_continued_before_the_window(self, start: Start) -> None:
        content, server = Content(6 * MIB), start()
        left = bytearray(content.bytes[: 5 * MIB])
        left[5 * MIB - WRITE_WINDOW :] = bytes(WRITE_WINDOW)
        (server.root / "import" / "list.csv.t1.part").write_bytes(left)

        server.client().upload(content.open_at, PATH, size=6 * MIB, tag="t1")

        assert content.opened == [5 * MIB - WRITE_WINDOW]
        assert (server.root / "import" / "list.csv").read_bytes() == content.bytes

    @pytest.mark.parametrize("left", [0, 1, WRITE_WINDOW])
    def test_of_a_window_or_less_nothing_is_kept(self, start: Start, left: int) -> None:
        content, server = Content(3 * MIB), start()
        (server.root / "import" / "list.csv.t1.part").write_bytes(bytes(left))

        server.client().upload(content.open_at, PATH, size=3 * MIB, tag="t1")

        assert content.opened == [0]
        assert (server.root / "import" / "list.csv").read_bytes() == content.bytes

    def test_of_another_content_it_is_let_alone(self, start: Start) -> None:
        content, server = Content(3 * MIB), start()
        (server.root / "import" / "list.csv.t0.part").write_bytes(bytes(3 * MIB))

        server.client().upload(content.open_at, PATH, size=3 * MIB, tag="t1")

        assert (server.root / "import" / "list.csv").read_bytes() == content.bytes
        assert names(server.root) == ["list.csv", "list.csv.t0.part"]

    def test_what_is_longer_than_the_content_is_begun_anew(self, start: Start) -> None:
        content, server = Content(3 * MIB), start()
        (server.root / "import" / "list.csv.t1.part").write_bytes(bytes(4 * MIB))

        server.client().upload(content.open_at, PATH, size=3 * MIB, tag="t1")

        assert (server.root / "import" / "list.csv").read_bytes() == content.bytes

    def test_a_whole_one_gets_its_name(self, start: Start) -> None:
        content, server = Content(6 * MIB), start()
        (server.root / "import" / "list.csv.t1.part").write_bytes(content.bytes)

        assert server.client().upload(content.open_at, PATH, size=6 * MIB, tag="t1") == 6 * MIB

        assert (server.root / "import" / "list.csv").read_bytes() == content.bytes

    def test_where_no_file_may_be_opened_again_it_is_begun_anew(self, start: Start) -> None:
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

    def test_a_site_that_keeps_less_than_it_says_is_tried_again_from_the_beginning(self, start: Start) -> None:
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
    def test_a_lost_answer_to_the_rename_is_looked_up(self, start: Start) -> None:
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

    def test_a_file_that_is_taken_after_a_lost_answer_is_not_sent_again(self, start: Start) -> None:
        class Taking(asyncssh.SFTPServer):
            def rename(self, oldpath: bytes, newpath: bytes) -> Any:
                super().rename(oldpath, newpath)
                Path(os.fsdecode(self.map_path(newpath))).unlink()
                self.channel.get_connection().abort()

        content, server = Content(10), start(Taking)

        assert server.client().upload(content.open_at, PATH, size=10, tag="t1") == 10

        assert content.opened == [0]
        assert names(server.root) == []

    def test_a_rename_that_did_not_happen_is_tried_again(self, start: Start) -> None:
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

    def test_an_unfinished_file_that_was_removed_is_not_taken_for_a_renamed_one(self, start: Start) -> None:
        class Awkward(asyncssh.SFTPServer):
            """Lets no file be opened again; breaks at the first rename, and at the first open after a removal."""

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

    def test_a_file_that_is_there_stays_and_nothing_is_sent(self, start: Start) -> None:
        content, server = Content(10), start()
        (server.root / "import" / "list.csv").write_bytes(b"old")

        with pytest.raises(SftpRefused, match="is there already"):
            server.client().upload(content.open_at, PATH, size=10, tag="t1")

        assert content.opened == []
        assert (server.root / "import" / "list.csv").read_bytes() == b"old"
        assert names(server.root) == ["list.csv"]

    @pytest.mark.parametrize("replace", [False, True])
    def test_the_plain_rename_is_used_where_it_can_be(
        self, start: Start, breaking: Callable[..., type[Breaking]], replace: bool
    ) -> None:
        files = breaking()

        start(files).client().upload(Content(10).open_at, PATH, size=10, tag="t1", replace=replace)

        assert files.acts == [("rename", f"{PATH}.t1.part", PATH)]

    def test_a_file_that_is_there_is_replaced_on_request(
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
