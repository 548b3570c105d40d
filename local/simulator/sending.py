"""Sending: a started Smart Campaign mails its list once, and the recipients react.

The list is read at the start, in the transaction that sets the status: what happens to it afterwards
changes nothing. A mail waits in `mail_waiting` until it is due and then goes over to `mail_sent`, which
has no unique key: were somebody mailed twice, it would show. Recipients react to what is in `mail_sent`.
"""

import sqlite3
from collections.abc import Iterator
from typing import NamedTuple

from local.simulator import wait_nodes
from local.simulator.recipients import events_of
from local.simulator.store import Store, fact, set_fact

#: Simulated seconds that a campaign takes for 10,000 mails, at least and at most.
_PER_TEN_THOUSAND, _SHORTEST, _LONGEST = 20 * 60, 60, 90 * 60
#: Mails to which recipients react in one transaction.
_REACTIONS = 5000
#: Reasons of unsubscribes by the event that led to them. ASSUMPTION.
_REASONS = {"Unsubscription": "link", "Complaint": "complaint"}
STARTABLE = frozenset({"activationRequired", "invalid", "paused"})


class _Record(NamedTuple):
    """A row of `event`."""

    campaign_id: int
    mailing_id: int
    recipient_id: str
    urn: str
    communication_key: str
    broadcast_key: str
    message_type: str
    bounce_type: str
    url: str
    sent_at: int
    happened_at: int
    registered_at: int


class WrongStatusError(Exception):
    """The Smart Campaign is in none of the statuses from which this can be done."""


def start(connection: sqlite3.Connection, campaign_id: int, now: int) -> None:
    """Start a Smart Campaign, or go on with a paused one (vendor's description, startSmartCampaign).

    Raises:
        WrongStatusError: answered with 409.
    """
    campaign = _campaign(connection, campaign_id)
    if campaign["status"] not in STARTABLE:
        raise WrongStatusError
    if campaign["status"] != "paused":
        begin(connection, campaign, now)
        return
    begun = campaign["paused"] > campaign["sends_from"]
    sends_from = campaign["sends_from"] + now - campaign["paused"] if begun else max(campaign["sends_from"], now)
    connection.execute(
        "UPDATE campaign SET status = 'running', paused = NULL, sends_from = ?, modified = ? WHERE id = ?",
        (sends_from, now, campaign_id),
    )


