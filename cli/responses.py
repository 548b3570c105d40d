"""`bridge responses …`: look into response files, and load them by hand."""

import dataclasses
import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from sqlalchemy import Row

from cli.wiring import AsJson, SettingsFile, console, error_console, open_bridge
from shared.bridge import Bridge
from shared.config.channels import Channels
from shared.config.response_layouts import layout_of
from shared.errors import BridgeError, ResponseFileUnknown
from shared.operations.responses import add_file, load_again
from shared.optimizely.responses.reader import ResponseReader
from shared.rejects import RejectReason, hint
from shared.response import Response
from shared.response_file import FileState, ResponseFile
from shared.web.status import response_file_status

responses = typer.Typer(no_args_is_help=True, help="Look into response files, and load them by hand.")

#: Bytes read at a time.
_PIECE = 1024 * 1024
#: How sentences are printed that hold names.
_PLAIN: dict[str, Any] = {"highlight": False, "markup": False, "soft_wrap": True}


@responses.command()
def inspect(
    file: Annotated[Path, typer.Argument(help="A response file on this machine.", exists=True, dir_okay=False)],
    *,
    channels: Annotated[
        Path | None,
        typer.Option(help="The channels file with the layouts.", show_default="the app setting CHANNELS_FILE"),
    ] = None,
    refused: Annotated[int, typer.Option(min=0, help="How many refused rows are listed.")] = 20,
) -> None:
    """Show how a response file would be read, and why a row is refused. Nothing is loaded.

    Exit status: 0 when every row can be loaded, 1 when a row or the file is refused.
    """
    given = channels or (Path(os.environ["CHANNELS_FILE"]) if os.environ.get("CHANNELS_FILE") else None)
    try:
        layouts = Channels.load(given).responses
        found = layout_of(file.name, layouts)
        if found is None:
            names = ", ".join(pattern for layout in layouts.values() for pattern in layout.names)
            error_console.print(
                f"{file.name} matches no layout; the name patterns of the layouts are: {names}",
                highlight=False,
                markup=False,
            )
            raise typer.Exit(1)
        console.print(f"{file.name} is read by the layout “{found[0]}”.", highlight=False, markup=False)
        reader = ResponseReader(_pieces(file), found[1], name=file.name)
        packed = f"packed by {reader.packed}" if reader.packed else "not packed"
        says = "its byte-order mark" if reader.has_mark else "the layout"
        console.print(f"It is {packed}; its text is {reader.encoding}, as {says} says.", **_PLAIN)
        _show_columns(reader)
        _show_rows(reader, refused)
    except BridgeError as error:
        error_console.print(str(error), style="red", highlight=False, markup=False)
        raise typer.Exit(1) from None
    raise typer.Exit(1 if reader.rejects else 0)


