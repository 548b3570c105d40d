"""The `bridge` command."""

import typer

from cli.broadcasts import broadcast, broadcasts, status
from cli.db import db
from cli.demo import demo
from cli.doctor import doctor
from cli.erase import erase, erasures
from cli.reference import errors, settings
from cli.responses import responses
from cli.schema_map import schema_map
from cli.send_test import send_test
from cli.setup import setup
from cli.smoke import smoke

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Broadcast Bridge: from Apteco FastStats and PeopleStage to Optimizely Campaign, and every response back.",
)
app.command()(demo)
app.command()(setup)
app.command()(doctor)
app.add_typer(schema_map, name="schema-map")
app.add_typer(db, name="db")
app.command()(status)
app.command()(broadcasts)
app.add_typer(broadcast, name="broadcast")
app.add_typer(responses, name="responses")
app.command()(erase)
app.command()(erasures)
app.command("test-send")(send_test)
app.command()(smoke)
app.command()(settings)
app.command()(errors)


def main() -> None:
    """Run the command."""
    app()
