"""Reactions of recipients are random but reproducible."""

from collections import Counter

from local.simulator.recipients import LONGEST_DELAY, LONGEST_REACTION, events_of


def everybody(seed: int) -> list[tuple[str, int, int, str]]:
    return [
        (event.message_type, event.after, event.delay, event.url)
        for number in range(3000)
        for event in events_of(seed, f"p{number}@example.org", str(number))
    ]


def test_the_same_seed_gives_the_same_events_and_another_seed_others() -> None:
    assert everybody(1) == everybody(1)
    assert everybody(1) != everybody(2)


def test_every_kind_of_event_happens_within_its_limits() -> None:
    events = everybody(1)
    assert {kind for kind, _, _, _ in events} == {"Send", "Open", "Click", "Bounce", "Unsubscription", "Complaint"}
    assert sum(kind == "Send" for kind, _, _, _ in events) == 3000
    assert all(0 <= after <= LONGEST_REACTION and 0 <= delay <= LONGEST_DELAY for _, after, delay, _ in events)


def test_equal_events_are_registered_together() -> None:
    alike = 0
    for number in range(5000):
        seen: dict[tuple[str, int, str], int] = {}
        counted = Counter[tuple[str, int, str]]()
        for event in events_of(1, f"p{number}@example.org", str(number)):
            key = (event.message_type, event.after, event.url)
            assert seen.setdefault(key, event.delay) == event.delay
            counted[key] += 1
        alike += max(counted.values()) > 1
    assert alike > 0
