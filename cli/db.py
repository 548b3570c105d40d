"""`bridge db …`: the numbered migrations of the bridge's own tables. Of the settings only RS_DB is needed."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Annotated

import typer
from rich.table import Table

from cli.wiring import SettingsFile, console, take_in, told_errors
from shared.config.settings import RsDbSettings
from shared.database.connections import Database
from shared.ledger.schema import Schema

db = typer.Typer(no_args_is_help=True, help="Bring the bridge's own tables in RS_DB up to date, or look at them.")


@db.command()
def migrate(
    settings: SettingsFile = None,
    *,
    plan: Annotated[
        bool, typer.Option("--plan", help="Print the SQL that would run, as a script, and change nothing.")
    ] = False,
) -> None:
    """Apply the migrations that the tables lack. Safe to run again, and while functions run."""
    with _schema(settings) as schema:
        if plan:
            typer.echo(schema.plan() or "-- Nothing is pending.")
            return
        for migration in schema.migrate():
            console.print(f"Applied {migration.title}.", highlight=False)
    console.print("The bridge's tables are up to date.")


@db.command()
def status(settings: SettingsFile = None) -> None:
    """List the migrations and how they stand."""
    with _schema(settings) as schema:
        lines = schema.status()
    table = Table("Number", "Migration", "Standing", "Applied", box=None)
    for line in lines:
        applied = "" if line.applied_at is None else f"{line.applied_at:%Y-%m-%d %H:%M:%S} UTC"
        table.add_row(f"{line.number:04}", line.name, line.standing, applied)
    console.print(table)


@contextmanager
def _schema(settings: SettingsFile) -> Iterator[Schema]:
    with told_errors():
        take_in(settings)
        with closing(Database(RsDbSettings.load().rs_db.get_secret_value(), "RS_DB")) as database:
            yield Schema(database)
