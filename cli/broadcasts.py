"""`bridge status`, `bridge broadcasts` and `bridge broadcast …`: where things stand, and what an operator decides."""

import json
from typing import Annotated

import typer
from rich.table import Table

from cli.wiring import AsJson, SettingsFile, console, opened_bridge, operator
from shared.broadcast import TRANSITIONS, Broadcast, RouteKind, State
from shared.ledger.responses.counts import Comparison, of_broadcasts
from shared.operations import control
from shared.operations import resolve as decisions
from shared.web.status import status as status_of

broadcast = typer.Typer(no_args_is_help=True, help="Look at one broadcast, or decide about it.")

Key = Annotated[str, typer.Argument(help="Key of the broadcast, as `bridge broadcasts` shows it.")]


def status(settings: SettingsFile = None) -> None:
    """Print where every broadcast and response file stands, as JSON."""
    with opened_bridge(settings) as bridge:
        typer.echo(json.dumps(status_of(bridge), indent=2))


def broadcasts(settings: SettingsFile = None, *, as_json: AsJson = False) -> None:
    """List the newest broadcasts."""
    with opened_bridge(settings) as bridge:
        found = status_of(bridge)["broadcasts"]
    if as_json:
        typer.echo(json.dumps(found, indent=2))
        return
    table = Table("Broadcast", "State", "Message", "List", "Rows", "Uploaded", "Sent", "Error", box=None)
    for one in found:
        numbers = ["" if one[name] is None else f"{one[name]:,}" for name in ("rows_read", "rows_uploaded", "sent")]
        table.add_row(
            one["key"], one["state"], one["message_name"], one["list_name"], *numbers, one["error_code"] or ""
        )
    console.print(table)


@broadcast.command()
def show(key: Key, settings: SettingsFile = None) -> None:
    """Say where a broadcast stands and why: its history, effects, rejects and error."""
    with opened_bridge(settings) as bridge:
        found = bridge.ledger.broadcasts.get(key)
        request = found.request
        console.print(
            f"Broadcast {key} is {found.state}: {_what(found)} "
            f"(from a {request.source}, channel {request.channel}, route: {request.route}, send: {request.send_mode}).",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )
        if found.error:
            console.print(f"{found.error} [{found.error_code}]", style="red", highlight=False, markup=False)
        for step in bridge.ledger.broadcasts.history(found):
            console.print(
                f"  {step.at:%Y-%m-%d %H:%M:%S} UTC  {step.to_state}: {step.note}  ({step.owner})",
                highlight=False,
                markup=False,
            )
        for effect in bridge.ledger.effects.of(found):
            outcome = f"done {effect.done_at:%H:%M:%S}" if effect.done_at else f"not known, {effect.tries} tries"
            console.print(f"  effect {effect.kind}: {effect.natural_key} - {outcome}", highlight=False, markup=False)
        for reason, rows in bridge.ledger.broadcasts.rejects(found).items():
            console.print(f"  {rows:,} rows not uploaded: {reason}", highlight=False)
        _show_responses(of_broadcasts(bridge.ledger.database, [found.id]).get(found.id))
        for command in _possible(found):
            console.print(f"  you can: bridge broadcast {command}", highlight=False)


def _show_responses(comparison: Comparison | None) -> None:
    if comparison is None:
        return
    gaps = {gap.message_type: gap for gap in comparison.gaps}
    for message_type in sorted({*comparison.loaded, *gaps}):
        told = f"  responses {message_type}: {comparison.loaded.get(message_type, 0):,} loaded"
        if message_type in gaps:
            told += f", {gaps[message_type].reported:,} in the report of {comparison.compared_at:%Y-%m-%d %H:%M} UTC"
        console.print(told, highlight=False, markup=False)
    if comparison.error_code:
        console.print(f"  not compared with the report: {comparison.error_code}", highlight=False)


@broadcast.command()
def retry(key: Key, settings: SettingsFile = None) -> None:
    """Let a failed broadcast go on, after its cause is mended."""
    with opened_bridge(settings) as bridge:
        changed = decisions.retry(bridge, key, owner=operator())
    console.print(f"Broadcast {key} goes on from {changed.state}.", highlight=False)


@broadcast.command()
def resolve(
    key: Key,
    *,
    started: Annotated[
        bool,
        typer.Option("--started/--not-started", help="Whether the Smart Campaign was started.", show_default=False),
    ],
    campaign: Annotated[
        int | None, typer.Option(help="Id of the Smart Campaign that was started, where the bridge does not know it.")
    ] = None,
    settings: SettingsFile = None,
) -> None:
    """Say of a parked broadcast whether its Smart Campaign was started."""
    if campaign is not None and not started:
        raise typer.BadParameter("--campaign names the Smart Campaign that was started: it goes with --started")
    with opened_bridge(settings) as bridge:
        changed = decisions.resolve(bridge, key, started=started, owner=operator(), campaign_id=campaign)
    console.print(f"Broadcast {key} goes on from {changed.state}.", highlight=False)


@broadcast.command()
def cancel(key: Key, settings: SettingsFile = None) -> None:
    """Cancel a broadcast before its start: nobody is mailed, or it is not cancelled."""
    with opened_bridge(settings) as bridge:
        control.cancel(bridge, key, owner=operator())
    console.print(
        f"Broadcast {key} is asked to be cancelled; `bridge broadcast show {key}` says when it is.",
        highlight=False,
        soft_wrap=True,
    )


@broadcast.command()
def pause(key: Key, settings: SettingsFile = None) -> None:
    """Pause a broadcast that is being sent: mails that are not out yet wait."""
    with opened_bridge(settings) as bridge:
        control.pause(bridge, key, owner=operator())
    console.print(f"Broadcast {key} is paused; `bridge broadcast resume {key}` goes on.", highlight=False)


@broadcast.command()
def resume(key: Key, settings: SettingsFile = None) -> None:
    """Go on with a paused broadcast."""
    with opened_bridge(settings) as bridge:
        control.resume(bridge, key, owner=operator())
    console.print(f"Broadcast {key} goes on.", highlight=False)


@broadcast.command()
def stop(key: Key, settings: SettingsFile = None) -> None:
    """Stop a broadcast that is being sent, for good: mails that are not out yet are never sent."""
    with opened_bridge(settings) as bridge:
        control.stop(bridge, key, owner=operator())
    console.print(f"Broadcast {key} is stopped for good.", highlight=False)


def _possible(found: Broadcast) -> list[str]:
    """What an operator can do now."""
    if found.state is State.FAILED:
        return [f"retry {found.key}"]
    if found.state is State.NEEDS_OPERATOR:
        return [f"resolve {found.key} --started", f"resolve {found.key} --not-started"]
    if found.state is State.SENDING:
        return [f"pause {found.key}", f"resume {found.key}", f"stop {found.key}"]
    return [f"cancel {found.key}"] if State.CANCELLED in TRANSITIONS[found.state] else []


def _what(broadcast: Broadcast) -> str:
    request = broadcast.request
    if request.route is RouteKind.EXPORT_FILE:
        return f"delivery file {request.delivery_file}, exported"
    return f"message “{request.message_name}” to list “{request.list_name}”"
