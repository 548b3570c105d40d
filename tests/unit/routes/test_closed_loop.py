"""Which Smart Campaign is the copy that the closed-loop service made: what proves it, and what does not."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, cast

import pytest

from shared.broadcast import RouteKind, RowCounts, State
from shared.config.channels import Channel, Channels, ClosedLoop
from shared.errors import (
    AlreadyStarted,
    BridgeError,
    CopyAmbiguous,
    CopyNotSeen,
    CopyPossible,
    CopyUnproven,
    ListFileStillThere,
    OptimizelyAnswerInvalid,
    OptimizelyLoginRefused,
    OptimizelyRefused,
)
from shared.ledger.broadcasts import Broadcasts
from shared.optimizely.rest.answers import Message, RecipientListField, SmartCampaign
from shared.optimizely.rest.client import OptimizelyRest
from shared.routes.closed_loop import ClosedLoopRoute, ClosedLoopUpload
from shared.sftp.site import SftpSite
from tests.builders import NOON, make_broadcast, make_request

KEY, OTHER = "J1-0a1b2c3d", "J2-0a1b2c3d"
UPLOADED = 60
SOURCE = 10
#: Lists by what their rows have as BroadcastKey; the last one has no such field.
OURS, THEIRS, MIXED, BLANK, WITHOUT_FIELD = 1, 2, 3, 4, 5
KEYS = {OURS: (KEY,), THEIRS: (OTHER,), MIXED: ("", OTHER, KEY), BLANK: ("",)}


@dataclass
class FakeRest:
    """Smart Campaigns by id, and how many recipients each list has."""

    campaigns: dict[int, SmartCampaign] = field(default_factory=dict)
    counts: dict[int, int] = field(default_factory=dict)
    #: What the request for the keys on a list ends with.
    refusal: BridgeError | None = None

    def add(self, number: int, name: str, *lists: int, created: datetime | None = NOON) -> None:
        self.campaigns[number] = SmartCampaign(
            id=number, name=name, status="running", created=created, recipient_list_ids=lists
        )

    def select_smart_campaigns(self, *, newest_first: bool) -> Iterator[SmartCampaign]:
        assert newest_first
        return iter(sorted(self.campaigns.values(), key=lambda each: (each.created or NOON, each.id), reverse=True))

    def get_smart_campaign(self, number: int) -> SmartCampaign:
        return self.campaigns[number]

    def get_recipient_list_fields(self, number: int) -> tuple[RecipientListField, ...]:
        names = ("Email",) if number == WITHOUT_FIELD else ("Email", "broadcast_key")
        return tuple(RecipientListField(internal_name=name, required=False) for name in names)

    def retrieve_distinct_values(self, number: int, name: str) -> tuple[str, ...]:
        assert name == "broadcast_key"
        if self.refusal is not None:
            raise self.refusal
        return KEYS[number]

    def count_recipients(self, number: int) -> int:
        return self.counts.get(number, UPLOADED - 2)

    def get_messages(self, number: int) -> tuple[Message, ...]:
        return (Message(mailing_id=number * 10),)


class FakeSite:
    """A site that has the list file or not."""

    def __init__(self) -> None:
        self.present = False

    @contextmanager
    def connect(self) -> Iterator["FakeSite"]:
        yield self

    def find(self, _path: str) -> object:
        return object() if self.present else None

    def exists(self, _path: str) -> bool:
        return self.present


class FakeBroadcasts:
    """A ledger that knows whose some Smart Campaigns are."""

    def __init__(self) -> None:
        self.owners: dict[int, str] = {}

    def by_campaign(self, campaign_ids: Iterable[int]) -> dict[int, str]:
        return {number: self.owners[number] for number in campaign_ids if number in self.owners}


BEFORE = ClosedLoopUpload(newest=NOON - timedelta(hours=1), ids=(SOURCE,), renaming=True)
BROADCAST = make_broadcast(
    State.IMPORTING,
    request=make_request(key=KEY, route=RouteKind.CLOSED_LOOP),
    source_campaign_id=SOURCE,
    rows=RowCounts(read=UPLOADED, uploaded=UPLOADED, rejected=0, duplicates=0, suppressed=0),
)


class World:
    def __init__(self) -> None:
        self.rest, self.site, self.broadcasts = FakeRest(), FakeSite(), FakeBroadcasts()
        self.rest.add(SOURCE, "Spring", created=NOON - timedelta(hours=1))

    def route(self, copy_name: str = "{campaign}*") -> ClosedLoopRoute:
        channels = Channels({"default": Channel(closed_loop=ClosedLoop(copy_name=copy_name))})
        rest, site, broadcasts = (cast("Any", each) for each in (self.rest, self.site, self.broadcasts))
        _: tuple[OptimizelyRest, SftpSite, Broadcasts] = (rest, site, broadcasts)
        return ClosedLoopRoute(rest, site, channels, broadcasts)

    def adopted(self, copy_name: str = "{campaign}*") -> object:
        return self.route(copy_name).import_status(BROADCAST, BEFORE).columns.get("campaign_id")


@pytest.fixture
def world() -> World:
    return World()


@pytest.mark.parametrize("copy", [OURS, MIXED], ids=["only", "among others"])
def test_a_copy_whose_list_holds_the_key_is_adopted(world: World, copy: int) -> None:
    world.rest.add(20, "Spring, wave 5", copy)
    status = world.route().import_status(BROADCAST, BEFORE)
    assert status.columns == {"campaign_id": 20, "mailing_id": 200}
    assert (status.recipients, status.transferred) == (UPLOADED - 2, UPLOADED)


@pytest.mark.parametrize("copy", [BLANK, WITHOUT_FIELD], ids=["no key", "no field"])
def test_without_any_key_exactly_the_uploaded_count_is_proof_and_nothing_else(world: World, copy: int) -> None:
    world.rest.add(20, "Spring, wave 5", copy)
    for count in (UPLOADED - 1, UPLOADED + 1, 0):
        world.rest.counts[copy] = count
        assert world.adopted() is None, "although it is the only candidate"
    world.rest.counts[copy] = UPLOADED
    assert world.adopted() == 20


@pytest.mark.parametrize(
    "refusal",
    [
        OptimizelyRefused(operation="retrieveDistinctValues", status=400),
        OptimizelyLoginRefused(operation="retrieveDistinctValues", status=403),
    ],
)
def test_a_list_whose_keys_cannot_be_read_proves_by_its_count_only(world: World, refusal: BridgeError) -> None:
    world.rest.refusal = refusal
    world.rest.add(20, "Spring, wave 5", OURS)
    assert world.adopted() is None
    world.rest.counts[OURS] = UPLOADED
    assert world.adopted() == 20


def test_keys_that_were_not_answered_are_asked_for_again(world: World) -> None:
    """An odd answer of a proxy must not turn the count into a proof."""
    world.rest.refusal = OptimizelyAnswerInvalid(operation="retrieveDistinctValues", reason="a page")
    world.rest.add(20, "Spring, wave 5", OURS)
    world.rest.counts[OURS] = UPLOADED
    with pytest.raises(OptimizelyAnswerInvalid):
        world.adopted()


def test_a_list_with_the_keys_of_others_proves_nothing_whatever_its_count(world: World) -> None:
    world.rest.add(20, "Spring by hand", THEIRS)
    world.rest.counts[THEIRS] = UPLOADED
    assert world.adopted() is None
    assert world.route().import_status(BROADCAST, BEFORE).waiting_for.endswith("(20)")


@pytest.mark.parametrize("lists", [(), (OURS, THEIRS)], ids=["none", "two"])
def test_a_copy_with_other_than_one_list_is_not_adopted(world: World, lists: tuple[int, ...]) -> None:
    world.rest.add(20, "Spring, wave 5", *lists)
    assert world.adopted() is None


@pytest.mark.parametrize("pattern", ["{campaign}*", "*"])
def test_what_the_ledger_knows_or_carries_another_key_is_no_candidate(world: World, pattern: str) -> None:
    world.rest.add(20, "Spring batch", OURS)
    world.broadcasts.owners[20] = OTHER
    world.rest.add(21, f"Spring [{OTHER}]", OURS)
    world.rest.add(22, f"Spring 7_{OTHER.upper()}", OURS)
    world.rest.add(23, f"Spring {KEY} {OTHER}", OURS)
    world.rest.add(24, f"Spring D{'a' * 32}", OURS)
    assert world.adopted(pattern) is None
    world.rest.add(25, f"Spring 7_{KEY.upper()}", OURS)
    assert world.adopted(pattern) == 25
    world.broadcasts.owners[25] = KEY
    assert world.adopted(pattern) == 25, "a repeat finds what it recorded"


def test_a_key_in_the_name_of_the_source_is_no_other_broadcasts(world: World) -> None:
    world.rest.add(SOURCE, f"Spring [{OTHER}] again", created=NOON - timedelta(hours=1))
    world.rest.add(20, f"Spring [{OTHER}] again, wave 5", OURS)
    assert world.adopted() == 20


def test_the_broadcasts_key_in_the_agreed_name_is_proof_of_a_single_copy(world: World) -> None:
    world.rest.add(20, f"Spring 7_{KEY}")
    status = world.route("{campaign}*{broadcast}*").import_status(BROADCAST, BEFORE)
    assert (status.begun, status.recipients) == (True, None), "it has no list yet"
    world.rest.add(20, f"Spring 7_{KEY}", THEIRS)
    assert world.adopted("{campaign}*{broadcast}*") == 20
    world.rest.add(21, f"Spring 7_{KEY} (2)", OURS)
    assert world.adopted("{campaign}*{broadcast}*") == 21, "of several, the list decides"


def test_copies_of_before_the_upload_are_no_candidates_in_whatever_order_they_come(world: World) -> None:
    world.rest.add(20, "Spring early", OURS, created=NOON - timedelta(hours=2))
    world.rest.add(21, "Spring without time", OURS, created=None)
    world.rest.add(22, "Spring by hand", THEIRS, created=NOON + timedelta(minutes=1))
    assert world.adopted() is None
    world.rest.add(23, "Spring, wave 5", OURS, created=NOON)
    assert world.adopted() == 23


def test_several_copies_with_the_broadcasts_list_are_ambiguous(world: World) -> None:
    world.rest.add(20, "Spring, wave 5", OURS)
    world.rest.add(21, "Spring, wave 5 by hand", OURS)
    with pytest.raises(CopyAmbiguous, match=r"21, 20\b.*--started --campaign ID.*--not-started"):
        world.route().import_status(BROADCAST, BEFORE)


def test_without_a_proved_copy_the_end_names_the_candidates(world: World) -> None:
    assert isinstance(world.route().not_imported(BROADCAST, BEFORE, 5), CopyNotSeen)
    world.rest.add(20, "Spring by hand", THEIRS)
    error = world.route().not_imported(BROADCAST, BEFORE, 5)
    assert isinstance(error, CopyUnproven)
    assert error.campaigns == "20"
    for command in ("--started --campaign ID", "--not-started` with `--not-campaign ID"):
        assert f"resolve {KEY} {command}" in str(error)


# Before its list is uploaded again


def test_a_proved_copy_is_a_start_whatever_an_operator_says(world: World) -> None:
    world.rest.add(20, "Spring, wave 5", OURS)
    with pytest.raises(AlreadyStarted, match="--started --campaign 20"):
        world.route().check_not_started(BROADCAST, BEFORE, not_copies=[20])


def test_candidates_have_to_be_excluded_one_by_one(world: World) -> None:
    world.rest.add(20, "Spring by hand", THEIRS)
    world.rest.add(21, "Spring of a recycled list", BLANK)
    for excluded, left in (((), "21, 20"), ((20,), "21"), ((21,), "20")):
        with pytest.raises(CopyPossible) as possible:
            world.route().check_not_started(BROADCAST, BEFORE, not_copies=excluded)
        assert possible.value.campaigns == left
    assert world.route().check_not_started(BROADCAST, BEFORE, not_copies=[20, 21])


def test_a_file_in_the_folder_can_still_be_taken(world: World) -> None:
    world.site.present = True
    with pytest.raises(ListFileStillThere, match=f"/closedloop/_{KEY}.csv"):
        world.route().check_not_started(BROADCAST, BEFORE, not_copies=())
    world.site.present = False
    assert world.route().check_not_started(BROADCAST, BEFORE, not_copies=())
    never_renamed = ClosedLoopUpload(newest=BEFORE.newest, ids=BEFORE.ids)
    assert not world.route().check_not_started(BROADCAST, never_renamed, not_copies=())


def test_an_upload_that_the_ledger_does_not_know_is_searched_for_as_well(world: World) -> None:
    route = world.route()
    world.rest.add(20, "Spring by hand", THEIRS, created=NOON - timedelta(days=2))
    assert not route.check_not_started(BROADCAST, None, not_copies=())
    world.site.present = True
    with pytest.raises(ListFileStillThere):
        route.check_not_started(BROADCAST, None, not_copies=())
    world.rest.add(21, "Spring, wave 5", OURS, created=NOON - timedelta(minutes=5))
    with pytest.raises(AlreadyStarted, match="--started --campaign 21"):
        route.check_not_started(BROADCAST, None, not_copies=())
    assert not route.check_not_started(replace(BROADCAST, source_campaign_id=None), None, not_copies=())


def test_a_file_that_was_taken_back_is_with_nobody(world: World) -> None:
    recalled = replace(BEFORE, recalled=True)
    assert not world.route().check_not_started(BROADCAST, recalled, not_copies=())
