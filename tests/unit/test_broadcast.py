"""A broadcast, its states and its legal transitions."""

import re
from dataclasses import FrozenInstanceError
from datetime import datetime, timedelta, timezone
from itertools import pairwise, product

import pytest

from shared.broadcast import (
    BEFORE_UPLOAD,
    ENDED,
    ORDER,
    RESTING,
    TRANSITIONS,
    RowCounts,
    State,
    job_key,
)
from shared.errors import IllegalTransition
from tests.builders import NOON, make_broadcast

#: The states of docs/reference/map.md, written out by hand.
LEGAL = {
    State.CLAIMED: "staged failed cancelled needs_operator",
    State.STAGED: "prepared failed cancelled needs_operator",
    State.PREPARED: "uploaded claimed failed cancelled needs_operator",
    State.UPLOADED: "importing imported failed cancelled needs_operator",
    State.IMPORTING: "imported failed cancelled needs_operator",
    State.IMPORTED: "sending closed failed cancelled needs_operator",
    State.SENDING: "sent failed needs_operator",
    State.SENT: "closed failed needs_operator",
    State.CLOSED: "",
    State.FAILED: "claimed staged",
    State.CANCELLED: "",
    State.NEEDS_OPERATOR: "staged imported sending",
}


@pytest.mark.parametrize(("was", "to"), list(product(State, State)))
def test_exactly_the_transitions_of_the_design_are_legal(was: State, to: State) -> None:
    if to in LEGAL[was].split():
        make_broadcast(was).check_transition(to)
    else:
        with pytest.raises(IllegalTransition) as caught:
            make_broadcast(was).check_transition(to)
        assert caught.value.fields() == {"broadcast": "J1-00000000", "state": was, "change": f"become {to}"}


def test_every_state_has_its_transitions() -> None:
    assert TRANSITIONS.keys() == set(State)


def test_a_broadcast_can_go_all_the_way() -> None:
    for was, to in pairwise(ORDER):
        make_broadcast(was).check_transition(to)


def test_a_broadcast_that_may_have_mailed_somebody_cannot_be_cancelled() -> None:
    assert {state for state in State if State.CANCELLED in TRANSITIONS[state]}.isdisjoint({State.SENDING, State.SENT})


def test_every_state_that_does_not_rest_can_fail_and_can_be_parked() -> None:
    for state in set(State) - RESTING:
        assert {State.FAILED, State.NEEDS_OPERATOR} <= TRANSITIONS[state]


def test_from_every_state_an_end_can_be_reached() -> None:
    for state in set(State) - {State.CLOSED, State.CANCELLED}:
        reached = {state}
        while not reached & {State.CLOSED}:
            further = reached | {to for one in reached for to in TRANSITIONS[one]}
            assert further != reached, f"{state} leads nowhere"
            reached = further


def test_each_state_belongs_to_the_upload_or_to_the_watch_or_rests() -> None:
    assert not BEFORE_UPLOAD & RESTING
    assert ENDED < RESTING
    assert set(ORDER) | RESTING == set(State)


def test_the_table_of_transitions_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        TRANSITIONS[State.CLOSED] = frozenset(State)  # type: ignore[index]


def test_a_broadcast_cannot_be_changed_in_place() -> None:
    with pytest.raises(FrozenInstanceError):
        make_broadcast(State.CLAIMED).state = State.CLOSED  # type: ignore[misc]


def test_the_key_of_a_broadcast_is_that_of_its_request() -> None:
    assert make_broadcast(State.CLAIMED).key == "J1-00000000"


def test_rows_are_accounted_for_when_the_four_fates_add_up() -> None:
    counts = RowCounts(read=10, uploaded=4, rejected=3, duplicates=2, suppressed=1)
    assert counts.accounted == counts.read


def test_the_key_of_a_job_is_safe_in_file_names_campaign_names_and_tags() -> None:
    key = job_key("Ferien & mehr/../", 7, NOON)
    assert re.fullmatch(r"J7-[0-9a-f]{8}", key)


def test_the_key_of_a_job_is_the_same_every_time() -> None:
    # Written out, because a changed key would carry a claimed job out a second time.
    assert job_key("Holidays", 7, NOON) == "J7-b9c1ff76"


def test_the_key_of_a_job_does_not_depend_on_the_zone_its_time_is_reported_in() -> None:
    elsewhere = NOON.astimezone(timezone(timedelta(hours=5, minutes=45)))
    assert job_key("Holidays", 7, elsewhere) == job_key("Holidays", 7, NOON)


@pytest.mark.parametrize(
    ("system", "job_id", "added"),
    [("Holidays2", 7, NOON), ("Holidays", 8, NOON), ("Holidays", 7, NOON + timedelta(microseconds=1))],
)
def test_the_keys_of_different_jobs_differ(system: str, job_id: int, added: datetime) -> None:
    assert job_key(system, job_id, added) != job_key("Holidays", 7, NOON)
