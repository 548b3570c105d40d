"""Sending: a started Smart Campaign mails its list once, and the recipients react.

The list is read at the start, in the transaction that sets the status: later changes to it have no
effect. A mail waits in `mail_waiting` until it is due and then moves to `mail_sent`, which has no
unique key, so that mailing somebody twice would show. Recipients react to what is in `mail_sent`.
"""

import sqlite3
from collections.abc import Iterator
from typing import NamedTuple

from local.simulator import wait_nodes
from local.simulator.recipients import events_of
from local.simulator.store import Store, fact, set_fact

#: Simulated seconds that a campaign takes: per 10,000 mails, minimum, maximum.
_PER_TEN_THOUSAND, _SHORTEST, _LONGEST = 20 * 60, 60, 90 * 60
#: Mails to which recipients react in one transaction.
_REACTIONS = 5000
#: Reasons of unsubscribes by the type of their event. ASSUMPTION.
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
    """The status of the Smart Campaign does not allow this."""


def start(connection: sqlite3.Connection, campaign_id: int, now: int) -> None:
    """Start a Smart Campaign, or resume a paused one (vendor's description, startSmartCampaign).

    Raises:
        WrongStatusError: the response is 409.
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
    """Send to a campaign's list from now on, or from the time of its Wait node.

    ASSUMPTION: a Wait node for an import does not wait for later imports.
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
    """Hold all mails that are not yet due.

    Raises:
        WrongStatusError: the response is 409.
    """
    campaign = _campaign(connection, campaign_id)
    if campaign["status"] != "running":
        raise WrongStatusError
    _send_due(connection, campaign, now)
    connection.execute(
        "UPDATE campaign SET status = 'paused', paused = ?, modified = ? WHERE id = ?", (now, now, campaign_id)
    )


def stop(connection: sqlite3.Connection, campaign_id: int, now: int) -> None:
    """Cancel all mails that are not yet due. Only a started campaign can be stopped.

    Raises:
        WrongStatusError: the response is 409.
    """
    campaign = _campaign(connection, campaign_id)
    if campaign["status"] not in {"running", "paused"}:
        raise WrongStatusError
    if campaign["status"] == "running":
        _send_due(connection, campaign, now)
    connection.execute("DELETE FROM mail_waiting WHERE campaign_id = ?", (campaign_id,))
    connection.execute("UPDATE campaign SET status = 'canceled', modified = ? WHERE id = ?", (now, campaign_id))


def work(store: Store, seed: int | None, now: int) -> bool:
    """Start activated campaigns that are due, send due mails, let recipients react, and finish campaigns.

    Args:
        store: the simulation.
        seed: seed of the recipients' behaviour; None: nobody reacts.
        now: seconds since 1970.

    Returns:
        Whether a Smart Campaign is running, or will start by itself at a known time.
    """
    with store.reading() as connection:
        activated = connection.execute("SELECT * FROM campaign WHERE status = 'activated'").fetchall()
        waits = {campaign["id"]: wait_nodes.starts_at(connection, campaign) for campaign in activated}
        running = connection.execute("SELECT id FROM campaign WHERE status = 'running'").fetchall()
    due = [campaign_id for campaign_id, start_time in waits.items() if start_time is not None and start_time <= now]
    for campaign_id in due:
        _start_activated(store, campaign_id)
    for campaign_id in [*(row["id"] for row in running), *due]:
        with store.writing() as connection:
            campaign = _campaign(connection, campaign_id)
            if campaign["status"] == "running":
                _send_due(connection, campaign, now)
    while seed is not None and _react(store, seed):
        pass
    if running or due:
        with store.writing() as connection:
            connection.execute(
                "UPDATE campaign SET status = 'finished', finished = sends_from + takes, "
                "modified = sends_from + takes WHERE status = 'running' AND sends_from + takes <= ?",
                (now,),
            )
    return bool(running or due) or any(start_time is not None for start_time in waits.values())


def _campaign(connection: sqlite3.Connection, campaign_id: int) -> sqlite3.Row:
    row: sqlite3.Row = connection.execute("SELECT * FROM campaign WHERE id = ?", (campaign_id,)).fetchone()
    return row


def _start_activated(store: Store, campaign_id: int) -> None:
    with store.writing() as connection:
        campaign = _campaign(connection, campaign_id)
        # It may have been deactivated meanwhile.
        start_time = wait_nodes.starts_at(connection, campaign) if campaign["status"] == "activated" else None
        if start_time is not None:
            begin(connection, campaign, start_time)


def _send_due(connection: sqlite3.Connection, campaign: sqlite3.Row, now: int) -> None:
    """Move due mails from `mail_waiting` to `mail_sent`."""
    campaign_id, due = campaign["id"], now - campaign["sends_from"]
    connection.execute(
        "INSERT INTO mail_sent (campaign_id, mailing_id, recipient_id, urn, communication_key, broadcast_key, sent_at) "
        "SELECT campaign_id, mailing_id, recipient_id, urn, communication_key, broadcast_key, ? + due "
        "FROM mail_waiting WHERE campaign_id = ? AND due <= ? ORDER BY due, recipient_id",
        (campaign["sends_from"], campaign_id, due),
    )
    connection.execute("DELETE FROM mail_waiting WHERE campaign_id = ? AND due <= ?", (campaign_id, due))


def _react(store: Store, seed: int) -> bool:
    """Let recipients react to a batch of new mails; return whether there were any."""
    with store.reading() as connection:
        if not _mails_without_reaction(connection, 1):
            return False
    with store.writing() as connection:
        mails = _mails_without_reaction(connection, _REACTIONS)
        # Events registered after an export must be in the next one.
        exported_until = connection.execute("SELECT coalesce(max(boundary), 0) FROM response_file").fetchone()[0]
        events = [event for mail in mails for event in _events(mail, seed, exported_until)]
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


def _mails_without_reaction(connection: sqlite3.Connection, limit: int) -> list[sqlite3.Row]:
    return connection.execute(
        "SELECT * FROM mail_sent WHERE id > ? ORDER BY id LIMIT ?", (int(fact(connection, "reacted_to") or 0), limit)
    ).fetchall()


def _events(mail: sqlite3.Row, seed: int, exported_until: int) -> Iterator[_Record]:
    """The events that a mail causes.

    Args:
        mail: row of `mail_sent`.
        seed: seed of the recipients' behaviour.
        exported_until: simulated time up to which response files were written.
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
            # Registered at the earliest when the mail is sent.
            registered_at=max(max(happened, mail["sent_at"]) + event.delay * 60, exported_until + 1),
        )
