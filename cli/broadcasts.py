"""`bridge status`, `bridge broadcasts` and `bridge broadcast …`: show broadcasts and take an operator's decisions."""

import json
from typing import Annotated

import typer
from rich.table import Table

from cli.wiring import AsJson, SettingsFile, console, open_bridge, operator, say
from shared.bridge import Bridge
from shared.broadcast import TRANSITIONS, Broadcast, RouteKind, State
from shared.ledger.alerts import AlertKind
from shared.ledger.responses.counts import Comparison, of_broadcasts
from shared.operations import broadcasts as operations
from shared.rejects import hint
from shared.web.status import status as bridge_status

broadcast = typer.Typer(
    no_args_is_help=True, help="Show one broadcast, or cancel, release, pause, stop, retry or resolve it."
)

Key = Annotated[str, typer.Argument(help="The broadcast's key, as listed by `bridge broadcasts`.")]


def status(settings: SettingsFile = None) -> None:
    """Print the state of every broadcast and response file as JSON."""
    with open_bridge(settings) as bridge:
        typer.echo(json.dumps(bridge_status(bridge), indent=2))


def broadcasts(settings: SettingsFile = None, *, as_json: AsJson = False) -> None:
    """List the newest broadcasts."""
    with open_bridge(settings) as bridge:
        shown = bridge_status(bridge)
    rows = shown["broadcasts"]
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return
    for hold in shown["holds"]:
        say(f"Everything is held by {hold['placed_by']} since {hold['placed_at']}: {hold['reason']}", style="red")
    table = Table("Broadcast", "State", "Message", "List", "Rows", "Uploaded", "Sent", "Error", "Waits for", box=None)
    for row in rows:
        numbers = ["" if row[name] is None else f"{row[name]:,}" for name in ("rows_read", "rows_uploaded", "sent")]
        names = (row["key"], row["state"], row["message_name"], row["list_name"])
        table.add_row(*names, *numbers, row["error_code"] or "", row["waiting_for"] or "")
    console.print(table)


@broadcast.command()
def show(key: Key, settings: SettingsFile = None) -> None:
    """Show a broadcast's state and how it got there: history, effects, rejected rows, responses, error."""
    with open_bridge(settings) as bridge:
        shown = bridge.ledger.broadcasts.get(key)
        request = shown.request
        say(
            f"Broadcast {key} is {shown.state}: {_content(shown)} "
            f"(source: {request.source}, channel: {request.channel}, route: {request.route}, "
            f"send: {request.send_mode})."
        )
        if shown.error:
            say(f"{shown.error} [{shown.error_code}]", style="red")
        if shown.waiting_for:
            say(f"It waits for {shown.waiting_for}, since {shown.waiting_since:%Y-%m-%d %H:%M:%S} UTC.", style="yellow")
        for change in bridge.ledger.broadcasts.history(shown):
            say(f"  {change.at:%Y-%m-%d %H:%M:%S} UTC  {change.to_state}: {change.note}  ({change.owner})")
        for effect in bridge.ledger.effects.of(shown):
            outcome = (
                f"done at {effect.done_at:%H:%M:%S} UTC" if effect.done_at else f"unknown after {effect.tries} tries"
            )
            say(f"  effect {effect.kind}: {effect.natural_key} - {outcome}")
        for reason, rows in bridge.ledger.broadcasts.rejects(shown).items():
            say(f"  {rows:,} rows not uploaded: {reason}{hint(reason, ' ({})')}")
        _show_responses(of_broadcasts(bridge.ledger.database, [shown.id]).get(shown.id))
        for name, since in bridge.ledger.leases.held_by(key).items():
            say(f"  it holds {name}" + (f" since {since:%Y-%m-%d %H:%M} UTC" if since else ""))
        for other in bridge.ledger.broadcasts.waiting_for_lease_of(shown):
            say(f"  broadcast {other.key} waits for it since {other.waiting_since:%Y-%m-%d %H:%M} UTC")
        for command in _possible_commands(bridge, shown):
            say(f"  you can: bridge broadcast {command}")


def _show_responses(comparison: Comparison | None) -> None:
    if comparison is None:
        return
    gaps = {gap.message_type: gap for gap in comparison.gaps}
    for message_type in sorted({*comparison.loaded, *gaps}):
        line = f"  responses {message_type}: {comparison.loaded.get(message_type, 0):,} loaded"
        if message_type in gaps:
            line += f", {gaps[message_type].reported:,} in the report of {comparison.compared_at:%Y-%m-%d %H:%M} UTC"
        say(line)
    if comparison.error_code:
        say(f"  not compared with the report: {comparison.error_code}")


@broadcast.command()
def retry(
    key: Key,
    settings: SettingsFile = None,
    *,
    again: Annotated[
        bool, typer.Option("--again", help="Send the message even though the same people or file were sent it before.")
    ] = False,
) -> None:
    """Retry a failed broadcast once the cause of its failure is fixed."""
    with open_bridge(settings) as bridge:
        retried = operations.retry(bridge, key, owner=operator(), again=again)
    say(f"Broadcast {key} continues from {retried.state}.")


