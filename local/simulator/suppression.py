"""Who gets no mail: the blocklist, who unsubscribed, and who bounced too often."""

import sqlite3

#: The blocklist's only entry.
BLOCKED_PATTERN = "*@blocked.example"
#: Bounces of each category after which a recipient gets no more mail. Three hard bounces are the vendor's default
#: (`optimizely.md` 1.7); ASSUMPTION: ten soft ones.
THRESHOLDS = {"hardbounce": 3, "softbounce": 10}
#: The vendor's categories, and what the response files call them.
BOUNCE_TYPES = {"hardbounce": "HardBounce", "softbounce": "SoftBounce"}


def blocklisted(address: str) -> bool:
    """Whether an address is on the blocklist."""
    return address.lower().endswith(BLOCKED_PATTERN.removeprefix("*"))


def unsubscribed_before(address: str) -> bool:
    """Whether an address had unsubscribed before the simulation began: `unsubscribed.…@example.org`."""
    lowered = address.lower()
    return lowered.startswith("unsubscribed.") and lowered.endswith("@example.org")


def bounces(connection: sqlite3.Connection, category: str, recipient_id: str, now: int) -> int:
    """How often mail to a recipient bounced, as far as it is known now."""
    found = connection.execute(
        "SELECT count(*) FROM event WHERE message_type = 'Bounce' AND bounce_type = ? AND recipient_id = ? "
        "AND registered_at <= ?",
        (BOUNCE_TYPES[category], recipient_id.lower(), now),
    ).fetchone()
    return int(found[0])


def left_out(connection: sqlite3.Connection, now: int) -> dict[str, str]:
    """Addresses that events of this simulation keep out by now, and why: unsubscribed, or bounced too often."""
    found = {
        row["recipient_id"]: "unsubscribed"
        for row in connection.execute("SELECT recipient_id FROM unsubscribe WHERE created <= ?", (now,))
    }
    for category, threshold in THRESHOLDS.items():
        bounced = connection.execute(
            "SELECT recipient_id FROM event WHERE message_type = 'Bounce' AND bounce_type = ? AND registered_at <= ? "
            "GROUP BY recipient_id HAVING count(*) >= ?",
            (BOUNCE_TYPES[category], now, threshold),
        )
        found |= {row["recipient_id"]: "bounced" for row in bounced}
    return found
