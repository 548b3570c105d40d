"""Sets of response files, loaded through the real step: the rows end as the multiset of events, always (rule 6)."""

import itertools
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import reduce
from operator import or_
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import ColumnElement, Connection, Table, select

from shared.errors import ResponseFileBusy
from shared.faststats.schema_map.names import RsDbSchema
from shared.ledger import tables
from shared.ledger.responses import counts as response_counts
from shared.ledger.responses import move as responses_move
from shared.ledger.responses import staging as responses
from shared.operations.responses import add_file, load_again
from shared.response_file import LoadCounts
from shared.steps import load_responses as step
from tests.databases import ZONE
from tests.flow.harness import Flow, until

#: Side by side.
LOADERS = 3
EXAMPLES = itertools.count(1)
HEADER = "Urn;CommunicationKey;MessageType;EventTriggeredDate;ClickUrl;Browser\n"


class Event(NamedTuple):
    """What distinguishes events in these files."""

    recipient: int
    message_type: str
    minute: int
    url: str


EVENTS = st.builds(
    Event,
    recipient=st.integers(1, 4),
    message_type=st.sampled_from(["Send", "Open", "Click"]),
    minute=st.integers(0, 3),
    url=st.sampled_from(["", "https://example.org/?a=1"]),
)


@st.composite
def sets_of_files(draw: st.DrawFn) -> tuple[Counter[Event], list[list[Event]]]:
    """Events, some of them several times, and files of which each has a part; together they have all."""
    happened = Counter(draw(st.dictionaries(EVENTS, st.integers(1, 3), min_size=1, max_size=25)))
    files: list[list[Event]] = [[] for _ in range(draw(st.integers(1, 4)))]
    for event, times in happened.items():
        whole = draw(st.integers(0, len(files) - 1))
        for number, file in enumerate(files):
            file.extend([event] * (times if number == whole else draw(st.integers(0, times))))
    return happened, [draw(st.permutations(file)) for file in files]


def content(file: list[Event], tag: str) -> str:
    rows = (
        f"{tag}-{event.recipient};;{event.message_type};01.03.2026 12:{event.minute:02};{event.url};B{number}\n"
        for number, event in enumerate(file)
    )
    return HEADER + "".join(rows)


