"""The live view: progress of the broadcast and of its responses."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from rich.columns import Columns
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from local.demo.demo import Progress
from local.demo.folder import ZONE
from shared.broadcast import ORDER, Broadcast, Intake, RouteKind, SendMode, State

#: Each state, explained to a newcomer.
_EXPLANATIONS = {
    State.CLAIMED: "checking the delivery file row by row",
    State.STAGED: "preparing the Smart Campaign",
    State.PREPARED: "transferring the list to Optimizely",
    State.UPLOADED: "waiting for Optimizely to import the list",
    State.IMPORTING: "Optimizely is importing the list",
    State.IMPORTED: "import verified; starting the Smart Campaign",
    State.SENDING: "Optimizely is sending the message",
    State.SENT: "recording the results in RS_DB",
    State.CLOSED: "sent and reported; responses continue to arrive",
    State.FAILED: "stopped by an error",
    State.CANCELLED: "cancelled on request",
    State.NEEDS_OPERATOR: "parked until an operator decides",
}


_WAITING: dict[str, str] = {
    Intake.JOB: "The job is waiting in WS_DB.",
    Intake.CHANNEL: "PeopleStage is uploading the delivery file.",
    Intake.FILE: "The delivery file is waiting in its container.",
}
_EXPORT_EXPLANATIONS = {
    State.STAGED: "preparing the upload",
    State.PREPARED: "uploading the file to the destination site",
    State.UPLOADED: "file uploaded",
    State.IMPORTED: "file uploaded",
    State.CLOSED: "file delivered; this broadcast mails nobody",
}


def _explanation(broadcast: Broadcast) -> str:
    mode, state = broadcast.request.send_mode, broadcast.state
    if broadcast.request.route is RouteKind.EXPORT_FILE and state in _EXPORT_EXPLANATIONS:
        return _EXPORT_EXPLANATIONS[state]
    if state is State.CLOSED and mode is SendMode.UPLOAD_ONLY:
        return "list imported; this broadcast mails nobody"
    if state is State.IMPORTED and mode is SendMode.AT_TIME:
        return "import verified; Optimizely sends at the scheduled time"
    if state is State.IMPORTED and mode is SendMode.AFTER_IMPORT:
        return "import verified; Optimizely starts sending by itself"
    return _EXPLANATIONS[state]


def show(console: Console, steps: Iterable[Progress]) -> None:
    """Show the progress to its end: a live panel on a terminal, otherwise one line per change."""
    if console.is_terminal:
        with Live(console=console, refresh_per_second=4) as live:
            for progress in steps:
                live.update(view(progress))
        return
    shown: set[str] = set()
    for progress in steps:
        for line in lines(progress):
            if line not in shown:
                shown.add(line)
                console.print(f"{progress.seconds:6.1f} s  {line}", highlight=False, soft_wrap=True)


def lines(progress: Progress) -> list[str]:
    """The progress as sentences that change only when something has happened."""
    broadcast, responses = progress.broadcast, progress.responses
    if broadcast is None:
        return [_WAITING[progress.plan.intake]]
    sentences = [f"Broadcast {broadcast.key} is {broadcast.state}: {_explanation(broadcast)}."]
    if responses["files_loaded"]:
        sentences.append(
            f"Response files loaded: {responses['files_loaded']}. Rows: {responses['rows_loaded']:,} added to RS_DB, "
            f"{responses['rows_known']:,} already known, {responses['rows_rejected']:,} rejected."
        )
    return sentences


def view(progress: Progress) -> RenderableType:
    """The progress as a panel."""
    broadcast = progress.broadcast
    parts: list[RenderableType] = []
    if broadcast is None:
        parts.append(Text(_WAITING[progress.plan.intake]))
    else:
        parts += [
            _states(broadcast),
            Text(f"  {_explanation(broadcast)}", style="dim"),
            _numbers(progress, broadcast),
        ]
    key = f"Broadcast {broadcast.key}: " if broadcast else ""
    if progress.plan.route == RouteKind.EXPORT_FILE:
        title = f"{key}a file for another SFTP site"
    else:
        title = f"{key}message “{progress.plan.message_name}” to list “{progress.plan.list_name}”"
    simulated_time = _simulated_time(progress.simulator)
    return Panel(
        Group(*parts),
        title=title,
        subtitle=f"{progress.seconds:.0f} s elapsed · {simulated_time} at Optimizely (simulated)",
    )


def _states(broadcast: Broadcast) -> Columns:
    states = Columns(padding=(0, 1))
    reached = broadcast.state if broadcast.state in ORDER else broadcast.ended_in or State.CLAIMED
    for state in ORDER:
        position = ORDER.index(state) - ORDER.index(reached)
        mark, style = ("●", "green") if position < 0 else ("◉", "bold cyan") if position == 0 else ("○", "dim")
        states.add_renderable(Text(f"{mark} {state}", style))
    if broadcast.state not in ORDER:
        states.add_renderable(Text(f"✗ {broadcast.state}", "bold red"))
    return states


def _numbers(progress: Progress, broadcast: Broadcast) -> Table:
    table = Table.grid(padding=(0, 2))
    rows, responses = broadcast.rows, progress.responses
    campaign: dict[str, Any] = next(
        (row for row in progress.simulator.get("campaigns", ()) if row["id"] == broadcast.campaign_id), {}
    )
    if broadcast.error:
        table.add_row("Error", f"{broadcast.error} [{broadcast.error_code}]")
    if rows:
        table.add_row(
            "Delivery file",
            f"{rows.read:,} rows: {rows.uploaded:,} to upload, {rows.rejected:,} rejected, "
            f"{rows.duplicates:,} duplicates, {rows.suppressed:,} suppressed",
        )
    if broadcast.request.route is RouteKind.EXPORT_FILE:
        return table
    if broadcast.imported is not None:
        table.add_row("Recipient list", f"{broadcast.imported:,} recipients after the import")
    if campaign:
        events = sum(campaign.get("events_by_type", {}).values())
        table.add_row("Smart Campaign", f"{campaign['status']}, {campaign['mails_sent']:,} mails sent")
        table.add_row("Recipients", f"{events:,} events: sends, opens, clicks, bounces, …")
    table.add_row(
        "Response files",
        f"{responses['files_gathered'] + responses['files_loaded']} gathered, {responses['files_loaded']} loaded",
    )
    table.add_row(
        "RS_DB",
        f"{responses['rows_loaded']:,} responses; {responses['rows_known']:,} rows already known, "
        f"{responses['rows_rejected']:,} rejected",
    )
    return table


def _simulated_time(simulator: dict[str, Any]) -> str:
    if "simulated_time" not in simulator:
        return "?"
    time = datetime.fromisoformat(simulator["simulated_time"]).astimezone(ZoneInfo(ZONE))
    return f"{time:%a %d %b %Y %H:%M}"
