"""What a site leaves out of its answers: the session takes the next best safe way, and keeps what the site lacks."""

import io
from collections.abc import AsyncIterator, Iterator
from typing import Any

import asyncssh
import pytest
from paramiko.sftp import CMD_NAME

from shared.errors import SftpRefused, SftpTextInChannel
from shared.sftp.capabilities import Capabilities, Gap
from shared.sftp.examination import examine_site
from shared.sftp.remote_file import UNKNOWN_TIME, RemoteFile
from shared.sftp.session import SftpSession
from shared.sftp.site import SftpSite
from tests.sites.quirks import Books, Quirks, server
from tests.unit.sftp.sftp_server import Start

ONE = "/import/one.csv"
BLIND = Quirks(stat="permission denied", listing="permission denied", reading="permission denied")


def site_with(start: Start, quirks: Quirks, content: bytes = b"12345") -> SftpSite:
    (start.root / "import" / "one.csv").write_bytes(content)
    return start(server(quirks, Books())).client()


class TestFind:
    @pytest.mark.parametrize("status", ["failure", "permission denied", "not supported", "no such file"])
    def test_without_stat_a_file_is_searched_in_its_folder(self, start: Start, status: str) -> None:
        site = site_with(start, Quirks(stat=status))
        with site.connect() as session:
            found = session.find(ONE)
            assert found is not None
            assert (found.name, found.size) == ("one.csv", 5)
            assert session.find("/import/none.csv") is None
            assert session.find("/none/none.csv") is None
        assert Gap.STAT in site.capabilities

    def test_no_such_file_is_believed_once_the_site_has_reported_a_file(self, start: Start) -> None:
        listed = list[bytes]()

        class Counting(asyncssh.SFTPServer):
            async def scandir(self, path: bytes) -> AsyncIterator[asyncssh.SFTPName]:
                listed.append(path)
                async for name in super().scandir(path):
                    yield name

        (start.root / "import" / "one.csv").write_bytes(b"1")
        with start(Counting).client().connect() as session:
            assert session.find("/import/none.csv") is None
            assert len(listed) == 1
            assert session.find(ONE) is not None
            assert session.find("/import/none.csv") is None
            assert len(listed) == 1

    def test_without_stat_and_listing_a_file_is_opened(self, start: Start) -> None:
        site = site_with(start, Quirks(stat="not supported", listing="not supported"))
        with site.connect() as session:
            assert session.find(ONE) == RemoteFile(name="one.csv", size=5, modified=UNKNOWN_TIME)
            assert session.find("/import/none.csv") is None

    def test_where_nothing_can_be_found_out_that_is_said(self, start: Start) -> None:
        site = site_with(start, BLIND)
        with site.connect() as session:
            with pytest.raises(SftpRefused, match="permission denied"):
                session.find(ONE)
            assert session.exists(ONE) is None
        assert Gap.EXISTENCE in site.capabilities

    @pytest.mark.parametrize("size", [0, 1, 2, 3, 1000, 65_536, 65_537])
    def test_a_size_that_is_not_reported_is_measured(self, start: Start, size: int) -> None:
        with site_with(start, Quirks(sizes=False), bytes(size)).connect() as session:
            found = session.find(ONE)
            assert found is not None
            assert found.size == size

    def test_a_folder_without_a_type_is_known_by_its_line(self, start: Start) -> None:
        (start.root / "import" / "folder").mkdir()
        with site_with(start, Quirks(permissions=False)).connect() as session:
            assert [file.name for file in session.list_files("/import", "*")] == ["one.csv"]

    @pytest.mark.parametrize(
        ("line", "listed"),
        [
            (b"-rw-r--r--   1 u g 5 Nov 30 12:00 x", True),
            (b"----------+  1 u g 5 Nov 30 12:00 x", True),
            (b"drwxr-xr-x   2 u g 0 Nov 30 12:00 x", False),
            (b"prw-r--r--   1 u g 0 Nov 30 12:00 x", False),
            (b"11-30-26  02:14PM       <DIR>          x", False),
            (b"11-30-26  02:14PM                  5 x", True),
            (b"x", True),
            (b"", True),
        ],
    )
    def test_a_type_by_the_line_for_display(self, start: Start, line: bytes, *, listed: bool) -> None:
        class Typeless(asyncssh.SFTPServer):
            async def scandir(self, path: bytes) -> AsyncIterator[asyncssh.SFTPName]:
                del path
                yield asyncssh.SFTPName(b"x", line or b" ", asyncssh.SFTPAttrs(size=5, permissions=0o644, mtime=1))

            def stat(self, path: bytes) -> Any:
                del path
                raise asyncssh.SFTPOpUnsupported("no")

        with start(Typeless).client().connect() as session:
            assert [file.name for file in session.list_files("/", "*")] == (["x"] if listed else [])


