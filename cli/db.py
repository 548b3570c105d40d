"""`bridge db …`: the numbered migrations of the bridge's own tables. Of the app settings only RS_DB is needed."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Annotated

import typer
from rich.table import Table

from cli.wiring import SettingsFile, console, print_errors, read_settings_file, say
from shared.config.settings import RsDbSettings
from shared.database.connections import Database
from shared.ledger.schema import Schema

db = typer.Typer(no_args_is_help=True, help="Migrate the bridge's own tables in RS_DB, or list their migrations.")


@db.command()
def migrate(
    settings: SettingsFile = None,
    *,
    plan: Annotated[
        bool, typer.Option("--plan", help="Print the pending migrations as an SQL script and change nothing.")
    ] = False,
) -> None:
    """Apply the pending migrations. Safe to repeat, and safe while functions run."""
    with _schema(settings) as schema:
        if plan:
            typer.echo(schema.plan() or "-- No migration is pending.")
            return
        for migration in schema.migrate():
            say(f"Applied {migration.title}.")
    say("The bridge's tables are up to date.")


@db.command()
def status(settings: SettingsFile = None) -> None:
    """List the migrations: applied, pending, or not as this version has them."""
    with _schema(settings) as schema:
        lines = schema.status()
    table = Table("Number", "Migration", "Status", "Applied", box=None)
    for line in lines:
        applied = "" if line.applied_at is None else f"{line.applied_at:%Y-%m-%d %H:%M:%S} UTC"
        table.add_row(f"{line.number:04}", line.name, line.state, applied)
    console.print(table)


@contextmanager
def _schema(settings: SettingsFile) -> Iterator[Schema]:
    with print_errors():
        read_settings_file(settings)
        with closing(Database(RsDbSettings.load().rs_db.get_secret_value(), "RS_DB")) as database:
            yield Schema(database)
