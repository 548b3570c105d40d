"""Delivery files that are dropped into the folder of a channel: each becomes one broadcast once it is complete."""

import csv
import os
import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from local.faststats.delivery_file_generator import write_delivery_file
from shared.broadcast import RESTING, Broadcast, Intake, State
from shared.config.channels import DEFAULT, Channel, Channels, Drop
from shared.files.locations import LocatedFile, Locations
from shared.files.settled_files import SettledFiles
from shared.operations.broadcasts import retry
from shared.steps.housekeeping import housekeeping
from shared.steps.take_dropped_files import take_dropped_files
from shared.storage import blob_names
from tests.clocks import MovableClock
from tests.flow.harness import Flow, until
from tests.flow.test_upgrade import migrate_from_version_5

#: Seconds; what a file that is whole does not change for.
SETTLED = 0.05


@pytest.fixture
def folder(flow: Flow) -> Path:
    """The folder that the default channel watches."""
    path = flow.folder / "dropped"
    path.mkdir()
    watch(flow, place=str(path))
    return path


def guid_name() -> str:
    """Name of a delivery file with a GUID of its own.

    The GUID is the broadcast's key, by which a bridge finds its copy: in a simulator that others use too, it
    would adopt the copy of another test.
    """
    return f"Optimizely_Customers_{uuid.uuid4()}.txt"


@pytest.fixture(params=["name", "GUID"])
def name(request: pytest.FixtureRequest) -> str:
    """Name of a dropped file: without a GUID, and with one."""
    return guid_name() if request.param == "GUID" else "news.txt"


def watch(flow: Flow, **drop: Any) -> None:
    """Let the default channel watch a folder."""
    usual = {"list_name": "Customers", "message_name": "Spring Newsletter", "urn_column": "Kunden ID"}
    channel = Channel(drop=Drop(**usual | {"settle_seconds": SETTLED} | drop))
    flow.bridge.channels._channels = MappingProxyType({DEFAULT: channel})


def taken(flow: Flow) -> Broadcast:
    """The only broadcast of the dropped files."""
    until(lambda: take_dropped_files(flow.bridge) > 0, "a dropped file taken in")
    (broadcast,) = flow.bridge.ledger.broadcasts.newest(10)
    return broadcast


def test_a_file_that_lay_there_during_an_outage_is_not_sent_late(flow: Flow, folder: Path) -> None:
    limited = flow.bridge.channels[DEFAULT].model_copy(update={"latest_start_hours": 6})
    flow.bridge.channels._channels = MappingProxyType({DEFAULT: limited})
    write_delivery_file(folder / guid_name(), 60, 1)
    flow.clock.advance(hours=7)
    broadcast = taken(flow)
    until(lambda: flow.run(None).state in RESTING, "it is at rest")
    ended = flow.bridge.ledger.broadcasts.get(broadcast.key)
    assert (ended.state, ended.error_code) == (State.FAILED, "start-too-late")


def take_repeatedly(flow: Flow) -> int:
    """How many files are taken in, in the time in which a complete file would be."""
    taken_in = 0
    over = datetime.now(UTC) + timedelta(seconds=4 * SETTLED)

    def take() -> None:
        nonlocal taken_in
        taken_in += take_dropped_files(flow.bridge)

    until(lambda: datetime.now(UTC) > over, "enough rounds", between=take)
    return taken_in


def test_a_dropped_file_is_mailed_once_and_left_where_it_is(flow: Flow, folder: Path) -> None:
    name = guid_name()
    write_delivery_file(folder / name, 60, 1)
    broadcast = taken(flow)
    assert broadcast.request.source is Intake.FILE
    assert broadcast.request.job_id is None
    assert broadcast.key.startswith("D")
    closed = flow.run(None)
    assert (closed.state, closed.error) == (State.CLOSED, None)
    campaign = flow.campaign(closed)
    assert campaign["mails_sent"] == campaign["distinct_recipients_mailed"] == closed.sent
    assert closed.reported_at is not None
    assert take_repeatedly(flow) == 0
    assert [path.name for path in folder.iterdir()] == [name]


