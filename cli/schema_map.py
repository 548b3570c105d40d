"""`bridge schema-map`: the names under which the bridge looks for what it needs in WS_DB, RS_DB and PS_DB."""

import json
import os
from pathlib import Path
from typing import Annotated

import typer

from cli.wiring import SettingsFile, problems, take_in
from shared.errors import SettingsInvalid
from shared.faststats.schema_map.entries import Entry
from shared.faststats.schema_map.names import SchemaMap
from shared.faststats.schema_map.spec import DATABASES

schema_map = typer.Typer(no_args_is_help=True, help="Look at the schema map.")

#: Where the comments begin.
_WIDTH = 52
_HEAD = """\
# Schema map of Broadcast Bridge (docs/reference/schema-map.md). A file needs only the lines that differ.
# published: named in public material. assumption: not public; check it on the real system.
# "" leaves out what may be left out."""


@schema_map.callback()
def _group() -> None:
    """Look at the schema map."""


@schema_map.command()
def show(
    file: Annotated[
        Path | None, typer.Option(help="A schema map.", show_default="SCHEMA_MAP_FILE", exists=True, dir_okay=False)
    ] = None,
    settings: SettingsFile = None,
) -> None:
    """Print the schema map as TOML, with what is known of each name."""
    take_in(settings)
    named = os.environ.get("SCHEMA_MAP_FILE")
    try:
        names = SchemaMap.load(file or (Path(named) if named else None))
    except SettingsInvalid as error:
        problems.print(str(error), style="red", highlight=False, markup=False)
        raise typer.Exit(1) from None
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
    without = f'may be "": {entry.without}' if entry.without else ""
    return "; ".join(filter(None, (known, entry.note, without)))