def result(flow: Flow, tag: str) -> Counter[Event]:
    """The rows of `Response` as events."""
    response = RsDbSchema(ZONE).response
    noon = datetime(2026, 3, 1, 11, tzinfo=UTC)  # 12:00 in Berlin
    wanted = select(response.c.urn, response.c.message_type, response.c.event_triggered_date, response.c.click_url)
    with flow.bridge.rs_database.reading() as connection:
        rows = connection.execute(wanted.where(response.c.urn.like(f"{tag}-%"))).all()
    return Counter(
        Event(int(urn.rpartition("-")[2]), kind, (moment - noon) // timedelta(minutes=1), url or "")
        for urn, kind, moment, url in rows
    )


def kept_with(flow: Flow, tag: str, rows: Table, response_id: ColumnElement[int]) -> int:
    """How many rows of another table belong to the rows of `Response`, one to each."""
    response = RsDbSchema(ZONE).response
    ours = select(response.c.id).where(response.c.urn.like(f"{tag}-%"))
    with flow.bridge.rs_database.reading() as connection:
        ids = connection.scalars(select(response_id).select_from(rows).where(response_id.in_(ours))).all()
    assert len(set(ids)) == len(ids)
    return len(ids)


def assert_whole(flow: Flow, tag: str, happened: Counter[Event]) -> None:
    """`Response` has these events, and each row has its detail, its record as an event, and waits for its broadcast."""
    assert result(flow, tag) == happened
    details, total = RsDbSchema(ZONE).response_details, happened.total()
    assert kept_with(flow, tag, details, details.c.id) == total
    assert kept_with(flow, tag, tables.response_event, tables.response_event.c.response_id) == total
    assert kept_with(flow, tag, tables.unmatched_response, tables.unmatched_response.c.response_id) == total


def loaded(flow: Flow, path: Path) -> LoadCounts:
    """Load a file as `bridge responses load` does; when somebody else is at it, after him."""
    counts: list[LoadCounts] = []

    def load() -> bool:
        try:
            counts.append(load_again(flow.bridge, add_file(flow.bridge, path).id))
        except ResponseFileBusy:
            return False
        return True

    until(load, f"{path.name} loaded")
    return counts[0]


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(drawn=sets_of_files(), data=st.data())
def test_any_files_in_any_order_any_number_of_times_side_by_side_end_in_the_events_that_happened(
    flow: Flow, tmp_path: Path, drawn: tuple[Counter[Event], list[list[Event]]], data: st.DataObject
) -> None:
    happened, files = drawn
    tag = f"X{next(EXAMPLES)}"
    assert reduce(or_, map(Counter, files)) == happened
    paths = []
    for number, file in enumerate(files):
        path = tmp_path / f"Response-{tag}-{number}.csv"
        path.write_text(content(file, tag))
        paths.append(path)
        if data.draw(st.booleans(), "comes again under another name"):
            again = tmp_path / f"Response-{tag}-{number}-again.csv"
            again.write_text(path.read_text())
            paths.append(again)
    order = data.draw(st.permutations(paths + data.draw(st.lists(st.sampled_from(paths), max_size=3))), "order")

    with ThreadPoolExecutor(LOADERS) as loaders:
        counts = list(loaders.map(lambda path: loaded(flow, path), order))

    assert_whole(flow, tag, happened)
    assert sum(one.loaded for one in counts) == happened.total()
    assert all(one.read == one.loaded + one.known + one.rejected for one in counts)
    assert sum((Counter(one.by_type) for one in counts), Counter()) == Counter(
        event.message_type for event in happened.elements()
    )
    for path in paths:
        assert loaded(flow, path).loaded == 0
    assert_whole(flow, tag, happened)
    for path in paths:
        path.unlink()


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(events=st.lists(EVENTS, min_size=1, max_size=30), cuts=st.lists(st.integers(0, 30), max_size=4))
def test_a_file_that_is_split_shows_the_same_as_a_whole_one(
    flow: Flow, tmp_path: Path, events: list[Event], cuts: list[int]
) -> None:
    """Where no two equal events stand in different parts, the parts are worth the whole."""
    tag = f"Y{next(EXAMPLES)}"
    events = sorted(events)
    starts = [number for number in range(1, len(events)) if events[number] != events[number - 1]]
    at = sorted({starts[cut % len(starts)] for cut in cuts}) if starts else []
    parts = [events[first:last] for first, last in itertools.pairwise([0, *at, len(events)])]
    for number, part in enumerate([*parts, events]):
        path = tmp_path / f"Response-{tag}-{number}.csv"
        path.write_text(content(part, tag))
        assert loaded(flow, path).loaded == (0 if number == len(parts) else len(part))
    assert_whole(flow, tag, Counter(events))


def test_what_is_new_is_asked_and_written_in_one_transaction_that_has_its_turn(
    flow: Flow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Chance seldom lets two loads meet between the two, so the sets of files above would not show it."""
    did: list[tuple[str, object]] = []

    def watch(module: ModuleType, name: str) -> None:
        real = getattr(module, name)

        def noted(connection: Connection, *arguments: Any, **named: Any) -> Any:
            did.append((name, connection.get_transaction()))
            return real(connection, *arguments, **named)

        monkeypatch.setattr(module, name, noted)

    for module, name in (
        (responses_move, "acquire_lock"),
        (responses, "number_new"),
        (responses, "record"),
        (response_counts, "count_load"),
        (step, "record_load"),
    ):
        watch(module, name)
    path = tmp_path / "Response-Z.csv"
    path.write_text(content([Event(1, "Open", 0, "")], "Z"))
    assert loaded(flow, path).loaded == 1
    assert [name for name, _ in did] == ["acquire_lock", "number_new", "record", "count_load", "record_load"]
    assert len({id(transaction) for _, transaction in did}) == 1
