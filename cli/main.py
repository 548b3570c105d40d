"""The `bridge` command."""

from typing import Annotated

import typer

from cli.broadcasts import broadcast, broadcasts, status
from cli.db import db
from cli.demo import demo
from cli.doctor import doctor
from cli.erase import erase, erasures
from cli.hold import hold
from cli.reference import errors, settings
from cli.responses import responses
from cli.schema_map import schema_map
from cli.send_test import send_test
from cli.sent_since import sent_since
from cli.setup import setup
from cli.smoke import smoke
from shared.config.version import version

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Broadcast Bridge: carries broadcasts from Apteco FastStats and PeopleStage to Optimizely Campaign, and every "
    "response back.",
)
app.command()(demo)
app.command()(setup)
app.command()(doctor)
app.add_typer(schema_map, name="schema-map")
app.add_typer(db, name="db")
app.command()(status)
app.command()(broadcasts)
app.add_typer(broadcast, name="broadcast")
app.command()(hold)
app.add_typer(responses, name="responses")
app.command()(erase)
app.command()(erasures)
app.command("test-send")(send_test)
app.command("sent-since")(sent_since)
app.command()(smoke)
app.command()(settings)
app.command()(errors)


def _print_version(asked: bool) -> None:  # noqa: FBT001 - as Typer calls it
    if asked:
        typer.echo(f"Broadcast Bridge {version()}")
        raise typer.Exit


@app.callback()
def _options(
    *,
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version with its commit."),
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command."""
    app()
