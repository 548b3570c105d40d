"""`bridge test-send`: a message to a seed list, and what became of it."""

import time
from typing import Annotated

import typer

from cli.wiring import SettingsFile, console, opened_bridge
from shared.config.channels import DEFAULT
from shared.operations import test_send as step

#: Seconds between two looks at the report.
_LOOK_SECONDS = 2.0
_UNDER_WAY = frozenset({"enqueued", "sending"})


def send_test(
    what: Annotated[str, typer.Argument(help="Message name; with --broadcast the key of a broadcast.")],
    *,
    broadcast: Annotated[bool, typer.Option("--broadcast", help="Test the message of this broadcast.")] = False,
    seed_list: Annotated[
        str | None, typer.Option("--list", help="List name of the seed list.", show_default="the channel's")
    ] = None,
    channel: Annotated[str, typer.Option(help="Channel whose seed list is taken.")] = DEFAULT,
    wait: Annotated[int, typer.Option(min=0, help="Seconds to wait for the test mails to be sent.")] = 60,
    settings: SettingsFile = None,
) -> None:
    """Send a message to a seed list and report what became of it.

    Exit status: 0 when every test mail was sent, 1 when one was not or the time is over.
    """
    with opened_bridge(settings) as bridge:
        sent = (
            step.for_broadcast(bridge, what, seed_list=seed_list)
            if broadcast
            else step.for_message(bridge, what, channel=channel, seed_list=seed_list)
        )
        started = sent.started
        console.print(
            f"Test mailing {started.mailing_id}: {started.valid} recipients, {started.without_address} without an "
            f"address, {started.blocklisted} blocklisted.",
            highlight=False,
            soft_wrap=True,
        )
        deadline = time.monotonic() + wait
        while True:
            by_status = step.report(bridge, sent).recipients_by_status
            if not _UNDER_WAY & by_status.keys() or time.monotonic() >= deadline:
                break
            time.sleep(_LOOK_SECONDS)
    told = ", ".join(f"{number} {status}" for status, number in sorted(by_status.items())) or "nothing yet"
    console.print(f"Report: {told}.", highlight=False)
    raise typer.Exit(0 if set(by_status) == {"sent"} else 1)