class TestRead:
    @pytest.mark.parametrize("size", [0, 4, 5, 6])
    def test_a_file_that_is_longer_than_its_size_shows_it(self, start: Start, size: int) -> None:
        with site_with(start, Quirks()).connect() as session:
            assert len(b"".join(session.read(ONE, size))) == min(size + 1, 5)

    @pytest.mark.parametrize("size", [0, 1, 32_768, 32_769, 3_000_000])
    def test_without_fstat_a_file_is_read_to_its_end(self, start: Start, size: int) -> None:
        content = bytes(range(256)) * (size // 256) + bytes(size % 256)
        with site_with(start, Quirks(fstat="not supported"), content).connect() as session:
            assert b"".join(session.read(ONE)) == content
            assert b"".join(session.read(ONE, size)) == content


def test_a_listing_that_ends_with_an_empty_answer_ends(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    send = asyncssh.sftp.SFTPServerHandler.send_packet
    site = site_with(start, Quirks())

    def send_nothing(self: Any, kind: int, number: int, *rest: Any) -> None:
        send(self, kind, number, *((number.to_bytes(4), bytes(4)) if kind == CMD_NAME else rest))

    monkeypatch.setattr(asyncssh.sftp.SFTPServerHandler, "send_packet", send_nothing)
    with site.connect() as session:
        assert session.list_files("/import", "*") == []


@pytest.mark.parametrize("text", [b"Welcome\r\n", b"\n", b"x", b"This account is not available.\n"])
def test_text_in_the_channel_is_named(start: Start, text: bytes) -> None:
    with pytest.raises(SftpTextInChannel), site_with(start, Quirks(greeting=text)).connect():
        pytest.fail("connected")


def test_text_between_packets_is_named_and_ends_the_session(start: Start) -> None:
    class Chatty(asyncssh.SFTPServer):
        def stat(self, path: bytes) -> Any:
            self.channel.write(b"broadcast message: going down in 5 minutes\r\n")
            return super().stat(path)

    (start.root / "import" / "one.csv").write_bytes(b"1")
    with start(Chatty).client().connect() as session, pytest.raises(SftpTextInChannel, match="check /import/one"):
        session.find(ONE)


def test_a_size_that_comes_late_is_waited_for(start: Start) -> None:
    pauses, quirks = list[float](), Quirks(empty_after_close=3)
    site = start(server(quirks, Books())).client(pause=pauses.append)
    assert _upload(site) == 5
    assert (start.root / "import" / "one.csv").read_bytes() == b"12345"
    assert pauses == sorted(set(pauses))
    assert len(pauses) == 3


def _upload(site: SftpSite) -> int:
    return site.upload(lambda offset: io.BytesIO(b"12345"[offset:]), ONE, size=5, tag="t1")


class TestExamination:
    @pytest.fixture(autouse=True)
    def _files(self, start: Start) -> Iterator[None]:
        (start.root / "responses").mkdir()
        (start.root / "responses" / "Response1.csv").write_bytes(b"1")
        yield
        assert sorted(path.name for path in start.root.rglob("*") if path.is_file()) in (
            ["Response1.csv"],
            ["Response1.csv", "one.csv"],
        )

    @pytest.mark.parametrize(
        ("quirks", "gaps"),
        [
            (Quirks(), []),
            (Quirks(stat="failure"), [Gap.STAT]),
            (Quirks(stat_of_missing="failure"), [Gap.MISSING]),
            (Quirks(types=False), [Gap.FILE_TYPE]),
            (Quirks(sizes=False, times=False), [Gap.SIZE, Gap.TIME]),
        ],
        ids=str,
    )
    def test_what_a_site_does_not_do_shows_without_a_change(
        self, start: Start, quirks: Quirks, gaps: list[Gap]
    ) -> None:
        site = start(server(quirks, Books())).client()
        assert examine_site(site, read=["/responses"], written=["/import"]) == gaps

    def test_a_folder_of_responses_has_to_be_listed(self, start: Start) -> None:
        site = start(server(Quirks(listing="permission denied"), Books())).client()
        with pytest.raises(SftpRefused, match="list /responses"):
            examine_site(site, read=["/responses"], written=[])
        assert examine_site(site, read=[], written=["/import"]) == []

    def test_nothing_at_all(self, start: Start) -> None:
        site = site_with(start, BLIND)
        assert Gap.EXISTENCE in examine_site(site, read=[], written=["/import"])


def test_a_gap_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    capabilities = Capabilities("sftp.example.com")
    for gap in (Gap.TIME, Gap.STAT, Gap.TIME):
        capabilities.add(gap)
    lines = [record.getMessage() for record in caplog.records if getattr(record, "action", "") == "site-lacks"]
    assert lines == [f"The SFTP site sftp.example.com {gap}." for gap in (Gap.TIME, Gap.STAT)]
    assert capabilities.gaps() == [Gap.STAT, Gap.TIME]


def test_a_session_keeps_gaps_for_its_site(start: Start) -> None:
    site = site_with(start, Quirks(stat="failure"))
    for _ in range(2):
        with site.connect() as session:
            assert isinstance(session, SftpSession)
            assert session.stat(ONE) is None
            assert session.find(ONE) is not None
    assert site.capabilities.gaps() == [Gap.STAT]
