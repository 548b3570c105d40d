"""Who is not mailed: the blocklist, unsubscribed recipients, and recipients with too many bounces."""

import sqlite3

#: The blocklist's only entry.
BLOCKED_PATTERN = "*@blocked.example"
#: Bounces of each category after which a recipient is no longer mailed. Three hard bounces are the vendor's default
#: (docs/why/sources.md, Optimizely 1.7); ASSUMPTION: ten soft ones.
THRESHOLDS = {"hardbounce": 3, "softbounce": 10}
#: Names in response files, by the vendor's category.
BOUNCE_TYPES = {"hardbounce": "HardBounce", "softbounce": "SoftBounce"}


def blocklisted(address: str) -> bool:
    """Whether an address is on the blocklist."""
    return address.lower().endswith(BLOCKED_PATTERN.removeprefix("*"))


def unsubscribed_before(address: str) -> bool:
    """Whether an address had unsubscribed before the simulation began: `unsubscribed.…@example.org`."""
    lowered = address.lower()
    return lowered.startswith("unsubscribed.") and lowered.endswith("@example.org")


def bounces(connection: sqlite3.Connection, category: str, recipient_id: str, now: int) -> int:
    """How often mail to a recipient has bounced, as registered by now."""
    row = connection.execute(
        "SELECT count(*) FROM event WHERE message_type = 'Bounce' AND bounce_type = ? AND recipient_id = ? "
        "AND registered_at <= ?",
        (BOUNCE_TYPES[category], recipient_id.lower(), now),
    ).fetchone()
    return int(row[0])


def suppressed_addresses(connection: sqlite3.Connection, now: int) -> dict[str, str]:
    """Addresses suppressed by events of this simulation until now, with the reason: unsubscribed or bounced."""
    reasons = {
        row["recipient_id"]: "unsubscribed"
        for row in connection.execute("SELECT recipient_id FROM unsubscribe WHERE created <= ?", (now,))
    }
    for category, threshold in THRESHOLDS.items():
        bounced = connection.execute(
            "SELECT recipient_id FROM event WHERE message_type = 'Bounce' AND bounce_type = ? AND registered_at <= ? "
            "GROUP BY recipient_id HAVING count(*) >= ?",
            (BOUNCE_TYPES[category], now, threshold),
        )
        reasons |= {row["recipient_id"]: "bounced" for row in bounced}
    return reasons