def begin(connection: sqlite3.Connection, campaign: sqlite3.Row, now: int) -> None:
    """Let the mails to a campaign's list go out from now on, or from the time of its Wait node.

    ASSUMPTION: a Wait node that waits for an import waits for none that comes later.
    """
    campaign_id, list_id = campaign["id"], campaign["list_id"]
    mails = connection.execute("SELECT count(*) FROM recipient WHERE list_id = ?", (list_id,)).fetchone()[0]
    takes = min(max(_SHORTEST, _PER_TEN_THOUSAND * mails // 10_000), _LONGEST)
    connection.execute(
        "INSERT INTO mail_waiting SELECT ?, ? * row_number() OVER (ORDER BY recipient_id) / ?, recipient_id, "
        "(SELECT min(mailing_id) FROM message WHERE campaign_id = ?), urn, communication_key, broadcast_key "
        "FROM recipient WHERE list_id = ?",
        (campaign_id, takes, mails or 1, campaign_id, list_id),
    )
    connection.execute(
        "UPDATE campaign SET status = 'running', started = ?, modified = ?, recipients = ?, sends_from = ?, "
        "takes = ?, repeated = 0 WHERE id = ?",
        (now, now, mails, wait_nodes.passed_at(connection, campaign_id, now, now), takes, campaign_id),
    )


def pause(connection: sqlite3.Connection, campaign_id: int, now: int) -> None:
    """Hold back every mail that is not yet due.

    Raises:
        WrongStatusError: answered with 409.
    """
    campaign = _campaign(connection, campaign_id)
    if campaign["status"] != "running":
        raise WrongStatusError
    _send_due(connection, campaign, now)
    connection.execute(
        "UPDATE campaign SET status = 'paused', paused = ?, modified = ? WHERE id = ?", (now, now, campaign_id)
    )


def stop(connection: sqlite3.Connection, campaign_id: int, now: int) -> None:
    """Never send the mails that are not yet due. Only what has started can be stopped.

    Raises:
        WrongStatusError: answered with 409.
    """
    campaign = _campaign(connection, campaign_id)
    if campaign["status"] not in {"running", "paused"}:
        raise WrongStatusError
    if campaign["status"] == "running":
        _send_due(connection, campaign, now)
    connection.execute("DELETE FROM mail_waiting WHERE campaign_id = ?", (campaign_id,))
    connection.execute("UPDATE campaign SET status = 'canceled', modified = ? WHERE id = ?", (now, campaign_id))


def work(store: Store, seed: int, now: int) -> bool:
    """Start what waits no longer, send what is due, let recipients react, and finish what is sent.

    Returns:
        Whether a Smart Campaign is under way, or will be by itself at a known time.
    """
    with store.reading() as connection:
        activated = connection.execute("SELECT * FROM campaign WHERE status = 'activated'").fetchall()
        waits = {campaign["id"]: wait_nodes.starts_at(connection, campaign) for campaign in activated}
        running = connection.execute("SELECT id FROM campaign WHERE status = 'running'").fetchall()
    due = [campaign_id for campaign_id, moment in waits.items() if moment is not None and moment <= now]
    for campaign_id in due:
        _start_by_itself(store, campaign_id)
    for campaign_id in [*(row["id"] for row in running), *due]:
        with store.writing() as connection:
            campaign = _campaign(connection, campaign_id)
            if campaign["status"] == "running":
                _send_due(connection, campaign, now)
    while _react(store, seed):
        pass
    if running or due:
        with store.writing() as connection:
            connection.execute(
                "UPDATE campaign SET status = 'finished', finished = sends_from + takes, "
                "modified = sends_from + takes WHERE status = 'running' AND sends_from + takes <= ?",
                (now,),
            )
    return bool(running or due) or any(moment is not None for moment in waits.values())


def _campaign(connection: sqlite3.Connection, campaign_id: int) -> sqlite3.Row:
    found: sqlite3.Row = connection.execute("SELECT * FROM campaign WHERE id = ?", (campaign_id,)).fetchone()
    return found


def _start_by_itself(store: Store, campaign_id: int) -> None:
    with store.writing() as connection:
        campaign = _campaign(connection, campaign_id)
        # Somebody may have deactivated it meanwhile.
        moment = wait_nodes.starts_at(connection, campaign) if campaign["status"] == "activated" else None
        if moment is not None:
            begin(connection, campaign, moment)


def _send_due(connection: sqlite3.Connection, campaign: sqlite3.Row, now: int) -> None:
    """Mails whose time has come go over from the waiting to the sent ones."""
    campaign_id, due = campaign["id"], now - campaign["sends_from"]
    connection.execute(
        "INSERT INTO mail_sent (campaign_id, mailing_id, recipient_id, urn, communication_key, broadcast_key, sent_at) "
        "SELECT campaign_id, mailing_id, recipient_id, urn, communication_key, broadcast_key, ? + due "
        "FROM mail_waiting WHERE campaign_id = ? AND due <= ? ORDER BY due, recipient_id",
        (campaign["sends_from"], campaign_id, due),
    )
    connection.execute("DELETE FROM mail_waiting WHERE campaign_id = ? AND due <= ?", (campaign_id, due))


def _react(store: Store, seed: int) -> bool:
    """Let recipients react to some mails to which they have not yet; whether there were any."""
    with store.reading() as connection:
        if not _unanswered(connection, 1):
            return False
    with store.writing() as connection:
        mails = _unanswered(connection, _REACTIONS)
        # What happens after an export was written must be in the next one.
        told = connection.execute("SELECT coalesce(max(boundary), 0) FROM response_file").fetchone()[0]
        events = [event for mail in mails for event in _events(mail, seed, told)]
        connection.executemany(
            "INSERT INTO event (campaign_id, mailing_id, recipient_id, urn, communication_key, broadcast_key, "
            "message_type, bounce_type, url, sent_at, happened_at, registered_at) VALUES (?,?,?,?,?,?,?,?,?,?,?,?)",
            events,
        )
        connection.executemany(
            "INSERT OR IGNORE INTO unsubscribe SELECT ?, list_id, ?, ?, ? FROM campaign WHERE id = ?",
            [
                (
                    event.recipient_id,
                    event.mailing_id,
                    _REASONS[event.message_type],
                    event.registered_at,
                    event.campaign_id,
                )
                for event in events
                if event.message_type in _REASONS
            ],
        )
        set_fact(connection, "reacted_to", mails[-1]["id"])
    return True


def _unanswered(connection: sqlite3.Connection, limit: int) -> list[sqlite3.Row]:
    return connection.execute(
        "SELECT * FROM mail_sent WHERE id > ? ORDER BY id LIMIT ?", (int(fact(connection, "reacted_to") or 0), limit)
    ).fetchall()


def _events(mail: sqlite3.Row, seed: int, told: int) -> Iterator[_Record]:
    """What a mail causes.

    Args:
        mail: row of `mail_sent`.
        seed: seed of the recipients' chance.
        told: simulated time up to which response files were written.
    """
    minute = mail["sent_at"] - mail["sent_at"] % 60
    for event in events_of(seed, mail["recipient_id"], mail["urn"]):
        happened = minute + event.after * 60
        yield _Record(
            campaign_id=mail["campaign_id"],
            mailing_id=mail["mailing_id"],
            recipient_id=mail["recipient_id"],
            urn=mail["urn"],
            communication_key=mail["communication_key"],
            broadcast_key=mail["broadcast_key"],
            message_type=event.message_type,
            bounce_type=event.bounce_type,
            url=event.url,
            sent_at=minute,
            happened_at=happened,
            # Known at the earliest when the mail is out.
            registered_at=max(max(happened, mail["sent_at"]) + event.delay * 60, told + 1),
        )
