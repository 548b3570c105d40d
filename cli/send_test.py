"""`bridge test-send`: sends a message to a seed list and waits for the outcome."""

import time
from typing import Annotated

import typer

from cli.wiring import SettingsFile, open_bridge, say
from shared.config.channels import DEFAULT
from shared.operations import test_send

#: Seconds between two requests for the report.
_POLL_SECONDS = 2.0
_UNDER_WAY = frozenset({"enqueued", "sending"})


def send_test(
    what: Annotated[str, typer.Argument(help="The message name; with --broadcast, the key of a broadcast.")],
    *,
    broadcast: Annotated[bool, typer.Option("--broadcast", help="Test the message of this broadcast.")] = False,
    seed_list: Annotated[
        str | None, typer.Option("--list", help="List name of the seed list.", show_default="the channel's")
    ] = None,
    channel: Annotated[str, typer.Option(help="The channel whose seed list is used.")] = DEFAULT,
    wait: Annotated[int, typer.Option(min=0, help="Seconds to wait for the test mails to be sent.")] = 60,
    settings: SettingsFile = None,
) -> None:
    """Send a message to a seed list and report the outcome.

    Exit status: 0 when every test mail was sent, 1 when one was not or the time is up.
    """
    with open_bridge(settings) as bridge:
        sent = (
            test_send.for_broadcast(bridge, what, seed_list=seed_list)
            if broadcast
            else test_send.for_message(bridge, what, channel=channel, seed_list=seed_list)
        )
        started = sent.started
        say(
            f"Test mailing {started.mailing_id}: {started.valid} recipients, {started.without_address} without an "
            f"address, {started.blocklisted} blocklisted."
            + (f" {sent.not_allowed} are not in ONLY_MAIL." if sent.not_allowed else "")
        )
        deadline = time.monotonic() + wait
        while True:
            by_status = test_send.report(bridge, sent).recipients_by_status
            if not _UNDER_WAY & by_status.keys() or time.monotonic() >= deadline:
                break
            time.sleep(_POLL_SECONDS)
    counts = ", ".join(f"{number} {status}" for status, number in sorted(by_status.items()))
    say(f"Report: {counts or 'no recipients yet'}.")
    raise typer.Exit(0 if set(by_status) == {"sent"} else 1)
