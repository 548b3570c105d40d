"""Which response files are taken from the SFTP site, and when."""

import dataclasses
import gzip
import hashlib
import io
import os
import uuid
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from shared.bridge import Bridge
from shared.config.channels import Channels
from shared.config.response_layouts import AfterLoad, ResponseLayout
from shared.errors import DatabaseUnavailable, LeaseLost, SftpRefused, SftpUnavailable, StorageUnavailable
from shared.ledger.alerts import Alert, AlertKind
from shared.ledger.responses.files import ResponseFiles
from shared.response_file import FileState
from shared.sftp.session import SftpSession
from shared.steps.chores.check_response_arrival import check_response_arrival
from shared.steps.gather_responses import gather_responses
from shared.steps.housekeeping import housekeeping
from shared.steps.load_responses import load_responses
from shared.storage import blob_names
from tests.flow.harness import Flow


@pytest.fixture
def gatherer(flow: Flow) -> Callable[..., Bridge]:
    """Bridges that look for response files of the test's own: their names begin with a tag."""
    tag = f"G{uuid.uuid4().hex[:12]}"

    def make(marker: str | None, **layout: Any) -> Bridge:
        update = {"response_file_marker": marker, "response_file_rounds": 3}
        settings = flow.bridge.settings.model_copy(update=update)
        channels = Channels(responses={"default": ResponseLayout(names=(f"{tag}*",), **layout)})
        return dataclasses.replace(flow.bridge, settings=settings, channels=channels)

    return make


def tag_of(bridge: Bridge) -> str:
    return bridge.channels.responses["default"].names[0].rstrip("*")


def put(bridge: Bridge, name: str, content: bytes = b"") -> None:
    """Put a file on the site; its name begins with the tag of the test."""
    tag = tag_of(bridge)
    path = f"{bridge.settings.sftp_response_folder}/{name.replace('tag', tag)}"
    upload(bridge, path, content)


def upload(bridge: Bridge, path: str, content: bytes) -> None:
    bridge.site.upload(lambda _: io.BytesIO(content), path, size=len(content), tag="t1", replace=True)


def gathered(bridge: Bridge, flow: Flow) -> list[tuple[str, bytes]]:
    """The files that a round of gathering queues: names with `tag` for the tag, and what is kept of them."""
    count = gather_responses(bridge)
    tag = tag_of(bridge)
    files = [
        bridge.ledger.response_files.get(message["response_file"])
        for message in flow.take(bridge.settings.load_responses_queue)
    ]
    assert len(files) == count
    return sorted(
        (file.name.replace(tag, "tag"), b"".join(bridge.responses.chunks(blob_names.response_file(file))))
        for file in files
    )


def test_without_a_marker_a_file_is_taken_when_two_looks_found_the_same(
    flow: Flow, gatherer: Callable[..., Bridge]
) -> None:
    bridge = gatherer(None)
    put(bridge, "tag.csv", b"one")
    assert gathered(bridge, flow) == []
    put(bridge, "tag.csv", b"one and two")
    assert gathered(bridge, flow) == []
    assert gathered(bridge, flow) == [("tag.csv", b"one and two")]
    assert gathered(bridge, flow) == []


def test_looks_that_follow_one_another_at_once_are_no_proof_that_a_file_is_whole(
    flow: Flow, gatherer: Callable[..., Bridge]
) -> None:
    bridge = gatherer(None)
    settings = bridge.settings.model_copy(update={"response_file_settle_seconds": 60})
    bridge = dataclasses.replace(bridge, settings=settings)
    flow.clock.stop()
    put(bridge, "tag.csv", b"one")
    assert (gathered(bridge, flow), gathered(bridge, flow)) == ([], [])  # two gatherers, side by side
    flow.clock.advance(seconds=30)
    put(bridge, "tag.csv", b"one and two\n")
    assert gathered(bridge, flow) == []
    flow.clock.advance(seconds=59)
    assert gathered(bridge, flow) == []
    flow.clock.advance(seconds=1)
    assert gathered(bridge, flow) == [("tag.csv", b"one and two\n")]