def test_a_file_is_taken_when_it_no_longer_grows(flow: Flow, folder: Path) -> None:
    path = folder / "news.txt"
    write_delivery_file(path, 60, 1)
    content = path.read_bytes()
    begun = datetime.now(UTC)
    for end in range(10, 200, 10):
        path.write_bytes(content[:end])
        assert take_dropped_files(flow.bridge) == 0
        if datetime.now(UTC) - begun > timedelta(seconds=SETTLED):
            break
    path.write_bytes(content)
    assert taken(flow).request.delivery_file == "news.txt"


def test_a_file_of_the_same_name_is_another_broadcast_when_it_is_another_file(flow: Flow, folder: Path) -> None:
    path = folder / "news.txt"
    write_delivery_file(path, 30, 1)
    first = taken(flow)
    assert first.key.startswith("F")
    write_delivery_file(path, 40, 2)
    until(lambda: take_dropped_files(flow.bridge) > 0, "the second file taken in")
    assert len({broadcast.key for broadcast in flow.bridge.ledger.broadcasts.newest(10)}) == 2


def test_a_dropped_file_whose_last_line_has_no_end_settles_twice_and_loses_that_row(flow: Flow, folder: Path) -> None:
    watch(flow, place=str(folder), settle_seconds=3600)
    write_delivery_file(folder / "news.txt", 30, 1)
    complete = (folder / "news.txt").read_bytes()
    (folder / "news.txt").write_bytes(complete.rstrip(b"\r\n"))
    claimed = []
    for seconds in (0, 3000, 900, 3000, 900):
        flow.clock.advance(seconds=seconds)
        claimed.append(take_dropped_files(flow.bridge))
    assert claimed == [0, 0, 0, 0, 1]
    closed = flow.run(None)
    assert closed.rows is not None
    assert (closed.state, closed.rows.read) == (State.CLOSED, 30)
    assert flow.bridge.ledger.broadcasts.rejects(closed)["line-unfinished"] == 1
    rejects = b"".join(flow.bridge.rejects.chunks(blob_names.reject_file(closed.key))).decode("utf-8-sig")
    (unfinished,) = [row for row in csv.DictReader(rejects.splitlines()) if row["Reason"] == "line-unfinished"]
    assert unfinished["Line"] == "31"
    assert unfinished["Email"].endswith(complete.splitlines()[-1].decode().split("\t")[1])


def test_a_dropped_file_may_end_without_a_line_end_where_its_channel_says_so(flow: Flow, folder: Path) -> None:
    channel = flow.bridge.channels[DEFAULT]
    layout = channel.delivery_file.model_copy(update={"last_line": "may-end-without"})
    watching = channel.model_copy(update={"delivery_file": layout})
    flow.bridge.channels._channels = MappingProxyType({DEFAULT: watching})
    write_delivery_file(folder / "news.txt", 30, 1)
    (folder / "news.txt").write_bytes((folder / "news.txt").read_bytes().rstrip(b"\r\n"))
    taken(flow)
    closed = flow.run(None)
    assert closed.rows is not None
    assert (closed.state, closed.rows.read) == (State.CLOSED, 30)
    assert "line-unfinished" not in flow.bridge.ledger.broadcasts.rejects(closed)


def test_the_names_of_unfinished_uploads_are_not_claimed(flow: Flow, folder: Path) -> None:
    settings = flow.bridge.settings.model_copy(update={"unfinished_names": "*.busy"})
    flow.bridge = replace(flow.bridge, settings=settings)
    for name in ("a.txt.filepart", "a.txt.crdownload", ".a.txt.x7Gh", "a.txt.BUSY"):
        write_delivery_file(folder / name, 30, 1)
    assert take_repeatedly(flow) == 0


def test_an_extension_in_upper_case_and_a_link_are_claimed(flow: Flow, folder: Path) -> None:
    write_delivery_file(flow.folder / "elsewhere.txt", 30, 1)
    (folder / "LIST.TXT").symlink_to(flow.folder / "elsewhere.txt")
    (folder / "loop.txt").symlink_to("loop.txt")
    assert taken(flow).request.delivery_file == "LIST.TXT"


