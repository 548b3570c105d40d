"""Delivery files that are dropped into the folder of a channel: each becomes one broadcast once it is complete."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from local.faststats.delivery_file_generator import delivery_file_name, write_delivery_file
from shared.broadcast import Broadcast, Intake, State
from shared.config.channels import DEFAULT, Channel, Channels, Drop
from shared.files.locations import LocatedFile
from shared.files.settled_files import SettledFiles
from shared.steps.take_dropped_files import take_dropped_files
from tests.clocks import MovableClock
from tests.flow.harness import Flow, until

#: Seconds; what a file that is whole does not change for.
SETTLED = 0.05


@pytest.fixture
def folder(flow: Flow) -> Path:
    """The folder that the default channel watches."""
    path = flow.folder / "dropped"
    path.mkdir()
    watch(flow, place=str(path))
    return path


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
    name = delivery_file_name("Customers", 1)
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


def test_a_container_can_be_watched(flow: Flow) -> None:
    container = flow.bridge.settings.staging_container
    watch(flow, place=f"container:{container}/dropped")
    local = flow.folder / "news.txt"
    write_delivery_file(local, 30, 1)
    flow.bridge.locations.get(f"container:{container}/dropped").write("news.txt", [local.read_bytes()])
    taken(flow)
    assert flow.run(None).state is State.CLOSED


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
