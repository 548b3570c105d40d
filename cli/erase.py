"""`bridge erase` and `bridge erasures`: remove a person, and the receipts of it."""

import json
import sys
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any

import typer
from rich.table import Table

from cli.wiring import AsJson, SettingsFile, console, opened_bridge, operator
from shared.faststats.delivery_file import deliverable
from shared.ledger import erasures as records
from shared.ledger.erasures import UNREAD, Receipt
from shared.ledger.person import GivenBy
from shared.operations.erasure.erase import STEPS, Plan, plan
from shared.operations.erasure.erase import erase as erase_person

_PLAIN: dict[str, Any] = {"highlight": False, "markup": False, "soft_wrap": True}
#: What each step looks through, as an operator knows it.
_WHERE = {
    "optimizely": "addresses whose history Optimizely is asked to wipe",
    "response-files": "rows of kept response files",
    "responses": "responses in RS_DB",
    "lists": "rows of staged lists and of reject files",
    "recipients": "entries among the recipients of broadcasts",
    UNREAD: "files that cannot be read: the plan names them, and the person may still be in them",
}
_STDIN = "-"
_FROM_STDIN = "`-` reads it from standard input, so that no history of commands keeps it."


def erase(
    *,
    address: Annotated[str | None, typer.Option(help=f"An address. {_FROM_STDIN}")] = None,
    urn: Annotated[str | None, typer.Option(help="A URN, or `-`.")] = None,
    communication_key: Annotated[str | None, typer.Option(help="A Communication Key, or `-`.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Erase. Without it only the plan is shown.")] = False,
    settings: SettingsFile = None,
    as_json: AsJson = False,
) -> None:
    """Erase a person from all that the bridge keeps, and have their history wiped at Optimizely.

    Shows a plan and changes nothing, unless --yes is given. An erasure that was interrupted goes on when the same
    command is given again. What it does and does not reach stands in docs/how-to/erase.md.

    Exit status: 0 when the person is erased, or the plan can be carried out; 1 when not.
    """
    given_by, given = _given(address, urn, communication_key)
    with opened_bridge(settings) as bridge:
        if yes:
            _show_receipts([erase_person(bridge, given_by, given, operator=operator())], as_json=as_json)
            return
        planned = plan(bridge, given_by, given)
    _show_plan(planned, as_json=as_json)
    raise typer.Exit(1 if planned.under_way else 0)


def erasures(settings: SettingsFile = None, *, as_json: AsJson = False) -> None:
    """List the receipts of erasures, newest first. None tells who it was."""
    with opened_bridge(settings) as bridge:
        _show_receipts(records.receipts(bridge.ledger.database), as_json=as_json)


def _given(address: str | None, urn: str | None, communication_key: str | None) -> tuple[GivenBy, str]:
    options = {GivenBy.ADDRESS: address, GivenBy.URN: urn, GivenBy.COMMUNICATION_KEY: communication_key}
    given = [(kind, value) for kind, value in options.items() if value is not None]
    if len(given) != 1:
        raise typer.BadParameter("say who: --address, --urn or --communication-key")
    kind, value = given[0]
    if value == _STDIN:
        value = sys.stdin.readline()
    value = value.strip()
    if kind is GivenBy.ADDRESS:
        value = deliverable(value) or value
    if not value or (kind is GivenBy.ADDRESS and "@" not in value):
        raise typer.BadParameter(f"that is no {kind.replace('-', ' ')}")
    return kind, value


def _show_plan(planned: Plan, *, as_json: bool) -> None:
    person = planned.person
    known = {
        "addresses": len(person.mailed_at),
        "urns": len(person.urns),
        "communication_keys": len(person.communication_keys),
    }
    if as_json:
        told = {"known_by": known, "found": dict(planned.found), "erase_responses": planned.responses}
        told |= {"under_way": planned.under_way, "unread": planned.unread}
        typer.echo(json.dumps(told | {"not_staged": planned.not_staged, "goes_on": planned.goes_on}, indent=2))
        return
    console.print(
        f"The person is known by {known['addresses']} addresses, {known['urns']} URNs and "
        f"{known['communication_keys']} Communication Keys.",
        **_PLAIN,
    )
    if known["urns"] > 1:
        console.print("More than one URN: if these are several persons, all of them are erased.", **_PLAIN)
    for step in STEPS:
        also = f" ({planned.responses})" if step == "responses" else ""
        console.print(f"{planned.found[step]:>8,}  {_WHERE[step]}{also}", **_PLAIN)
    for name in planned.unread:
        console.print(f"Cannot be read, so nobody knows whether the person is in it: {name}", **_PLAIN)
    if planned.not_staged:
        console.print(f"Not looked at, for they are not staged yet: {planned.not_staged} broadcasts.", **_PLAIN)
    if planned.goes_on:
        console.print("An erasure of this person was interrupted; --yes goes on with it.", **_PLAIN)
    for one in planned.under_way:
        console.print(f"Under way with the person: {one}. Nothing can be erased before it ends.", **_PLAIN)
    console.print("Nothing was changed. To erase, give --yes as well.", **_PLAIN)


def _show_receipts(receipts: list[Receipt], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps([asdict(one) for one in receipts], indent=2, default=_isoformat))
        return
    for one in receipts:
        ended = (
            f"done {one.finished_at:%Y-%m-%d %H:%M} UTC" if one.finished_at else "interrupted: give the command again"
        )
        console.print(f"Erasure {one.id}, by {one.given_by}, of {one.operator}: {ended}.", **_PLAIN)
        table = Table("", "found", "erased", box=None, pad_edge=False)
        for step in sorted(one.steps, key=lambda step: list(_WHERE).index(step.step)):
            if step.step == UNREAD and not step.found:
                continue
            table.add_row(_WHERE[step.step], f"{step.found:,}", "" if step.erased is None else f"{step.erased:,}")
        console.print(table)


def _isoformat(time: datetime) -> str:
    return time.isoformat()
