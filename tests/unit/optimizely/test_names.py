"""Names are resolved to exactly one id and cached for a minute; errors are not cached."""

import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from shared.errors import ListAmbiguous, ListUnknown, MessageAmbiguous, MessageUnknown
from shared.ledger.broadcasts import Broadcasts
from shared.optimizely.names import Names, SourceMessage
from shared.optimizely.rest.answers import Message, RecipientList, SendingBatch, SmartCampaign
from shared.optimizely.rest.client import OptimizelyRest
from tests.clocks import MovableClock


class FakeBroadcasts:
    """A fake ledger: the Smart Campaigns and the batches that were made for broadcasts."""

    def __init__(self) -> None:
        self.campaigns: dict[int, str] = {}
        self.tags: set[str] = set()

    def by_campaign(self, campaign_ids: Iterable[int]) -> dict[int, str]:
        return {number: self.campaigns[number] for number in campaign_ids if number in self.campaigns}

    def with_unknown_batch(self) -> set[str]:
        return self.tags


class FakeRest:
    """A fake REST API: its lists can change between two requests, and the requests are counted."""

    def __init__(self) -> None:
        self.lists: list[tuple[int, str]] = [(1, "Customers"), (2, "Twice"), (3, "Twice")]
        self.campaigns: list[tuple[int, str, list[tuple[int, str]]]] = [
            (10, "Spring", [(100, "Spring Newsletter")]),
            (11, "Spring Newsletter [J12-0a1b2c3d]", [(101, "Spring Newsletter")]),
            (12, "A", [(102, "Same")]),
            (13, "B", [(103, "Same"), (104, "Other")]),
            (14, "Split", [(105, "Twins"), (106, "Twins")]),
        ]
        self.requests = 0
        self.statuses: set[str | None] = set()

    def select_recipient_lists(self) -> Iterator[RecipientList]:
        self.requests += 1
        return (RecipientList(id=number, name=name, recipients=0) for number, name in self.lists)

    def select_smart_campaigns(self, status: str | None = None, *, detailed: bool) -> Iterator[SmartCampaign]:
        assert detailed
        self.requests += 1
        self.statuses.add(status)
        return (
            SmartCampaign(
                id=number,
                name=name,
                status=status or "",
                messages=tuple(Message(mailing_id=mailing, name=message) for mailing, message in messages),
            )
            for number, name, messages in self.campaigns
        )

    def select_sending_batches(self) -> Iterator[SendingBatch]:
        self.requests += 1
        yield SendingBatch(id=1, campaign_id=13, recipient_list_id=7, tag="J13-0a1b2c3d", state="initiated")


@pytest.fixture
def rest() -> FakeRest:
    return FakeRest()


@pytest.fixture
def broadcasts() -> FakeBroadcasts:
    return FakeBroadcasts()


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock(datetime(2026, 3, 1, tzinfo=UTC))


@pytest.fixture
def names(rest: FakeRest, broadcasts: FakeBroadcasts, clock: MovableClock) -> Names:
    return Names(cast("OptimizelyRest", rest), cast("Broadcasts", broadcasts), clock=clock)


def test_a_list_name_is_resolved_to_the_only_list_that_has_it(names: Names) -> None:
    assert names.get_list_id("Customers") == 1
    with pytest.raises(ListUnknown, match="'customers'"):
        names.get_list_id("customers")
    with pytest.raises(ListAmbiguous, match="2 recipient lists named 'Twice'"):
        names.get_list_id("Twice")


def test_a_message_is_of_a_smart_campaign_that_can_be_sent_and_is_not_a_copy(names: Names, rest: FakeRest) -> None:
    message = names.get_message("Spring Newsletter")
    assert message == SourceMessage(
        campaign_id=10, campaign_name="Spring", message_name="Spring Newsletter", mailing_id=100
    )
    assert rest.statuses == {"activationRequired"}


def test_a_smart_campaign_that_the_ledger_knows_is_a_copy_whatever_its_name(
    names: Names, broadcasts: FakeBroadcasts
) -> None:
    broadcasts.campaigns = {12: "J12-0a1b2c3d"}
    assert names.get_message("Same").campaign_id == 13
    assert [message.campaign_id for message in names.messages()] == [13, 13, 10, 14, 14]


def test_the_smart_campaign_of_a_batch_that_is_not_recorded_yet_is_a_copy(
    names: Names, broadcasts: FakeBroadcasts
) -> None:
    broadcasts.tags = {"J13-0a1b2c3d"}
    assert names.get_message("Same").campaign_id == 12
    broadcasts.tags = {"J14-0a1b2c3d"}
    with pytest.raises(MessageUnknown):
        names.get_message("Nothing")
    assert names.get_message("Other").campaign_id == 13, "a batch of somebody else is no copy of ours"


def test_the_message_is_found_in_a_smart_campaign_with_several(names: Names) -> None:
    assert names.get_message("Other") == SourceMessage(
        campaign_id=13, campaign_name="B", message_name="Other", mailing_id=104
    )


@pytest.mark.parametrize(
    ("name", "error"), [("Nothing", MessageUnknown), ("Same", MessageAmbiguous), ("Twins", MessageAmbiguous)]
)
def test_a_message_name_that_matches_none_or_several_is_an_error(
    names: Names, name: str, error: type[Exception]
) -> None:
    with pytest.raises(error, match=repr(name)):
        names.get_message(name)


type Lookup = Callable[[Names], Any]
type Removal = Callable[[FakeRest], None]
LOOKUPS: list[tuple[Lookup, Removal]] = [
    (lambda names: names.get_list_id("Customers"), lambda rest: rest.lists.clear()),
    (lambda names: names.get_message("Other"), lambda rest: rest.campaigns.clear()),
]


@pytest.mark.parametrize(("lookup", "remove"), LOOKUPS, ids=["list", "message"])
def test_a_name_is_cached_for_a_minute(
    names: Names,
    rest: FakeRest,
    clock: MovableClock,
    lookup: Lookup,
    remove: Removal,
) -> None:
    value = lookup(names)
    remove(rest)
    clock.advance(seconds=59.9)
    assert lookup(names) == value
    assert rest.requests == 1
    clock.advance(seconds=0.2)
    with pytest.raises((ListUnknown, MessageUnknown)):
        lookup(names)
    assert rest.requests == 2


@pytest.mark.parametrize(("lookup", "remove"), LOOKUPS, ids=["list", "message"])
def test_an_error_is_not_cached(names: Names, rest: FakeRest, lookup: Lookup, remove: Removal) -> None:
    lists, campaigns = list(rest.lists), list(rest.campaigns)
    remove(rest)
    with pytest.raises((ListUnknown, MessageUnknown)):
        lookup(names)
    rest.lists, rest.campaigns = lists, campaigns
    assert lookup(names)


def test_threads_may_look_up_names_at_once(names: Names) -> None:
    together = threading.Barrier(8)

    def ask(_: int) -> tuple[int, int]:
        together.wait(30)
        return names.get_list_id("Customers"), names.get_message("Other").mailing_id

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(ask, range(8))) == {(1, 104)}
