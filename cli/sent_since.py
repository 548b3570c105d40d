"""`bridge sent-since`: lists what Optimizely has sent since a time."""

import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated

import typer

from cli.wiring import AsJson, SettingsFile, open_bridge, say
from shared.operations.sent_since import Sent, Verdict
from shared.operations.sent_since import sent_since as list_sent

_MEANINGS = {
    Verdict.KNOWN: "the ledger knows it",
    Verdict.BEHIND: "the ledger does not know that it was started, and finds out after the hold is lifted",
    Verdict.MISSING: "the ledger has no such broadcast",
    Verdict.FOREIGN: "not made by the bridge, or the copy of a closed loop",
}


def sent_since(
    time: Annotated[datetime, typer.Argument(help="In UTC: the moment to which RS_DB was restored.")],
    *,
    settings: SettingsFile = None,
    as_json: AsJson = False,
) -> None:
    """List what Optimizely has sent since a time, or will send by itself, and what the ledger knows of it.

    Nothing is changed. After a restore of RS_DB, docs/how-to/restore.md says what to do.
    """
    since = time if time.tzinfo else time.replace(tzinfo=UTC)
    with open_bridge(settings) as bridge:
        sent = list(list_sent(bridge, since))
    if as_json:
        typer.echo(json.dumps([asdict(entry) for entry in sent], indent=2, default=lambda value: value.isoformat()))
        return
    for entry in sent:
        say(_text(entry), style="red" if entry.verdict in {Verdict.BEHIND, Verdict.MISSING} else None)
        if entry.command:
            say(f"  you can: {entry.command}")
    counts = ", ".join(f"{sum(entry.verdict is verdict for entry in sent)} {verdict}" for verdict in Verdict)
    say(f"{len(sent)} Smart Campaigns since {since:%Y-%m-%d %H:%M} UTC: {counts}.")


def _text(entry: Sent) -> str:
    when = f"started on {entry.started:%Y-%m-%d %H:%M} UTC" if entry.started else "starts by itself"
    broadcast = f", broadcast {entry.broadcast}" if entry.broadcast else ""
    state = f", {entry.state} in the ledger" if entry.state else ""
    campaign = f"Smart Campaign {entry.campaign_id} “{entry.name}”, {entry.status}, {when}"
    meaning = "it would be sent again after the hold is lifted" if entry.command else _MEANINGS[entry.verdict]
    return f"{entry.verdict}: {campaign}{broadcast}{state}: {meaning}"