def test_a_file_that_kept_an_old_time_is_not_claimed_and_says_so_once(
    flow: Flow, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_delivery_file(folder / "news.txt", 30, 1)
    old = datetime.now(UTC).timestamp() - 48 * 3600
    os.utime(folder / "news.txt", (old, old))
    assert take_repeatedly(flow) == 0
    (line,) = [line for line in caplog.messages if "news.txt" in line]
    assert "1 files in its folder are not claimed because they were last changed more than 24 hours ago" in line


def dropped(flow: Flow, folder: Path, name: str = "news.txt") -> Broadcast:
    """A dropped file that was sent."""
    write_delivery_file(folder / name, 30, 1)
    taken(flow)
    closed = flow.run(None)
    assert closed.state is State.CLOSED
    return closed


def touch(path: Path) -> None:
    later = path.stat().st_mtime + 10
    os.utime(path, (later, later))


def write_again(path: Path) -> None:
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content)
    touch(path)


def copy(path: Path) -> None:
    path.with_name("news - Copy.txt").write_bytes(path.read_bytes())


def copy_as_delivery(path: Path) -> None:
    path.with_name(guid_name()).write_bytes(path.read_bytes())


def rename(path: Path) -> None:
    path.rename(path.with_name("old news.txt"))


@pytest.mark.parametrize("change", [touch, write_again, copy, copy_as_delivery, rename])
def test_a_file_is_known_by_its_bytes(
    flow: Flow, folder: Path, change: Callable[[Path], None], name: str, caplog: pytest.LogCaptureFixture
) -> None:
    broadcast = dropped(flow, folder, name)
    change(folder / name)
    assert take_repeatedly(flow) == 0
    assert [one.key for one in flow.bridge.ledger.broadcasts.newest(10)] == [broadcast.key]
    if change in {touch, write_again} and name != "news.txt":
        return  # it is known by its GUID, and not even read
    (note,) = [one.note for one in flow.bridge.ledger.broadcasts.history(broadcast) if "came again" in one.note]
    assert note.endswith("not sent")
    assert sum(broadcast.key in line and "nothing is sent" in line for line in caplog.messages) == 1, "it is said once"


def test_two_copies_that_arrive_at_once_are_one_broadcast(flow: Flow, folder: Path) -> None:
    write_delivery_file(folder / "news.txt", 30, 1)
    copy(folder / "news.txt")
    taken(flow)
    assert take_repeatedly(flow) == 0
    assert len(flow.bridge.ledger.broadcasts.newest(10)) == 1


