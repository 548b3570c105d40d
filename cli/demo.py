"""`bridge demo`."""

import json
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.wiring import console, error_console, fail, say
from shared.broadcast import SEND_MODES, Intake, RouteKind, SendMode
from shared.config.channels import default_send_mode
from shared.errors import BridgeError

if TYPE_CHECKING:
    from local.demo.folder import DemoFolder, Plan

#: Exit codes beside 0 (the summary balances) and 1 (it does not).
_CANNOT_START = 2
_STOPPED = 3


def demo(  # noqa: PLR0913 - options of a command
    recipients: Annotated[
        int | None, typer.Option(min=1, help="Recipients in the delivery file.", show_default="10000")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Random seed of the delivery file and of what the recipients do.")
    ] = None,
    intake: Annotated[Intake | None, typer.Option(help="Where the broadcast comes from.", show_default="job")] = None,
    route: Annotated[
        RouteKind | None, typer.Option(help="How the list is imported and the message sent.", show_default="import job")
    ] = None,
    send: Annotated[
        SendMode | None,
        typer.Option(help="What makes Optimizely send the message.", show_default="the route's default"),
    ] = None,
    *,
    ws_db: Annotated[
        str | None,
        typer.Option(help="An empty database for WS_DB, as the setting names it.", show_default="a SQLite file"),
    ] = None,
    rs_db: Annotated[
        str | None,
        typer.Option(help="An empty database for RS_DB, as the setting names it.", show_default="a SQLite file"),
    ] = None,
    remove: Annotated[
        bool, typer.Option("--remove", help="Remove the demo's tables from the databases of --ws-db and --rs-db.")
    ] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Resume a demo that was interrupted.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print only the closing summary, as one JSON object.")
    ] = False,
    stay: Annotated[
        bool, typer.Option("--stay", help="When finished, keep everything running for other commands until Ctrl-C.")
    ] = False,
    folder: Annotated[Path, typer.Option(help="Folder for all data of the demo.")] = Path(".demo"),
) -> None:
    """Run a broadcast from WS_DB through a simulated Optimizely Campaign and bring all its responses back to RS_DB.

    Exit status: 0 when the closing summary balances, 1 when it does not, 2 when the demo cannot start,
    3 when it was interrupted and can be resumed with --resume.
    """
    # The demo needs packages that an operator's installation may lack.
    from local.demo.demo import DemoStoppedError, running  # noqa: PLC0415
    from local.demo.folder import DemoFolder  # noqa: PLC0415
    from local.demo.live_view import show  # noqa: PLC0415
    from local.demo.processes import NotReadyError  # noqa: PLC0415

    out = error_console if as_json else console
    demo_folder = DemoFolder(folder)
    given = {name: value for name, value in (("WS_DB", ws_db), ("RS_DB", rs_db)) if value is not None}
    if remove:
        _remove_tables(demo_folder, given)
        return
    if resume:
        if given or any(option is not None for option in (recipients, seed, intake, route, send)):
            raise typer.BadParameter(
                "a demo is resumed with its own options: give none of them with --resume", param_hint="--resume"
            )
        plan = _resumed(demo_folder)
    else:
        plan = _planned(recipients, seed, intake, route or RouteKind.IMPORT_JOB, send)
        _create(demo_folder, plan, given)
    try:
        with running(demo_folder, plan, report=lambda line: out.print(line, highlight=False, soft_wrap=True)) as run:
            show(out, run.watch())
            summary = run.summary()
            _print_summary(demo_folder, summary, as_json=as_json)
            if stay:
                for line in run.suggestions():
                    out.print(line, highlight=False, soft_wrap=True)
                with suppress(KeyboardInterrupt):
                    run.wait()
    except BridgeError as error:
        raise fail(f"The demo stopped: {error}", _STOPPED) from None
    except NotReadyError as error:
        raise fail(f"The demo cannot start: {error}.", _CANNOT_START) from None
    except (DemoStoppedError, KeyboardInterrupt) as error:
        reason = str(error) or "it was interrupted"
        kept = f"Its data is kept in {demo_folder.path}; resume it with `.venv/bin/bridge demo --resume`."
        raise fail(f"The demo stopped: {reason}. {kept}", _STOPPED) from None
    finally:
        demo_folder.release()
    raise typer.Exit(0 if summary["balanced"] else 1)


def _planned(
    recipients: int | None, seed: int | None, intake: Intake | None, route: RouteKind, send: SendMode | None
) -> "Plan":
    from local.demo.folder import Plan  # noqa: PLC0415

    mode = send or default_send_mode(route)
    if mode not in SEND_MODES[route]:
        modes = ", ".join(f"'{possible}'" for possible in sorted(SEND_MODES[route]))
        raise typer.BadParameter(f"the route '{route}' allows {modes}, not '{mode}'", param_hint="--send")
    if intake is Intake.FILE and mode is SendMode.AT_TIME:
        raise typer.BadParameter(
            "'at a time' needs the intake 'job' or 'channel': a dropped file carries no time", param_hint="--send"
        )
    return Plan(
        recipients=recipients or 10_000,
        seed=1 if seed is None else seed,
        intake=intake or Intake.JOB,
        route=route,
        send=mode,
    )


def _resumed(folder: "DemoFolder") -> "Plan":
    from local.demo.folder import DemoFolderError  # noqa: PLC0415

    try:
        return folder.resume()
    except DemoFolderError as error:
        raise fail(f"The demo cannot start: {error}.", _CANNOT_START) from None


def _create(folder: "DemoFolder", plan: "Plan", given: dict[str, str]) -> None:
    """Begin a new demo in the folder, and in the databases that were given."""
    from local.demo import databases  # noqa: PLC0415
    from local.demo.folder import DemoFolderError  # noqa: PLC0415

    try:
        connections = {name: databases.absolute(value) for name, value in given.items()}
        folder.create(plan)
    except (DemoFolderError, ValueError) as error:
        raise fail(f"The demo cannot start: {error}.", _CANNOT_START) from None
    try:
        if connections:
            databases.claim(connections)
            databases.keep(folder.databases_file, connections)
    except (BridgeError, databases.DatabaseInUseError) as error:
        folder.release()
        raise fail(f"The demo cannot start: {error}", _CANNOT_START) from None


def _remove_tables(folder: "DemoFolder", given: dict[str, str]) -> None:
    """Remove the demo's tables from these databases, or else from those of the demo in the folder."""
    from local.demo import databases  # noqa: PLC0415

    try:
        names = {name: databases.absolute(value) for name, value in given.items()} or databases.kept(
            folder.databases_file
        )
        databases.remove(names)
    except (ValueError, databases.DatabaseInUseError) as error:
        raise fail(f"Nothing was removed: {error}.", _CANNOT_START) from None
    except BridgeError as error:
        raise fail(f"Not every table was removed: {error}", _CANNOT_START) from None
    say(f"The demo's tables are removed from {' and '.join(names) or 'no database: the demo has none but its own'}.")


def _print_summary(folder: "DemoFolder", summary: dict[str, Any], *, as_json: bool) -> None:
    from local.demo.closing import show_summary  # noqa: PLC0415

    folder.summary.write_text(json.dumps(summary, indent=2))
    if as_json:
        typer.echo(json.dumps(summary))
    else:
        show_summary(console, summary)
        say(f"All data is in {folder.path}: databases, files, logs, summary.json.")
        if folder.databases_file.exists():
            say(
                "The demo's tables remain in the databases that you named, to look at; "
                f"`.venv/bin/bridge demo --remove --folder {folder.path}` removes them."
            )
