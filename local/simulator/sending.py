"""Sending: a started Smart Campaign mails its list once, and the recipients react.

The list is read at the start, in the transaction that sets the status: what happens to it afterwards
changes nothing. Every mail has its record in `mail_sent`, which has no unique key: were somebody
mailed twice, it would show.
"""

import sqlite3
from collections.abc import Iterator

from local.simulator.recipients import events_of
from local.simulator.store import Store

#: Simulated seconds that a campaign takes for 10,000 mails, at least and at most.
_PER_TEN_THOUSAND, _SHORTEST, _LONGEST = 20 * 60, 60, 90 * 60
_STARTABLE = frozenset({"activationRequired", "invalid", "paused"})


class NotStartableError(Exception):
    """The Smart Campaign is in none of the statuses from which it can be started."""


def start(connection: sqlite3.Connection, campaign_id: int, now: int) -> None:
    """Start a Smart Campaign (vendor's description, startSmartCampaign).

    Raises:
        NotStartableError: answered with 409.
    """
    campaign = connection.execute("SELECT * FROM campaign WHERE id = ?", (campaign_id,)).fetchone()
    if campaign["status"] not in _STARTABLE:
        raise NotStartableError
    if campaign["started"] is not None:  # it was paused
        connection.execute("UPDATE campaign SET status = 'running', modified = ? WHERE id = ?", (now, campaign_id))
        return
    mails = connection.execute("SELECT count(*) FROM recipient WHERE list_id = ?", (campaign["list_id"],)).fetchone()[0]
    takes = min(max(_SHORTEST, _PER_TEN_THOUSAND * mails // 10_000), _LONGEST)
    connection.execute(
        "INSERT INTO mail_sent SELECT ?, (SELECT min(mailing_id) FROM message WHERE campaign_id = ?), recipient_id, "
        "urn, communication_key, broadcast_key, ? + ? * row_number() OVER (ORDER BY recipient_id) / ? "
        "FROM recipient WHERE list_id = ?",
        (campaign_id, campaign_id, now, takes, mails or 1, campaign["list_id"]),
    )
    connection.execute(
        "UPDATE campaign SET status = 'running', started = ?, modified = ?, ends = ? WHERE id = ?",
        (now, now, now + takes, campaign_id),
    )


def work(store: Store, seed: int, now: int) -> bool:
    """Let recipients react to what was started, and finish what is sent.

    Returns:
        Whether a Smart Campaign is under way.
    """
    with store.reading() as connection:
        reacting = connection.execute(
            "SELECT id FROM campaign WHERE started IS NOT NULL AND NOT events_made"
        ).fetchall()
        running = connection.execute("SELECT id, ends FROM campaign WHERE status = 'running'").fetchall()
    for campaign in reacting:
        _react(store, campaign["id"], seed)
    for campaign in running:
        if campaign["ends"] <= now:
            with store.writing() as connection:
                connection.execute(
                    "UPDATE campaign SET status = 'finished', finished = ends, modified = ends "
                    "WHERE id = ? AND status = 'running'",
                    (campaign["id"],),
                )
    return bool(running)


def _react(store: Store, campaign_id: int, seed: int) -> None:
    with store.writing() as connection:
        mails = connection.execute("SELECT * FROM mail_sent WHERE campaign_id = ?", (campaign_id,)).fetchall()
        connection.executemany(
            "INSERT INTO event (campaign_id, mailing_id, recipient_id, urn, communication_key, broadcast_key, "
            "message_type, bounce_type, url, sent_at, happened_at, registered_at) VALUES (?,?,?,?,?,?,?,?,?,?,?,?)",
            (row for mail in mails for row in _events(mail, seed)),
        )
        connection.execute(
            "INSERT OR IGNORE INTO unsubscribe SELECT recipient_id, "
            "(SELECT list_id FROM campaign WHERE id = ?), mailing_id, "
            "CASE message_type WHEN 'Complaint' THEN 'complaint' ELSE 'link' END, registered_at "
            "FROM event WHERE campaign_id = ? AND message_type IN ('Unsubscription', 'Complaint')",
            (campaign_id, campaign_id),
        )
        connection.execute("UPDATE campaign SET events_made = 1 WHERE id = ?", (campaign_id,))


def _events(mail: sqlite3.Row, seed: int) -> Iterator[tuple[object, ...]]:
    minute = mail["sent_at"] - mail["sent_at"] % 60
    who = tuple(mail[:6])
    for event in events_of(seed, mail["recipient_id"], mail["urn"]):
        happened = minute + event.after * 60
        yield (
            *who,
            event.message_type,
            event.bounce_type,
            event.url,
            minute,
            happened,
            # Known at the earliest when the mail is out.
            max(happened, mail["sent_at"]) + event.delay * 60,
        )