@pytest.mark.parametrize("content", [b"one\ntw", "one\ntw".encode("utf-16"), b"one"])
def test_a_file_whose_last_line_has_no_end_waits_twice_the_time(
    flow: Flow, gatherer: Callable[..., Bridge], content: bytes
) -> None:
    bridge = settling(flow, gatherer(None))
    put(bridge, "tag.csv", content)
    waits = []
    for seconds in (0, 60, 59):
        flow.clock.advance(seconds=seconds)
        assert gathered(bridge, flow) == []
        (file,) = bridge.ledger.response_files.seen()
        waits.append(file.waiting_for)
    assert waits == [
        "being unchanged, for 60 s and two rounds",
        "the end of its last line, for 120 s",
        "the end of its last line, for 120 s",
    ]
    flow.clock.advance(seconds=1)
    assert gathered(bridge, flow) == [("tag.csv", content)]


def test_a_file_that_is_written_further_after_it_settled_is_gathered_complete(
    flow: Flow, gatherer: Callable[..., Bridge]
) -> None:
    bridge = settling(flow, gatherer(None))
    put(bridge, "tag.csv", b"one\ntw")
    for seconds in (0, 60):
        flow.clock.advance(seconds=seconds)
        assert gathered(bridge, flow) == []
    put(bridge, "tag.csv", b"one\ntwo\n")
    for seconds in (59, 59):
        flow.clock.advance(seconds=seconds)
        assert gathered(bridge, flow) == []
    flow.clock.advance(seconds=1)
    assert gathered(bridge, flow) == [("tag.csv", b"one\ntwo\n")]


@pytest.mark.parametrize(
    ("content", "layout"),
    [(b"one\ntwo", {"last_line": "may-end-without"}), (gzip.compress(b"one\ntwo", mtime=0), {}), (b"one\r\ntwo\r", {})],
)
def test_a_last_line_that_is_complete_does_not_wait(
    flow: Flow, gatherer: Callable[..., Bridge], content: bytes, layout: dict[str, Any]
) -> None:
    bridge = settling(flow, gatherer(None, **layout))
    put(bridge, "tag.csv", content)
    assert gathered(bridge, flow) == []
    flow.clock.advance(seconds=60)
    assert gathered(bridge, flow) == [("tag.csv", content)]


@pytest.mark.parametrize(
    "name", ["tag.csv.filepart", "tag.csv.crdownload", "tag.csv.PARTIAL", "tag.csv.busy", "tag.BUSY"]
)
def test_the_names_of_unfinished_uploads_are_not_gathered(
    flow: Flow, gatherer: Callable[..., Bridge], name: str
) -> None:
    bridge = gatherer(None)
    settings = bridge.settings.model_copy(update={"unfinished_names": "*.busy"})
    bridge = dataclasses.replace(bridge, settings=settings)
    put(bridge, name, b"one\n")
    put(bridge, "tag.csv", b"one\n")
    assert gathered(bridge, flow) == []
    assert gathered(bridge, flow) == [("tag.csv", b"one\n")]


def settling(flow: Flow, bridge: Bridge) -> Bridge:
    """The bridge, with files that settle within a minute of a stopped clock."""
    flow.clock.stop()
    return dataclasses.replace(bridge, settings=bridge.settings.model_copy(update={"response_file_settle_seconds": 60}))


# A marker may look like a response file or not.
@pytest.mark.parametrize("marker", ["{name}.done", "done-{name}"])
def test_with_a_marker_a_file_is_taken_at_once_when_it_is_there_and_never_before(
    flow: Flow, gatherer: Callable[..., Bridge], marker: str
) -> None:
    bridge = gatherer(marker)
    put(bridge, "tag-1.csv", b"one")
    put(bridge, "tag-2.csv", b"two")
    put(bridge, marker.format(name="tag-2.csv"))
    put(bridge, marker.format(name="tag-3.csv"))

    assert gathered(bridge, flow) == [("tag-2.csv", b"two")]
    assert gathered(bridge, flow) == []
    put(bridge, marker.format(name="tag-1.csv"))
    assert gathered(bridge, flow) == [("tag-1.csv", b"one")]
    assert gathered(bridge, flow) == []


def test_with_a_marker_a_file_that_comes_again_changed_is_taken_again(
    flow: Flow, gatherer: Callable[..., Bridge]
) -> None:
    bridge = gatherer("{name}.done")
    put(bridge, "tag.csv", b"one")
    put(bridge, "tag.csv.done")
    assert gathered(bridge, flow) == [("tag.csv", b"one")]

    put(bridge, "tag.csv", b"one and two")

    assert gathered(bridge, flow) == [("tag.csv", b"one and two")]


