"""The live view: where the broadcast and its responses stand, in the two products' own words."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from local.demo.demo import Progress
from local.demo.folder import ZONE
from shared.broadcast import ORDER, Broadcast, RouteKind, SendMode, Source, State

#: What each state means to somebody who has never seen it.
_MEANING = {
    State.CLAIMED: "it is taken in; its delivery file is checked row by row",
    State.STAGED: "the list is staged; the Smart Campaign is prepared",
    State.PREPARED: "the list is transferred to Optimizely",
    State.UPLOADED: "waiting for Optimizely to import the list",
    State.IMPORTING: "Optimizely imports the list",
    State.IMPORTED: "the import is verified; the Smart Campaign is started",
    State.SENDING: "Optimizely sends the message",
    State.SENT: "the Smart Campaign has finished; the results go to RS_DB",
    State.CLOSED: "sent and reported; responses go on arriving",
    State.FAILED: "stopped by an error",
    State.CANCELLED: "cancelled on request",
    State.NEEDS_OPERATOR: "parked: an operator must decide",
}


_WAITING: dict[str, str] = {
    Source.JOB: "The job waits in WS_DB.",
    Source.CHANNEL: "PeopleStage uploads the delivery file.",
    Source.FILE: "The delivery file waits in its container.",
}
_EXPORTING = {
    State.STAGED: "the list is staged",
    State.PREPARED: "the file is uploaded to its receiver",
    State.UPLOADED: "the file has arrived",
    State.IMPORTED: "the file has arrived",
    State.CLOSED: "the file is delivered; nobody is mailed by this broadcast",
}


def _meaning(broadcast: Broadcast) -> str:
    mode, state = broadcast.request.send_mode, broadcast.state
    if broadcast.request.route is RouteKind.EXPORT_FILE and state in _EXPORTING:
        return _EXPORTING[state]
    if state is State.CLOSED and mode is SendMode.UPLOAD_ONLY:
        return "the list is ready; nobody is mailed by this broadcast"
    if state is State.IMPORTED and mode is SendMode.AT_TIME:
        return "the import is verified; Optimizely sends at the set time"
    if state is State.IMPORTED and mode is SendMode.AFTER_IMPORT:
        return "the import is verified; Optimizely starts by itself"
    return _MEANING[state]


def show(console: Console, steps: Iterable[Progress]) -> None:
    """Show the progress until it ends: redrawn on a terminal, a line a change elsewhere."""
    if console.is_terminal:
        with Live(console=console, refresh_per_second=4) as live:
            for progress in steps:
                live.update(view(progress))
        return
    told: set[str] = set()
    for progress in steps:
        for line in lines(progress):
            if line not in told:
                told.add(line)
                console.print(f"{progress.seconds:6.1f} s  {line}", highlight=False, soft_wrap=True)


def lines(progress: Progress) -> list[str]:
    """The progress as sentences that change only when something happened."""
    broadcast, responses = progress.broadcast, progress.responses
    if broadcast is None:
        return [_WAITING[progress.plan.intake]]
    said = [f"Broadcast {broadcast.key} is {broadcast.state}: {_meaning(broadcast)}."]
    if responses["files_loaded"]:
        said.append(
            f"{responses['files_loaded']} response files are loaded: {responses['rows_loaded']:,} rows new in RS_DB, "
            f"{responses['rows_known']:,} known already, {responses['rows_rejected']:,} rejected."
        )
    return said


def view(progress: Progress) -> RenderableType:
    """The progress as a panel."""
    broadcast = progress.broadcast
    parts: list[RenderableType] = []
    if broadcast is None:
        parts.append(Text(_WAITING[progress.plan.intake]))
    else:
        parts += [
            _states(broadcast),
            Text(f"  {_meaning(broadcast)}", style="dim"),
            _numbers(progress, broadcast),
        ]
    key = f"Broadcast {broadcast.key}: " if broadcast else ""
    title = f"{key}message “{progress.plan.message_name}” to list “{progress.plan.list_name}”"
    clock = _simulated_time(progress.simulator)
    return Panel(Group(*parts), title=title, subtitle=f"{progress.seconds:.0f} s here · {clock} at Optimizely")


def _states(broadcast: Broadcast) -> Text:
    text = Text()
    reached = broadcast.state if broadcast.state in ORDER else broadcast.ended_in or State.CLAIMED
    for state in ORDER:
        position = ORDER.index(state) - ORDER.index(reached)
        mark, style = ("●", "green") if position < 0 else ("◉", "bold cyan") if position == 0 else ("○", "dim")
        text.append(f"{mark} {state}  ", style)
    if broadcast.state not in ORDER:
        text.append(f"✗ {broadcast.state}", "bold red")
    return text


def _numbers(progress: Progress, broadcast: Broadcast) -> Table:
    table = Table.grid(padding=(0, 2))
    rows, responses = broadcast.rows, progress.responses
    campaign: dict[str, Any] = next(
        (one for one in progress.simulator.get("campaigns", ()) if one["id"] == broadcast.campaign_id), {}
    )
    if rows:
        table.add_row(
            "Delivery file",
            f"{rows.read:,} rows: {rows.uploaded:,} to upload, {rows.rejected:,} rejected, "
            f"{rows.duplicates:,} duplicates, {rows.suppressed:,} suppressed",
        )
    if broadcast.imported is not None:
        table.add_row("Recipient list", f"{broadcast.imported:,} recipients after the import")
    if campaign:
        events = sum(campaign.get("events_by_type", {}).values())
        table.add_row("Smart Campaign", f"{campaign['status']}, {campaign['mails_sent']:,} mails sent")
        table.add_row("Recipients", f"have caused {events:,} events")
    table.add_row(
        "Response files",
        f"{responses['files_gathered'] + responses['files_loaded']} gathered, {responses['files_loaded']} loaded",
    )
    table.add_row(
        "RS_DB",
        f"{responses['rows_loaded']:,} responses; {responses['rows_known']:,} rows were known already, "
        f"{responses['rows_rejected']:,} rejected",
    )
    if broadcast.error:
        table.add_row("Error", f"{broadcast.error} [{broadcast.error_code}]")
    return table


def _simulated_time(simulator: dict[str, Any]) -> str:
    if "simulated_time" not in simulator:
        return "?"
    time = datetime.fromisoformat(simulator["simulated_time"]).astimezone(ZoneInfo(ZONE))
    return f"{time:%a %d %b %Y %H:%M}"