def test_a_known_file_is_not_read_again(flow: Flow, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dropped(flow, folder)
    copy(folder / "news.txt")
    assert take_repeatedly(flow) == 0
    monkeypatch.setattr("shared.steps.take_dropped_files.DigestingReader", lambda *_: 1 / 0)
    settle_again(flow)
    assert take_repeatedly(flow) == 0


def settle_again(flow: Flow) -> None:
    """As a new process, which has not seen any file yet."""
    flow.bridge = replace(flow.bridge, settled_files=SettledFiles(flow.clock))


def test_the_same_file_for_another_channel_is_another_broadcast(flow: Flow, folder: Path) -> None:
    first = dropped(flow, folder)
    usual = flow.bridge.channels[DEFAULT]
    assert usual.drop is not None
    other = usual.model_copy(update={"drop": usual.drop.model_copy(update={"message_name": "Welcome"})})
    flow.bridge.channels._channels = MappingProxyType({"Other": other, DEFAULT: usual})
    until(lambda: take_dropped_files(flow.bridge) > 0, "the file taken in for the other channel")
    second = flow.run(None)
    assert (second.state, second.request.channel) == (State.CLOSED, "Other")
    assert first.content_digest == second.content_digest


def test_a_changed_file_with_the_same_keys_is_refused(flow: Flow, folder: Path) -> None:
    first = dropped(flow, folder)
    path = folder / "news.txt"
    path.write_bytes(path.read_bytes() + b"\r\n")
    touch(path)
    until(lambda: take_dropped_files(flow.bridge) > 0, "the changed file taken in")
    second = flow.run(None)
    assert (second.error_code, second.repeats_key) == ("already-sent", first.key)
    retry(flow.bridge, second.key, owner="operator", again=True)
    assert flow.run(None).state is State.CLOSED


def test_a_file_that_was_sent_by_a_job_is_refused(flow: Flow, folder: Path, name: str) -> None:
    job_id = flow.order(recipients=30, seed=1)
    first = flow.run(job_id)
    (sent,) = Path(flow.bridge.settings.delivery_files).iterdir()
    (folder / name).write_bytes(sent.read_bytes())
    taken_in = until_taken(flow)
    second = flow.run(None)
    assert (second.key, second.error_code, second.repeats_key) == (taken_in, "already-sent", first.key)


def until_taken(flow: Flow) -> str:
    """Key of the newest broadcast, once a dropped file is taken in."""
    until(lambda: take_dropped_files(flow.bridge) > 0, "a dropped file taken in")
    return flow.bridge.ledger.broadcasts.newest(1)[0].key


def test_a_file_that_cannot_be_read_stops_no_other(flow: Flow, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_delivery_file(folder / "a.txt", 30, 1)
    write_delivery_file(folder / "b.txt", 30, 2)
    location = type(flow.bridge.locations.get(str(folder)))
    opened = location.open

    def refuse(place: Any, name: str) -> Any:
        return 1 / 0 if name == "a.txt" else opened(place, name)

    monkeypatch.setattr(location, "open", refuse)
    assert taken(flow).request.delivery_file == "b.txt"


def test_a_file_that_was_touched_after_it_was_taken_in_is_sent(flow: Flow, folder: Path) -> None:
    write_delivery_file(folder / "news.txt", 30, 1)
    taken(flow)
    touch(folder / "news.txt")
    assert flow.run(None).state is State.CLOSED


@pytest.mark.sqlite
@pytest.mark.parametrize("early", [False, True], ids=["touched later", "touched before"])
def test_an_upgrade_with_a_full_folder_mails_nobody(flow: Flow, folder: Path, name: str, *, early: bool) -> None:
    """The version before knows a file by its time; then it is read, and known by its bytes."""
    broadcast = dropped(flow, folder, name)
    migrate_from_version_5(flow.bridge)
    before = flow.bridge.ledger.broadcasts.get(broadcast.key)
    assert before.content_digest is None
    settle_again(flow)
    if not early:
        assert take_repeatedly(flow) == 0
        after = flow.bridge.ledger.broadcasts.get(broadcast.key)
        assert (after.content_digest, after.version) == (broadcast.content_digest, before.version)
    touch(folder / name)
    copy(folder / name)
    take_repeatedly(flow)
    flow.run(None)
    newest = flow.bridge.ledger.broadcasts.newest(10)
    assert {one.error_code for one in newest} <= {None, "already-sent"}
    assert [one.key for one in newest if one.state is State.CLOSED] == [broadcast.key]
    assert sum(one["mails_sent"] for mailed in newest for one in flow.copies(mailed)) == broadcast.sent
    if not early:
        assert len(newest) == 1


@pytest.mark.sqlite
def test_a_file_that_the_version_before_took_in_is_staged_if_it_has_not_changed(flow: Flow, folder: Path) -> None:
    for name, seed in (("same.txt", 1), ("changed.txt", 2)):
        write_delivery_file(folder / name, 30, seed)
    until(lambda: take_dropped_files(flow.bridge) == 2, "both files taken in")
    migrate_from_version_5(flow.bridge)
    touch(folder / "changed.txt")
    flow.clock.advance(hours=1)

    def at_rest() -> bool:
        housekeeping(flow.bridge)
        flow.deliver()
        return all(one.state in RESTING for one in flow.bridge.ledger.broadcasts.newest(10))

    until(at_rest, "both broadcasts at rest")
    codes = {one.request.delivery_file: one.error_code for one in flow.bridge.ledger.broadcasts.newest(10)}
    assert codes == {"same.txt": None, "changed.txt": "delivery-file-changed"}


def test_a_file_that_changes_between_its_check_and_its_reading_is_not_mailed(flow: Flow, folder: Path) -> None:
    path = folder / "news.txt"
    write_delivery_file(path, 30, 1)
    taken(flow)
    write_delivery_file(path, 40, 2)
    failed = flow.run(None)
    assert (failed.state, failed.error_code) == (State.FAILED, "delivery-file-changed")


def test_old_files_of_a_folder_are_left_alone(flow: Flow, folder: Path) -> None:
    path = folder / "news.txt"
    write_delivery_file(path, 30, 1)
    long_ago = (datetime.now(UTC) - timedelta(hours=25)).timestamp()
    os.utime(path, (long_ago, long_ago))
    assert take_repeatedly(flow) == 0
    watch(flow, place=str(folder), newest_hours=26)
    assert taken(flow).request.delivery_file == "news.txt"


def test_a_folder_that_cannot_be_read_stops_no_other(flow: Flow, folder: Path) -> None:
    write_delivery_file(folder / "news.txt", 30, 1)
    good = flow.bridge.channels[DEFAULT]
    assert good.drop is not None
    bad = good.model_copy(update={"drop": good.drop.model_copy(update={"place": str(folder / "nowhere")})})
    flow.bridge.channels._channels = MappingProxyType({"a": bad, DEFAULT: good})
    assert taken(flow).request.channel == DEFAULT


def test_a_channel_that_watches_no_folder_any_more_says_so(flow: Flow, folder: Path) -> None:
    write_delivery_file(folder / "news.txt", 30, 1)
    taken(flow)
    flow.bridge.channels._channels = Channels()._channels
    failed = flow.run(None)
    assert (failed.state, failed.error_code) == (State.FAILED, "drop-missing")


def test_a_blob_whose_metadata_is_set_or_that_is_uploaded_again_is_known(flow: Flow) -> None:
    container = flow.bridge.lists._container

    def set_metadata(name: str) -> None:
        container.get_blob_client(f"dropped/{name}").set_blob_metadata({"scanned": "yes"})

    check_known_by_bytes(flow, f"container:{flow.bridge.settings.staging_container}/dropped", set_metadata)


def test_a_file_on_an_sftp_site_that_is_uploaded_again_is_known(flow: Flow) -> None:
    sites = {"site": flow.bridge.site}
    flow.bridge = replace(flow.bridge, locations=Locations(flow.bridge.locations._service, sites))
    check_known_by_bytes(flow, "sftp:site")


def check_known_by_bytes(flow: Flow, place: str, *more: Callable[[str], None]) -> None:
    """Send a file that is dropped into this location, then change everything about it but its bytes."""
    tag = uuid.uuid4().hex
    watch(flow, place=place, pattern=f"{tag}*.txt")
    location, local = flow.bridge.locations.get(place), flow.folder / "news.txt"
    write_delivery_file(local, 30, 1)

    def upload(name: str) -> None:
        location.write(name, [local.read_bytes()])

    def files() -> list[tuple[str, datetime]]:
        return [(file.name, file.modified) for file in location.list_files(f"{tag}*.txt")]

    upload(f"{tag}.txt")
    taken(flow)
    closed = flow.run(None)
    assert closed.state is State.CLOSED
    for change in (*more, upload, lambda _name: upload(f"{tag} - Copy.txt")):
        before = files()
        # Servers keep times in seconds.
        until(lambda: files() != before, "another time", between=partial(change, f"{tag}.txt"))  # noqa: B023
        assert take_repeatedly(flow) == 0
    assert [one.key for one in flow.bridge.ledger.broadcasts.newest(10)] == [closed.key]


def test_a_file_is_settled_when_it_has_not_changed_for_the_time() -> None:
    clock = MovableClock(datetime(2026, 1, 1, tzinfo=UTC))
    settled_files = SettledFiles(clock)

    def is_settled(size: int) -> bool:
        file = LocatedFile(name="a", size=size, modified=datetime(2026, 1, 1, tzinfo=UTC))
        return settled_files.is_settled("channel", file, settle_seconds=60)

    seen = []
    for seconds, size in ((0, 1), (59, 1), (60, 2), (119, 2), (120, 2)):
        clock.ahead = timedelta(seconds=seconds)
        seen.append(is_settled(size))
    assert seen == [False, False, False, False, True]