def test_a_file_is_read_by_the_layout_that_its_name_fits(flow: Flow, gatherer: Callable[..., Bridge]) -> None:
    tag = tag_of(gatherer(None))
    layouts = {
        "clicks": ResponseLayout(names=(f"{tag}-clicks*",), delimiter="\t", message_type="Click"),
        "rest": ResponseLayout(names=(f"{tag}*.csv",)),
    }
    bridge = dataclasses.replace(flow.bridge, channels=Channels(responses=layouts))
    path = bridge.settings.sftp_response_folder
    for name, content in {
        f"{tag}-clicks.csv": "Urn\tEventTriggeredDate\tClickUrl\n1\t01.03.2026 12:30\thttps://example.org\n",
        f"{tag}-all.csv": "Urn;EventTriggeredDate;MessageType\n1;01.03.2026 12:30;Open\n",
        f"{tag}.pdf": "no response file",
    }.items():
        upload(bridge, f"{path}/{name}", content.encode())
    gather_responses(bridge)
    assert gather_responses(bridge) == 2
    loaded = [
        load_responses(bridge, message["response_file"]) for message in flow.take(bridge.settings.load_responses_queue)
    ]
    assert sorted(str(dict(counts.by_type)) for counts in loaded if counts) == ["{'Click': 1}", "{'Open': 1}"]


# What is left, and reported


def alerts(bridge: Bridge, kind: AlertKind = AlertKind.RESPONSE_FILE_LEFT) -> list[Alert]:
    return [alert for alert in bridge.ledger.alerts.active() if alert.kind is kind]


def folder(flow: Flow) -> Path:
    """The folder of response files, on the disk of the SFTP site."""
    return Path(flow.site["private_key_file"]).parent.parent / "site" / "responses"


def test_a_file_that_does_not_stop_growing_is_reported_and_gathered_when_it_does(
    flow: Flow, gatherer: Callable[..., Bridge]
) -> None:
    bridge = gatherer(None)
    for size in range(1, 4):
        put(bridge, "tag.csv", b"x" * size)
        assert gathered(bridge, flow) == []
        assert alerts(bridge) == []
    put(bridge, "tag.csv", b"xxxx")
    assert gathered(bridge, flow) == []
    (alert,) = alerts(bridge)
    assert (alert.subject, "3 rounds" in alert.text) == (f"{tag_of(bridge)}.csv", True)
    assert "response-file-changed" in alert.text

    assert gathered(bridge, flow) == [("tag.csv", b"xxxx")]
    assert alerts(bridge) == []


def test_a_file_that_vanishes_before_it_is_gathered_fails_after_some_rounds_and_is_gathered_when_it_is_there_again(
    flow: Flow, gatherer: Callable[..., Bridge]
) -> None:
    bridge = gatherer(None)
    put(bridge, "tag.csv", b"one")
    assert gathered(bridge, flow) == []
    on_site = folder(flow) / f"{tag_of(bridge)}.csv"
    about = on_site.stat()
    on_site.unlink()
    for _ in range(2):
        gather_responses(bridge)
        assert [file.state for file in bridge.ledger.response_files.newest(9)] == [FileState.SEEN]
    gather_responses(bridge)
    (file,) = bridge.ledger.response_files.newest(9)
    assert (file.state, file.error_code) == (FileState.FAILED, "response-file-vanished")

    on_site.write_bytes(b"one")
    os.utime(on_site, (about.st_mtime, about.st_mtime))
    assert gathered(bridge, flow) == []  # what is back may still be written: two rounds must find it unchanged
    assert gathered(bridge, flow) == [("tag.csv", b"one")]


