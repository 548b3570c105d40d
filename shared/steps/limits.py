"""The limits of a channel and of a test installation: recipients, hours of the day, how late a broadcast may start."""

from collections.abc import Callable
from datetime import timedelta
from typing import Final
from zoneinfo import ZoneInfo

from shared.errors import StartTooLate, TestInstallation
from shared.ledger.effects import Effect, Kind
from shared.routes.evidence import Evidence
from shared.steps.broadcast_step import BroadcastStep
from shared.steps.runner import Wait
from shared.steps.staged_list import is_allowed

#: A release queues a message of its own, and a send window is hours away.
PAUSE: Final = timedelta(minutes=10)


def wait_for_release(step: BroadcastStep) -> Wait | None:
    """The wait of a broadcast to more recipients than its channel allows without a release; None for any other."""
    channel, broadcast = step.channel, step.broadcast
    if not channel.needs_release(broadcast):
        return None
    recipients = broadcast.rows and broadcast.rows.uploaded
    waiting_for = (
        f"its release by an operator, for its {recipients} recipients are more than the {channel.max_recipients} of "
        f"max_recipients in channel {broadcast.request.channel}: bridge broadcast release {broadcast.key}"
    )
    return Wait(PAUSE, waiting_for, for_client=True)


def check_not_late(step: BroadcastStep) -> None:
    """Make sure that it is not too late for the broadcast to be started.

    Time outside the hours in which the channel sends does not count as late.

    Raises:
        StartTooLate: it is.
    """
    channel, broadcast = step.channel, step.broadcast
    hours, due = channel.latest_start_hours, channel.first_start(broadcast.last_requested_at)
    if hours is None or not broadcast.is_sent or step.bridge.clock.now() <= due + timedelta(hours=hours):
        return
    raise StartTooLate(
        due=f"{due:%Y-%m-%d %H:%M} UTC", channel=broadcast.request.channel, hours=hours, broadcast=broadcast.key
    )


def check_allowed(step: BroadcastStep) -> None:
    """Make sure, before anybody can be mailed, that a test installation mails nobody but its allowed recipients.

    Raises:
        TestInstallation: the list was staged for others.
    """
    if not is_allowed(step.bridge, step.broadcast):
        raise TestInstallation(broadcast=step.broadcast.key)


def wait_to_start(step: BroadcastStep) -> Wait | None:
    """The wait of a broadcast whose channel does not send now; None if it may start, or be scheduled for its time.

    Raises:
        StartTooLate: it is too late.
        TestInstallation: its list is not for this installation.
    """
    check_allowed(step)
    check_not_late(step)
    channel, broadcast, now = step.channel, step.broadcast, step.bridge.clock.now()
    start = max(now, broadcast.request.send_at or now)
    opens = channel.first_start(start)
    if opens == start:
        return None
    zone = channel.time_zone or "UTC"
    waiting_for = (
        f"the hours in which channel {broadcast.request.channel} sends, {channel.send_times}: "
        f"from {opens.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M}"
    )
    return Wait(min(PAUSE, opens - now), waiting_for, for_client=True)


def wait_to_transfer(step: BroadcastStep, find: Callable[[Effect], Evidence | None]) -> Wait | None:
    """As `wait_to_start`, where the transfer is the start; None once the list is transferred.

    Args:
        step: the attempt.
        find: the evidence that the list was transferred, if it was.
    """
    transfer = step.bridge.ledger.effects.find(step.broadcast, Kind.UPLOAD)
    if not step.broadcast.starts_by_itself or (transfer and transfer.tries > 0 and find(transfer) is not None):
        return None
    return wait_to_start(step)
