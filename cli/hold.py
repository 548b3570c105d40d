"""`bridge hold`: holds everything, shows the hold, and lifts it."""

import getpass
from typing import Annotated

import typer

from cli.wiring import SettingsFile, fail, open_bridge, say
from shared.ledger.holds import BY_PERSON, Hold, Holds
from shared.operations import holds as operations

_SHOWN = 10


def hold(
    *,
    reason: Annotated[
        str | None,
        typer.Option(help="Hold everything, for this reason. Whoever sees the hold sees it: no names of recipients."),
    ] = None,
    lift: Annotated[bool, typer.Option("--lift", help="Lift the hold.")] = False,
    code: Annotated[str, typer.Option(help="With --lift: the hold of this code, if the bridge placed it.")] = BY_PERSON,
    by: Annotated[str | None, typer.Option(help="Who does it.", show_default="the user of this machine")] = None,
    settings: SettingsFile = None,
) -> None:
    """Hold everything, lift the hold, or show what is held.

    While a hold is in force nothing new is started, released or exported; what runs is finished, and responses are
    loaded.
    """
    if lift and reason is not None:
        raise typer.BadParameter("--lift takes no reason", param_hint="--reason")
    if reason is not None and not reason.strip():
        raise typer.BadParameter("it says nothing", param_hint="--reason")
    who = by or getpass.getuser()
    with open_bridge(settings) as bridge:
        if reason is not None:
            operations.add(bridge, reason, by=who)
        elif lift:
            lifted = operations.lift(bridge, by=who, code=code)
            if not lifted:
                raise fail(f"No hold with the code {code} is in force.")
            for former in lifted:
                say(f"Lifted: {_text(former)}")
        _show(bridge.ledger.hold, history=reason is None and not lift)


def _show(holds: Holds, *, history: bool) -> None:
    in_force = holds.in_force()
    for hold in in_force:
        command = "bridge hold --lift" + (f" --code {hold.code}" if hold.code != BY_PERSON else "")
        say(f"Everything is held: {_text(hold)}", style="red")
        say(f"  you can: {command}")
    if not in_force:
        say("Nothing is held.")
    for hold in holds.newest(_SHOWN) if history else ():
        if hold.lifted_at is not None:
            say(f"  before: {_text(hold)}, lifted by {hold.lifted_by} on {hold.lifted_at:%Y-%m-%d %H:%M} UTC")


def _text(hold: Hold) -> str:
    return f"{hold.reason} [{hold.code}], by {hold.placed_by} since {hold.placed_at:%Y-%m-%d %H:%M} UTC"
