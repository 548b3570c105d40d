"""A response and the key that distinguishes events."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.response import MessageType, Response, event_key

MOMENT = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
CLICK = Response(
    message_type=MessageType.CLICK,
    event_time=MOMENT,
    email="ann@example.com",
    urn="4711",
    communication_key="5A0C-1",
    broadcast_key="J1-00000000",
    mailing_id="900",
    click_url="https://example.com/a",
)

PLAIN = st.text(alphabet="ab1", max_size=3)
RESPONSES = st.builds(
    Response,
    message_type=st.sampled_from(MessageType),
    event_time=st.sampled_from([MOMENT, MOMENT + timedelta(minutes=1)]),
    email=PLAIN,
    urn=PLAIN,
    communication_key=PLAIN,
    broadcast_key=PLAIN,
    mailing_id=PLAIN,
    click_url=PLAIN,
)


def test_the_key_of_an_event_has_sixteen_bytes() -> None:
    assert len(event_key(CLICK)) == 16


def test_the_key_of_an_event_is_the_same_every_time() -> None:
    # Written out, because a changed key would load every response a second time.
    assert event_key(CLICK).hex() == "9090843548151baed3890542486a2966"


@pytest.mark.parametrize(
    "other",
    [
        {"message_type": MessageType.OPEN},
        {"broadcast_key": "J2-00000000"},
        {"communication_key": "5A0C-2"},
        {"event_time": MOMENT + timedelta(minutes=1)},
        {"click_url": "https://example.com/b"},
    ],
    ids=lambda other: next(iter(other)),
)
def test_events_that_differ_in_a_part_of_the_key_have_different_keys(other: dict[str, Any]) -> None:
    assert event_key(replace(CLICK, **other)) != event_key(CLICK)


@pytest.mark.parametrize(
    "other",
    [
        {"email": "other@example.com"},
        {"urn": "4712"},
        {"mailing_id": "901"},
        {"delivery_date": MOMENT},
        {"click_date": MOMENT},
        {"details": {"Browser": "X"}},
    ],
    ids=lambda other: next(iter(other)),
)
def test_what_is_no_part_of_the_key_does_not_change_it(other: dict[str, Any]) -> None:
    assert event_key(replace(CLICK, **other)) == event_key(CLICK)


@given(one=RESPONSES, other=RESPONSES)
def test_two_events_share_a_key_exactly_when_they_share_its_parts(one: Response, other: Response) -> None:
    def parts(response: Response) -> tuple[object, ...]:
        return (
            response.message_type,
            response.broadcast_reference,
            response.recipient_key,
            response.event_time,
            response.click_url,
        )

    assert (event_key(one) == event_key(other)) == (parts(one) == parts(other))


@pytest.mark.parametrize("zone", [timezone(timedelta(hours=2)), ZoneInfo("Europe/Berlin"), ZoneInfo("UTC")], ids=str)
def test_the_key_does_not_depend_on_the_zone_the_time_is_reported_in(zone: timezone | ZoneInfo) -> None:
    assert event_key(replace(CLICK, event_time=MOMENT.astimezone(zone))) == event_key(CLICK)


def test_the_broadcast_is_reported_by_its_key_else_by_the_mailing() -> None:
    assert CLICK.broadcast_reference == "J1-00000000"
    assert replace(CLICK, broadcast_key="").broadcast_reference == "900"


def test_the_recipient_is_reported_by_communication_key_else_urn_else_address() -> None:
    assert CLICK.recipient_key == "5a0c-1"
    assert replace(CLICK, communication_key="").recipient_key == "4711"
    assert replace(CLICK, communication_key="", urn="").recipient_key == "ann@example.com"


def test_letter_case_of_communication_keys_and_addresses_does_not_make_another_event() -> None:
    assert event_key(replace(CLICK, communication_key="5a0c-1")) == event_key(CLICK)
    by_address = replace(CLICK, communication_key="", urn="")
    assert event_key(replace(by_address, email="ANN@Example.com")) == event_key(by_address)


def test_letter_case_of_a_urn_counts() -> None:
    by_urn = replace(CLICK, communication_key="", urn="a1")
    assert event_key(replace(by_urn, urn="A1")) != event_key(by_urn)


def test_an_unknown_message_type_is_kept_as_it_comes() -> None:
    seen = replace(CLICK, message_type="Seen")
    assert seen.message_type == "Seen"
    assert event_key(seen) != event_key(CLICK)
