"""How recipients react to a mail, at random from a seed. Pure: the same seed and mail give the same events."""

from dataclasses import dataclass
from random import Random

#: Links in the message. Two have characters that response files must quote, one has letters outside ASCII.
URLS = (
    "https://shop.example.com/spring",
    "https://shop.example.com/voucher?code=A;B",
    'https://shop.example.com/search?q="boots"',
    "https://shop.example.com/größen/übersicht",
    "https://shop.example.com/unsubscribe",
)
#: Minutes at most from a mail to an event, and from an event until Optimizely registers it.
LONGEST_REACTION = 48 * 60
LONGEST_DELAY = 12 * 60

_HARD_BOUNCE, _SOFT_BOUNCE = 0.02, 0.015
_OPENS, _CLICKS_OF_OPENS, _CLICKS_AGAIN = 0.35, 0.25, 0.3
_TWICE_IN_A_MINUTE = 0.05
_UNSUBSCRIBES, _COMPLAINS = 0.006, 0.001
_REGISTERED_LATE = 0.05


@dataclass(frozen=True, slots=True)
class Event:
    """An action of a recipient, or of the recipient's mail server."""

    message_type: str
    #: Minutes after the mail was sent.
    after: int
    #: Minutes until Optimizely registers it.
    delay: int = 0
    url: str = ""
    bounce_type: str = ""


def events_of(seed: int, recipient_id: str, urn: str) -> list[Event]:
    """Every event that one mail causes.

    Args:
        seed: seed of the simulation.
        recipient_id: the recipient who was mailed.
        urn: distinguishes persons who share an address.

    Returns:
        At least the `Send`. Events of the same type, minute and URL are registered together.
    """
    chance = Random(f"{seed}|{recipient_id}|{urn}")
    events = [Event("Send", 0)]
    bounce = chance.random()
    if bounce < _HARD_BOUNCE:
        return [*events, Event("Bounce", chance.randint(1, 5), bounce_type="HardBounce")]
    if bounce < _HARD_BOUNCE + _SOFT_BOUNCE:
        return [*events, Event("Bounce", chance.randint(1, 90), _delay(chance), bounce_type="SoftBounce")]
    if chance.random() < _OPENS:
        opened = _repeated_events(chance, "Open", "", 1 + int(chance.random() * chance.random() * 4))
        events += opened
        if chance.random() < _CLICKS_OF_OPENS:
            events += _repeated_events(chance, "Click", chance.choice(URLS), 1 + (chance.random() < _CLICKS_AGAIN))
    if chance.random() < _UNSUBSCRIBES:
        events.append(Event("Unsubscription", _reaction(chance), _delay(chance)))
    if chance.random() < _COMPLAINS:
        events.append(Event("Complaint", _reaction(chance), _delay(chance)))
    return events


def _repeated_events(chance: Random, message_type: str, url: str, count: int) -> list[Event]:
    minutes = {_reaction(chance) for _ in range(count)}
    events = [Event(message_type, minute, _delay(chance), url) for minute in sorted(minutes)]
    if chance.random() < _TWICE_IN_A_MINUTE:
        events.append(events[0])
    return events


def _reaction(chance: Random) -> int:
    """Minutes until a recipient reacts: mostly hours, sometimes two days."""
    return min(1 + int(chance.expovariate(1 / (6 * 60))), LONGEST_REACTION)


def _delay(chance: Random) -> int:
    return chance.randint(1, LONGEST_DELAY) if chance.random() < _REGISTERED_LATE else 0