@broadcast.command()
def park(key: Key, settings: SettingsFile = None) -> None:
    """Park a broadcast while everything is held, after a restore: it may have been sent, though it is not uploaded."""
    with open_bridge(settings) as bridge:
        operations.park(bridge, key, owner=operator())
    say(f"Broadcast {key} is parked; `bridge broadcast resolve {key} --started` or `--not-started` decides about it.")


@broadcast.command()
def resolve(
    key: Key,
    *,
    started: Annotated[
        bool,
        typer.Option("--started/--not-started", help="Whether the Smart Campaign was started.", show_default=False),
    ],
    campaign: Annotated[
        int | None,
        typer.Option(help="Id of the Smart Campaign that was started; needed only where the bridge does not know it."),
    ] = None,
    not_campaign: Annotated[
        list[int] | None,
        typer.Option(
            help="Id of a Smart Campaign that could be taken for the copy of the broadcast and is not; may be repeated."
        ),
    ] = None,
    settings: SettingsFile = None,
) -> None:
    """Decide about a parked broadcast: was its Smart Campaign started or not?"""
    if campaign is not None and not started:
        raise typer.BadParameter("--campaign can only be used with --started", param_hint="--campaign")
    if not_campaign and started:
        raise typer.BadParameter("--not-campaign can only be used with --not-started", param_hint="--not-campaign")
    with open_bridge(settings) as bridge:
        resolved = operations.resolve(
            bridge, key, started=started, owner=operator(), campaign_id=campaign, not_copies=not_campaign or ()
        )
    say(f"Broadcast {key} continues from {resolved.state}.")


@broadcast.command()
def acknowledge(key: Key, settings: SettingsFile = None) -> None:
    """Clear the alert about a broadcast that was sent to fewer recipients than were imported."""
    with open_bridge(settings) as bridge:
        operations.acknowledge(bridge, key, owner=operator())
    say(f"The alert about broadcast {key} is cleared; `bridge broadcast show {key}` keeps the numbers.")


@broadcast.command()
def cancel(key: Key, settings: SettingsFile = None) -> None:
    """Cancel a broadcast before it starts to send. If anybody can have been mailed, it is not cancelled."""
    with open_bridge(settings) as bridge:
        operations.cancel(bridge, key, owner=operator())
    say(f"Cancellation of broadcast {key} is requested; `bridge broadcast show {key}` shows the outcome.")


@broadcast.command()
def release(key: Key, settings: SettingsFile = None) -> None:
    """Release a broadcast that waits because it has more recipients than max_recipients of its channel."""
    with open_bridge(settings) as bridge:
        released = operations.release(bridge, key, owner=operator())
    say(f"Broadcast {key} is released for {released.released_recipients:,} recipients.")


@broadcast.command()
def pause(key: Key, settings: SettingsFile = None) -> None:
    """Pause a broadcast that is sending: mails that are not out yet wait."""
    with open_bridge(settings) as bridge:
        operations.pause(bridge, key, owner=operator())
    say(f"Broadcast {key} is paused; `bridge broadcast resume {key}` resumes it.")


@broadcast.command()
def resume(
    key: Key,
    *,
    now: Annotated[bool, typer.Option("--now", help="Also outside the hours in which its channel sends.")] = False,
    settings: SettingsFile = None,
) -> None:
    """Resume a paused broadcast."""
    with open_bridge(settings) as bridge:
        operations.resume(bridge, key, owner=operator(), now=now)
    say(f"Broadcast {key} is sending again.")


@broadcast.command()
def stop(key: Key, settings: SettingsFile = None) -> None:
    """Stop a broadcast that is sending, for good: mails that are not out yet are never sent."""
    with open_bridge(settings) as bridge:
        operations.stop(bridge, key, owner=operator())
    say(f"Broadcast {key} is stopped for good.")


def _possible_commands(bridge: Bridge, broadcast: Broadcast) -> list[str]:
    """The subcommands of `bridge broadcast` that the broadcast's state, its channel and its alert allow."""
    key, channel = broadcast.key, bridge.channels.find(broadcast.request.channel)
    match broadcast.state:
        case State.FAILED:
            return [f"retry {key}" if broadcast.repeats_key is None else f"retry {key} --again"]
        case State.NEEDS_OPERATOR:
            return [f"resolve {key} --started", f"resolve {key} --not-started"]
        case State.STAGED if channel is not None and channel.needs_release(broadcast):
            return [f"release {key}", f"cancel {key}"]
        case State.SENDING:
            return [f"pause {key}", f"resume {key}", f"stop {key}"]
        case State.SENT | State.CLOSED:
            alerts = {(alert.kind, alert.subject) for alert in bridge.ledger.alerts.active()}
            return [f"acknowledge {key}"] if (AlertKind.SENT_SHORT, key) in alerts else []
    return [f"cancel {key}"] if State.CANCELLED in TRANSITIONS[broadcast.state] else []


def _content(broadcast: Broadcast) -> str:
    request = broadcast.request
    if request.route is RouteKind.EXPORT_FILE:
        return f"export of delivery file {request.delivery_file}"
    return f"message “{request.message_name}” to list “{request.list_name}”"