@responses.command()
def show(
    name: Annotated[str, typer.Argument(help="Name or number of a response file.")],
    settings: SettingsFile = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Show the response files of this name: state, rows, error, and the history of each."""
    with open_bridge(settings) as bridge:
        files = bridge.ledger.response_files
        shown = [(file, files.history(file)) for file in _named(bridge, name)]
    if as_json:
        records = [response_file_status(file) | {"history": [_change(row) for row in rows]} for file, rows in shown]
        typer.echo(json.dumps(records, indent=2))
        return
    for file, rows in shown:
        console.print(f"Response file {file.id}, {file.name}, is {file.state} ({file.size:,} bytes).", **_PLAIN)
        if file.counts is not None:
            console.print(f"  {_row_counts(dataclasses.asdict(file.counts))}", **_PLAIN)
        if file.error:
            error_console.print(f"  {file.error} [{file.error_code}]", style="red", **_PLAIN)
        if file.waiting_for:
            since = f"{file.waiting_since:%Y-%m-%d %H:%M:%S} UTC"
            console.print(f"  It waits for {file.waiting_for}, since {since}.", style="yellow", **_PLAIN)
        for row in rows:
            console.print(f"  {row.at:%Y-%m-%d %H:%M:%S} UTC  {row.to_state}: {row.note}  ({row.owner})", **_PLAIN)
        if not rows:
            console.print("  It has no history yet: it was last changed by an earlier version.", **_PLAIN)


@responses.command()
def load(
    file: Annotated[Path, typer.Argument(help="A response file on this machine.", exists=True, dir_okay=False)],
    settings: SettingsFile = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Keep a response file and load it now. One that is known already is loaded again, which changes nothing.

    Exit status: 0 when the file is loaded, even if rows of it are refused; 1 when it is not.
    """
    with open_bridge(settings) as bridge:
        try:
            result = _loaded(bridge, add_file(bridge, file))
        except BridgeError as error:
            result = _refused(file.name, error)
    _print([result], as_json=as_json, one=True)


@responses.command()
def replay(
    since: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"],
            help="Load every kept file again that was gathered at this time (UTC) or later.",
        ),
    ] = None,
    file: Annotated[
        str | None, typer.Option(help="Load the kept files of this name again, or that with this number.")
    ] = None,
    settings: SettingsFile = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Load kept response files again. Responses that are already loaded stay as they are; missing ones are added.

    Exit status: 0 when every file is loaded, 1 when one is not or there is none.
    """
    if (since is None) == (file is None):
        raise typer.BadParameter("say which: --since, or --file")
    result = []
    with open_bridge(settings) as bridge:
        for one in _wanted(bridge, since, file):
            try:
                result.append(_loaded(bridge, one))
            except BridgeError as error:
                result.append({"id": one.id, **_refused(one.name, error)})
    _print(result, as_json=as_json)


def _wanted(bridge: Bridge, since: datetime | None, file: str | None) -> list[ResponseFile]:
    files = bridge.ledger.response_files
    if since is not None:
        return files.gathered_since(since.replace(tzinfo=UTC))
    gathered = [one for one in _named(bridge, file or "") if one.state is not FileState.SEEN]
    if not gathered:
        raise ResponseFileUnknown(file=file or "")
    return gathered


def _named(bridge: Bridge, name: str) -> list[ResponseFile]:
    """The response files with this name, or the one with this number."""
    files = bridge.ledger.response_files.named(name)
    if not files and name.isdecimal():
        files = [bridge.ledger.response_files.get(int(name))]
    if not files:
        raise ResponseFileUnknown(file=name)
    return files


def _change(row: Row[Any]) -> dict[str, Any]:
    return {"at": row.at.isoformat(), "from": row.from_state, "to": row.to_state, "owner": row.owner, "note": row.note}


def _row_counts(rows: Mapping[str, Any], prefix: str = "") -> str:
    counts = {word: f"{rows[prefix + word]:,}" for word in ("read", "loaded", "known", "rejected", "unmatched")}
    return (
        "{read} rows read: {loaded} loaded, {known} known, {rejected} rejected. "
        "{unmatched} of the loaded have no broadcast yet.".format_map(counts)
    )


def _loaded(bridge: Bridge, file: ResponseFile) -> dict[str, Any]:
    counts = load_again(bridge, file.id)
    return {
        "id": file.id,
        "file": file.name,
        "rows_read": counts.read,
        "rows_loaded": counts.loaded,
        "rows_known": counts.known,
        "rows_rejected": counts.rejected,
        "rows_unmatched": counts.unmatched,
        "by_type": dict(counts.by_type),
    }


def _refused(name: str, error: BridgeError) -> dict[str, Any]:
    return {"file": name, "error_code": error.code, "error": error.sentence}


def _print(result: list[dict[str, Any]], *, as_json: bool, one: bool = False) -> None:
    """Print the results of files, and end with the exit status."""
    if as_json:
        typer.echo(json.dumps(result[0] if one else result, indent=2))
    else:
        for file in result:
            if "error" in file:
                error_console.print(f"{file['file']}: {file['error']} [{file['error_code']}]", style="red", **_PLAIN)
                continue
            console.print(f"{file['file']}: {_row_counts(file, prefix='rows_')}", **_PLAIN)
            for name, count in sorted(file["by_type"].items()):
                console.print(f"  {name} {count:,}", **_PLAIN)
        if not result:
            console.print("No response file was gathered since then.", **_PLAIN)
    raise typer.Exit(0 if result and not any("error" in file for file in result) else 1)


def _show_columns(reader: ResponseReader) -> None:
    table = Table("Column in the file", "Becomes", box=None)
    for field, name in reader.fields.items():
        table.add_row(name, field.value)
    for name in reader.details:
        table.add_row(name, "a detail")
    console.print(table)


def _show_rows(reader: ResponseReader, most: int) -> None:
    by_type = Counter[str]()
    first = last = None
    listed = 0
    for line, row in reader.rows():
        if isinstance(row, Response):
            by_type[row.message_type] += 1
            first = min(first or row.event_time, row.event_time)
            last = max(last or row.event_time, row.event_time)
        elif listed < most:
            listed += 1
            console.print(f"  line {line}: {_in_words(row, reader.refused_field)}", highlight=False, markup=False)
    if reader.rejects.total() > listed:
        console.print(f"  and {reader.rejects.total() - listed:,} more", highlight=False)
    total = reader.rejects.total()
    console.print(f"{reader.rows_read:,} rows: {reader.rows_good:,} can be loaded, {total:,} refused.", highlight=False)
    for name, rows in sorted(by_type.items()):
        console.print(f"  {name} {rows:,}", highlight=False, markup=False)
    if first and last:
        console.print(f"Events from {first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M} UTC.", highlight=False)
    for reason, rows in reader.rejects.items():
        console.print(f"  refused, {reason}: {rows:,}{hint(reason, ' ({})')}", **_PLAIN)


def _in_words(reason: RejectReason, field: str) -> str:
    return f"{reason} ({field})" if field else str(reason)


def _pieces(file: Path) -> Iterator[bytes]:
    with file.open("rb") as stream:
        while piece := stream.read(_PIECE):
            yield piece
