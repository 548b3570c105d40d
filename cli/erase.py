"""`bridge erase` and `bridge erasures`: erases a person, and lists the receipts."""

import json
import sys
from dataclasses import asdict
from datetime import datetime
from typing import Annotated

import typer
from rich.table import Table

from cli.wiring import AsJson, SettingsFile, console, open_bridge, operator, say
from shared.files.email_address import deliverable
from shared.ledger import erasures as records
from shared.ledger.erasures import UNREAD, Receipt
from shared.ledger.person import GivenBy
from shared.operations.erasure.erase import STEPS, Plan, plan
from shared.operations.erasure.erase import erase as erase_person

#: What each step erases, in an operator's words.
_STEP_TEXTS = {
    "optimizely": "addresses whose history Optimizely is asked to wipe",
    "response-files": "rows of kept response files",
    "responses": "responses in RS_DB",
    "lists": "rows of staged lists and of reject files",
    "recipients": "entries in the recipient records of broadcasts",
    UNREAD: "unreadable files: the plan names them, and the person may still be in them",
}
_STDIN = "-"
_FROM_STDIN = "`-` reads it from standard input, which keeps it out of the shell's history."


def erase(
    *,
    address: Annotated[str | None, typer.Option(help=f"The person's email address. {_FROM_STDIN}")] = None,
    urn: Annotated[str | None, typer.Option(help="The person's URN, or `-`.")] = None,
    communication_key: Annotated[str | None, typer.Option(help="A Communication Key of the person, or `-`.")] = None,
    yes: Annotated[
        bool, typer.Option("--yes", help="Erase. Without this option the plan is shown and nothing is changed.")
    ] = False,
    settings: SettingsFile = None,
    as_json: AsJson = False,
) -> None:
    """Erase a person from everything that the bridge keeps, and have Optimizely wipe their history.

    Without --yes, shows a plan and changes nothing. Repeat the same command to continue an erasure that was
    interrupted. docs/how-to/erase.md describes what an erasure covers and what it does not.

    Exit status: 0 when the person is erased, or the plan can be carried out; 1 otherwise.
    """
    given_by, given = _given(address, urn, communication_key)
    with open_bridge(settings) as bridge:
        if yes:
            _show_receipts([erase_person(bridge, given_by, given, operator=operator())], as_json=as_json)
            return
        planned = plan(bridge, given_by, given)
    _show_plan(planned, as_json=as_json)
    raise typer.Exit(1 if planned.under_way else 0)


def erasures(settings: SettingsFile = None, *, as_json: AsJson = False) -> None:
    """List the receipts of erasures, newest first. A receipt does not say who was erased."""
    with open_bridge(settings) as bridge:
        receipts = records.receipts(bridge.ledger.database)
    if not receipts and not as_json:
        console.print("No person was erased yet.")
    else:
        _show_receipts(receipts, as_json=as_json)


def _given(address: str | None, urn: str | None, communication_key: str | None) -> tuple[GivenBy, str]:
    options = {GivenBy.ADDRESS: address, GivenBy.URN: urn, GivenBy.COMMUNICATION_KEY: communication_key}
    given = [(kind, value) for kind, value in options.items() if value is not None]
    if len(given) != 1:
        raise typer.BadParameter("give exactly one of --address, --urn and --communication-key")
    kind, value = given[0]
    if value == _STDIN:
        value = sys.stdin.readline()
    value = value.strip()
    if kind is GivenBy.ADDRESS:
        value = deliverable(value) or value
    if not value:
        raise typer.BadParameter("the value is empty", param_hint=f"--{kind}")
    if kind is GivenBy.ADDRESS and "@" not in value:
        raise typer.BadParameter("this is not an email address", param_hint="--address")
    return kind, value


def _show_plan(planned: Plan, *, as_json: bool) -> None:
    person = planned.person
    known_by = {
        "addresses": len(person.mailed_at),
        "urns": len(person.urns),
        "communication_keys": len(person.communication_keys),
    }
    if as_json:
        plan_json = {
            "known_by": known_by,
            "found": dict(planned.found),
            "erase_responses": planned.responses,
            "under_way": planned.under_way,
            "unread": planned.unread,
            "not_staged": planned.not_staged,
            "goes_on": planned.goes_on,
        }
        typer.echo(json.dumps(plan_json, indent=2))
        return
    say(
        f"The person is known by {known_by['addresses']} addresses, {known_by['urns']} URNs and "
        f"{known_by['communication_keys']} Communication Keys."
    )
    if known_by["urns"] > 1:
        say("There is more than one URN: if they belong to several persons, all of them are erased.")
    for step in STEPS:
        how = f" ({planned.responses})" if step == "responses" else ""
        say(f"{planned.found[step]:>8,}  {_STEP_TEXTS[step]}{how}")
    for name in planned.unread:
        say(f"Unreadable, so the person may be in it: {name}")
    if planned.not_staged:
        say(f"Not searched because they are not staged yet: {planned.not_staged} broadcasts.")
    if planned.goes_on:
        say("An erasure of this person was interrupted; --yes continues it.")
    for name in planned.under_way:
        say(f"Under way and with the person in it: {name}. Nothing can be erased before it has ended.")
    say("Nothing was changed. Add --yes to erase the person.")


def _show_receipts(receipts: list[Receipt], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps([asdict(receipt) for receipt in receipts], indent=2, default=_isoformat))
        return
    for receipt in receipts:
        outcome = (
            f"finished {receipt.finished_at:%Y-%m-%d %H:%M} UTC"
            if receipt.finished_at
            else "interrupted: repeat the command to continue"
        )
        say(f"Erasure {receipt.id}, by {receipt.given_by}, requested by {receipt.operator}: {outcome}.")
        table = Table("", "found", "erased", box=None, pad_edge=False)
        for step in sorted(receipt.steps, key=lambda step: list(_STEP_TEXTS).index(step.step)):
            if step.step == UNREAD and not step.found:
                continue
            table.add_row(_STEP_TEXTS[step.step], f"{step.found:,}", "" if step.erased is None else f"{step.erased:,}")
        console.print(table)


def _isoformat(time: datetime) -> str:
    return time.isoformat()
