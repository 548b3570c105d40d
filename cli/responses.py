"""`bridge responses …`: look into response files."""

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from cli.wiring import console, problems
from shared.channels import Channels
from shared.errors import BridgeError
from shared.optimizely.response_file import ResponseReader
from shared.rejects import RejectReason
from shared.response import Response
from shared.response_layouts import layout_of

responses = typer.Typer(no_args_is_help=True, help="Look into response files.")

#: Bytes read at a time.
_PIECE = 1024 * 1024


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
            problems.print(f"No layout is for a file of this name; there are: {names}", highlight=False, markup=False)
            raise typer.Exit(1)
        console.print(f"{file.name} is read by the layout “{found[0]}”.", highlight=False, markup=False)
        reader = ResponseReader(_pieces(file), found[1], name=file.name)
        _show_columns(reader)
        _show_rows(reader, refused)
    except BridgeError as error:
        problems.print(str(error), style="red", highlight=False, markup=False)
        raise typer.Exit(1) from None
    raise typer.Exit(1 if reader.rejects else 0)


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
        console.print(f"  refused, {reason}: {rows:,}", highlight=False)


def _in_words(reason: RejectReason, field: str) -> str:
    return f"{reason} ({field})" if field else str(reason)


def _pieces(file: Path) -> Iterator[bytes]:
    with file.open("rb") as stream:
        while piece := stream.read(_PIECE):
            yield piece
