"""`bridge schema-map`: the names of the tables and columns that the bridge uses in WS_DB, RS_DB and PS_DB."""

import json
import os
from pathlib import Path
from typing import Annotated

import typer

from cli.wiring import SettingsFile, print_errors, read_settings_file
from shared.faststats.schema_map.entries import Entry
from shared.faststats.schema_map.names import SchemaMap
from shared.faststats.schema_map.spec import DATABASES

schema_map = typer.Typer(no_args_is_help=True, help="Show the schema map.")

#: Column at which comments begin.
_WIDTH = 52
_HEAD = """\
# Schema map of Broadcast Bridge (docs/reference/schema-map.md). A file of your own needs only the lines that differ.
# published: named in public material. assumption: not public; verify it on the real system.
# "": the system has no such table or column, where a comment allows it."""


@schema_map.callback()
def _group() -> None:
    """Show the schema map."""


@schema_map.command()
def show(
    file: Annotated[
        Path | None,
        typer.Option(help="The schema map to show.", show_default="SCHEMA_MAP_FILE", exists=True, dir_okay=False),
    ] = None,
    settings: SettingsFile = None,
) -> None:
    """Print the schema map as TOML, with a comment that says where each name comes from."""
    read_settings_file(settings)
    configured = os.environ.get("SCHEMA_MAP_FILE")
    with print_errors():
        names = SchemaMap.load(file or (Path(configured) if configured else None))
    typer.echo(page(names), nl=False)


def page(names: SchemaMap) -> str:
    """The whole map as TOML."""
    lines = [_HEAD]
    for database in DATABASES:
        for section, entries in database.sections():
            lines += ["", f"[{section}]"]
            for entry in entries:
                value = names.value(f"{section}.{entry.key}")
                lines.append(f"{entry.key} = {_toml(value)}".ljust(_WIDTH) + f"  # {_comment(entry, value)}")
    return "\n".join(lines) + "\n"


def _toml(value: str | int) -> str:
    return json.dumps(value, ensure_ascii=False)


def _comment(entry: Entry, value: str | int) -> str:
    known = "published" if entry.published else "assumption"
    if value != entry.default:
        known = f"changed from {_toml(entry.default)} ({known})"
    without = f'may be "": {entry.consequence}' if entry.consequence else ""
    return "; ".join(filter(None, (known, entry.note, without)))
