"""How commands find the bridge: by app settings in the environment or in a local.settings.json."""

import getpass
import json
import os
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from shared.bridge import Bridge
from shared.config.settings import Settings
from shared.errors import BridgeError

SettingsFile = Annotated[
    Path | None,
    typer.Option(
        "--settings",
        help="A local.settings.json to take the app settings from; the environment wins.",
        exists=True,
        dir_okay=False,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]

#: Columns of text that goes to a file or another program.
_WIDTH = 120

console = Console(width=None if sys.stdout.isatty() else _WIDTH)
problems = Console(stderr=True, width=None if sys.stderr.isatty() else _WIDTH)


@contextmanager
def opened_bridge(settings_file: Path | None) -> Iterator[Bridge]:
    """The bridge of the app settings; an error of the catalogue ends the command with exit code 1."""
    with told_errors():
        take_in(settings_file)
        with closing(Bridge.started(Settings.load())) as bridge:
            yield bridge


def take_in(settings_file: Path | None) -> None:
    """Put the values of a local.settings.json into the environment, which wins."""
    if settings_file is not None:
        for name, value in json.loads(settings_file.read_text())["Values"].items():
            os.environ.setdefault(name, value)


@contextmanager
def told_errors() -> Iterator[None]:
    """An error of the catalogue is printed and ends the command with exit code 1."""
    try:
        yield
    except BridgeError as error:
        problems.print(str(error), style="red", highlight=False, markup=False)
        raise typer.Exit(1) from None


def operator() -> str:
    """Who gives the command, for the history."""
    return f"operator {getpass.getuser()}"[:100]
