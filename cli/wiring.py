"""What every command shares: app settings from the environment or a local.settings.json, the bridge, the output."""

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
from shared.errors import BridgeError, SettingsInvalid

SettingsFile = Annotated[
    Path | None,
    typer.Option(
        "--settings",
        help="A local.settings.json with app settings; variables of the environment take precedence.",
        exists=True,
        dir_okay=False,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]

#: Columns of text that goes to a file or another program.
_WIDTH = 120

console = Console(width=None if sys.stdout.isatty() else _WIDTH)
error_console = Console(stderr=True, width=None if sys.stderr.isatty() else _WIDTH)


def say(text: str, *, style: str | None = None, to: Console = console) -> None:
    """Print text as it is: one line stays one line, and nothing in it is markup."""
    to.print(text, style=style, highlight=False, markup=False, soft_wrap=True)


def fail(text: str, exit_code: int = 1) -> typer.Exit:
    """Print what went wrong to standard error; returns what to raise to end the command."""
    say(text, style="red", to=error_console)
    return typer.Exit(exit_code)


@contextmanager
def open_bridge(settings_file: Path | None) -> Iterator[Bridge]:
    """The bridge of the app settings; a `BridgeError` is printed and ends the command with exit code 1."""
    with print_errors():
        read_settings_file(settings_file)
        with closing(Bridge.started(Settings.load())) as bridge:
            if bridge.test_installation:
                say(bridge.test_installation, style="yellow", to=error_console)
            yield bridge


def read_settings_file(settings_file: Path | None) -> None:
    """Add the values of a local.settings.json to the environment, which takes precedence."""
    if settings_file is None:
        return
    try:
        values = json.loads(settings_file.read_text("utf-8"))["Values"]
        for name, value in values.items():
            os.environ.setdefault(name, str(value))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        hint = f'{settings_file} is not a local.settings.json: an object of JSON with the app settings in "Values"'
        raise typer.BadParameter(hint, param_hint="--settings") from None


@contextmanager
def print_errors() -> Iterator[None]:
    """Print a `BridgeError` and end the command with exit code 1."""
    try:
        yield
    except SettingsInvalid as error:
        hint = "App settings come from the environment, or from a file: --settings local.settings.json"
        raise fail(f"{error}\n{hint}") from None
    except BridgeError as error:
        raise fail(str(error)) from None


def operator() -> str:
    """Who gives the command, for the history."""
    return f"operator {getpass.getuser()}"[:100]