@pytest.mark.parametrize(
    "error",
    [
        SftpRefused(operation="read", reason="not allowed"),
        SftpUnavailable(host="the site", operation="read", reason="EOFError"),
        LeaseLost(lease="the file's"),
        StorageUnavailable(operation="write", reason="status 409"),
        ValueError("ann@example.org"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_file_that_cannot_be_read_does_not_stop_the_others(
    flow: Flow,
    gatherer: Callable[..., Bridge],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
) -> None:
    bridge = gatherer("{name}.done")
    for name in ("tag-1.csv", "tag-2.csv", "tag-3.csv"):
        put(bridge, name, name.encode())
        put(bridge, f"{name}.done")
    read = SftpSession.read

    def broken(session: SftpSession, path: str, size: int) -> Generator[bytes]:
        if path.endswith("-2.csv"):
            if isinstance(error, SftpUnavailable):
                session._transport.close()
            raise error
        yield from read(session, path, size)

    with monkeypatch.context() as patch:
        patch.setattr(SftpSession, "read", broken)
        assert gathered(bridge, flow) == [("tag-1.csv", b"tag-1.csv"), ("tag-3.csv", b"tag-3.csv")]
        assert alerts(bridge) == []
        for _ in range(2):
            assert gathered(bridge, flow) == []
        assert [alert.subject for alert in alerts(bridge)] == [f"{tag_of(bridge)}-2.csv"]
        assert "ann@" not in caplog.text + alerts(bridge)[0].text

    assert gathered(bridge, flow) == [("tag-2.csv", b"tag-2.csv")]
    assert alerts(bridge) == []


def test_files_with_unusual_names_are_reported_without_their_names(flow: Flow, gatherer: Callable[..., Bridge]) -> None:
    bridge = gatherer(None)
    on_site = folder(flow) / f"{tag_of(bridge)} ann@example.org.csv"
    on_site.write_bytes(b"one")
    assert gathered(bridge, flow) == []
    (alert,) = alerts(bridge)
    assert "1 response files are not gathered" in alert.text
    assert "ann" not in alert.subject + alert.text
    on_site.unlink()
    gather_responses(bridge)
    assert alerts(bridge) == []


def test_gatherers_side_by_side_take_every_file_once(flow: Flow, gatherer: Callable[..., Bridge]) -> None:
    bridge = gatherer("{name}.done")
    names = [f"tag-{number}.csv" for number in range(8)]
    for name in names:
        put(bridge, name, name.encode() * 1000)
        put(bridge, f"{name}.done")
    with ThreadPoolExecutor(4) as gatherers:
        counts = list(gatherers.map(lambda _: gather_responses(bridge), range(4)))
    assert sum(counts) == len(names)
    messages = flow.take(bridge.settings.load_responses_queue)
    assert len({message["response_file"] for message in messages}) == len(messages) == len(names)


def test_what_a_round_left_that_died_behind_its_copy_gives_way_to_what_is_there_now(
    flow: Flow, gatherer: Callable[..., Bridge], monkeypatch: pytest.MonkeyPatch
) -> None:
    bridge = gatherer("{name}.done")
    put(bridge, "tag.csv", b"one")
    put(bridge, "tag.csv.done")

    def dies(*_: object, **__: object) -> bool:
        raise DatabaseUnavailable(database="RS_DB", reason="it is gone")

    with monkeypatch.context() as patch:
        patch.setattr(ResponseFiles, "advance", dies)
        with pytest.raises(DatabaseUnavailable):
            gather_responses(bridge)
    path = folder(flow) / f"{tag_of(bridge)}.csv"
    about = path.stat()
    path.write_bytes(b"two")
    os.utime(path, (about.st_mtime, about.st_mtime))  # a site gives whole seconds

    assert gathered(bridge, flow) == [("tag.csv", b"two")]
    (file,) = bridge.ledger.response_files.newest(9)
    assert file.sha256 == hashlib.sha256(b"two").hexdigest()


# What becomes of loaded files on the site

ROWS = b"Urn;EventTriggeredDate;MessageType\n1;01.03.2026 12:30;Open\n"


def load_all(bridge: Bridge, flow: Flow) -> None:
    for message in flow.take(bridge.settings.load_responses_queue):
        load_responses(bridge, message["response_file"])


def on_site(flow: Flow, bridge: Bridge) -> dict[str, bytes]:
    """What lies on the site, archive folder and hidden files too."""
    tag = tag_of(bridge)
    return {
        str(path.relative_to(folder(flow))).replace(tag, "tag"): path.read_bytes()
        for path in folder(flow).rglob(f"*{tag}*")
        if path.is_file()
    }


@pytest.mark.parametrize("marker", [None, "{name}.done"])
@pytest.mark.parametrize("after_load", AfterLoad)
def test_a_file_is_put_away_as_set_once_it_is_loaded_and_not_before(
    flow: Flow, gatherer: Callable[..., Bridge], after_load: AfterLoad, marker: str | None
) -> None:
    archive = {"archive_folder": "/responses/old"} if after_load is AfterLoad.ARCHIVE else {}
    (folder(flow) / "old").mkdir(exist_ok=True)
    bridge = gatherer(marker, after_load=after_load, **archive)
    put(bridge, "tag.csv", ROWS)
    marked = {} if marker is None else {"tag.csv.done": b""}
    for name in marked:
        put(bridge, name)
    gather_responses(bridge)
    gather_responses(bridge)
    gather_responses(bridge)
    assert on_site(flow, bridge) == {"tag.csv": ROWS} | marked
    load_all(bridge, flow)

    gather_responses(bridge)

    expected = {
        AfterLoad.LEAVE: {"tag.csv": ROWS} | marked,
        AfterLoad.ARCHIVE: {"old/tag.csv": ROWS},
        AfterLoad.REMOVE: {},
    }
    assert on_site(flow, bridge) == expected[after_load]
    (file,) = bridge.ledger.response_files.newest(9)
    assert file.state is FileState.LOADED
    assert b"".join(bridge.responses.chunks(blob_names.response_file(file))) == ROWS
    assert bridge.ledger.response_files.to_archive(["default"], 9) == ([file] if after_load is AfterLoad.LEAVE else [])


@pytest.mark.parametrize("marker", [None, "{name}.done"])
def test_a_file_that_comes_while_its_forerunner_is_put_away_stays_and_is_gathered(
    flow: Flow, gatherer: Callable[..., Bridge], monkeypatch: pytest.MonkeyPatch, marker: str | None
) -> None:
    bridge = gatherer(marker, after_load=AfterLoad.REMOVE)
    newer = ROWS.replace(b"Open", b"Send")

    def bring(content: bytes) -> None:
        put(bridge, "tag.csv", content)
        if marker:
            put(bridge, "tag.csv.done")

    bring(ROWS)
    gather_responses(bridge)
    gather_responses(bridge)
    load_all(bridge, flow)
    rename = SftpSession.rename
    brought: list[str] = []

    def slow(session: SftpSession, source: str, target: str, *, replace: bool) -> None:
        if target.endswith(".tmp") and not brought:
            brought.append(source)
            path = folder(flow) / f"{tag_of(bridge)}.csv"
            path.write_bytes(newer)
            os.utime(path, (1_000_000_000, 1_000_000_000))
        rename(session, source, target, replace=replace)

    with monkeypatch.context() as patch:
        patch.setattr(SftpSession, "rename", slow)
        gather_responses(bridge)
    assert brought
    assert on_site(flow, bridge) == {"tag.csv": newer} | ({} if marker is None else {"tag.csv.done": b""})
    gather_responses(bridge)
    gather_responses(bridge)
    load_all(bridge, flow)
    gather_responses(bridge)
    assert [file.state for file in bridge.ledger.response_files.newest(9)] == [FileState.LOADED, FileState.LOADED]
    assert on_site(flow, bridge) == {}


@pytest.mark.parametrize("renames", [1, 2])
def test_a_round_that_breaks_off_while_it_puts_a_file_away_is_finished_by_the_next(
    flow: Flow, gatherer: Callable[..., Bridge], monkeypatch: pytest.MonkeyPatch, renames: int
) -> None:
    bridge = gatherer("{name}.done", after_load=AfterLoad.REMOVE)
    put(bridge, "tag.csv", ROWS)
    put(bridge, "tag.csv.done")
    gather_responses(bridge)
    load_all(bridge, flow)
    rename, done = SftpSession.rename, []

    def breaks(session: SftpSession, source: str, target: str, *, replace: bool) -> None:
        rename(session, source, target, replace=replace)
        done.append(source)
        if len(done) == renames:
            raise SftpUnavailable(host="the site", operation="rename", reason="EOFError")

    with monkeypatch.context() as patch:
        patch.setattr(SftpSession, "rename", breaks)
        gather_responses(bridge)
    assert on_site(flow, bridge)
    gather_responses(bridge)
    assert on_site(flow, bridge) == {}
    assert bridge.ledger.response_files.to_archive(["default"], 9) == []


def test_an_archive_folder_that_is_not_there_is_reported_and_nothing_is_lost(
    flow: Flow, gatherer: Callable[..., Bridge]
) -> None:
    bridge = gatherer("{name}.done", after_load=AfterLoad.ARCHIVE, archive_folder="/responses/nowhere")
    put(bridge, "tag.csv", ROWS)
    put(bridge, "tag.csv.done")
    gather_responses(bridge)
    load_all(bridge, flow)
    for _ in range(3):
        gather_responses(bridge)
    (alert,) = alerts(bridge)
    assert "is loaded, but could not be archived" in alert.text
    assert ROWS in on_site(flow, bridge).values()
    (folder(flow) / "nowhere").mkdir()
    gather_responses(bridge)
    assert on_site(flow, bridge) == {"nowhere/tag.csv": ROWS}
    assert alerts(bridge) == []


# Days without a file


def test_a_layout_of_which_no_file_comes_for_longer_than_set_is_reported_until_one_comes(
    flow: Flow, gatherer: Callable[..., Bridge]
) -> None:
    bridge = gatherer("{name}.done", alert_after_hours=10)
    flow.clock.ahead = timedelta(hours=1000)
    housekeeping(bridge)
    assert alerts(bridge, AlertKind.NO_RESPONSE_FILE) == []  # nothing was ever sent
    flow.clock.ahead = timedelta()
    put(bridge, "tag.csv", ROWS)
    put(bridge, "tag.csv.done")
    gather_responses(bridge)
    flow.clock.ahead = timedelta(hours=9)
    assert check_response_arrival(bridge) == []
    flow.clock.ahead = timedelta(hours=11)
    housekeeping(bridge)
    (alert,) = alerts(bridge, AlertKind.NO_RESPONSE_FILE)
    assert (alert.subject, "10 hours" in alert.text) == ("default", True)
    flow.clock.ahead = timedelta(hours=0)
    assert check_response_arrival(bridge) == []
    assert alerts(bridge, AlertKind.NO_RESPONSE_FILE) == []


def test_where_no_file_ever_came_the_first_broadcast_that_was_sent_counts(
    flow: Flow, gatherer: Callable[..., Bridge]
) -> None:
    flow.run(flow.order())
    flow.clock.advance(hours=11)
    assert check_response_arrival(gatherer(None, alert_after_hours=12)) == []
    assert check_response_arrival(gatherer(None, alert_after_hours=0)) == []
    assert check_response_arrival(gatherer(None, alert_after_hours=10)) == ["default"]


# What a file on the site waits for


def waits(bridge: Bridge, name: str) -> tuple[str | None, list[str]]:
    """What a file waits for, and the waits in its history."""
    (file,) = bridge.ledger.response_files.named(name.replace("tag", tag_of(bridge)))
    notes = [row.note for row in bridge.ledger.response_files.history(file)]
    return file.waiting_for, [note for note in notes if note.startswith("waits for")]


def test_a_file_without_its_marker_says_that_it_waits_for_it(flow: Flow, gatherer: Callable[..., Bridge]) -> None:
    bridge = gatherer("{name}.done")
    put(bridge, "tag.csv", b"1")
    for _ in range(bridge.settings.response_file_rounds + 1):
        assert gathered(bridge, flow) == []
    marker = f"{tag_of(bridge)}.csv.done"
    assert waits(bridge, "tag.csv") == (f"its marker, {marker}", [f"waits for its marker, {marker}"])
    put(bridge, "tag.csv.done")
    assert gathered(bridge, flow) == [("tag.csv", b"1")]
    assert waits(bridge, "tag.csv")[0] is None


def test_a_file_that_grows_before_its_marker_comes_raises_no_alert(flow: Flow, gatherer: Callable[..., Bridge]) -> None:
    bridge = gatherer("{name}.done")
    for size in range(1, bridge.settings.response_file_rounds + 3):
        put(bridge, "tag.csv", b"1" * size)
        assert gathered(bridge, flow) == []
    assert [alert for alert in bridge.ledger.alerts.active() if tag_of(bridge) in alert.subject] == []


def test_a_file_that_was_seen_says_that_it_waits_to_be_unchanged(flow: Flow, gatherer: Callable[..., Bridge]) -> None:
    bridge = gatherer(None)
    put(bridge, "tag.csv", b"1")
    assert gathered(bridge, flow) == []
    assert (waits(bridge, "tag.csv")[0] or "").startswith("being unchanged, for ")


def test_a_file_that_cannot_be_read_says_why_it_waits(
    flow: Flow, gatherer: Callable[..., Bridge], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> Generator[bytes]:
        raise SftpRefused(operation="read", reason="permission denied")

    bridge = gatherer("{name}.done")
    put(bridge, "tag.csv", b"1")
    put(bridge, "tag.csv.done")
    with monkeypatch.context() as patch:
        patch.setattr(SftpSession, "read", refuse)
        for _ in range(2):
            assert gathered(bridge, flow) == []
    waiting_for, history = waits(bridge, "tag.csv")
    assert (waiting_for or "").startswith("another round, after 2 in which it was left: ")
    assert "[sftp-refused]" in (waiting_for or "")
    assert len(history) == 1
