"""`bridge demo`."""

import json
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.wiring import console, problems
from shared.broadcast import SEND_MODES, RouteKind, SendMode, Source
from shared.config.channels import default_send_mode

if TYPE_CHECKING:
    from local.demo.folder import DemoFolder

#: Exit codes besides 0 (it balances) and 1 (it does not).
_CANNOT_START = 2
_STOPPED = 3


def demo(  # noqa: PLR0913 - options of a command
    recipients: Annotated[
        int | None, typer.Option(min=1, help="Recipients in the delivery file.", show_default="10000")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the delivery file and the recipients' chance.")] = None,
    intake: Annotated[Source | None, typer.Option(help="How the broadcast comes in.", show_default="job")] = None,
    route: Annotated[
        RouteKind | None, typer.Option(help="How the list gets in and the message out.", show_default="import job")
    ] = None,
    send: Annotated[
        SendMode | None, typer.Option(help="What makes Optimizely send.", show_default="the route's usual one")
    ] = None,
    *,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the demo that was interrupted.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print only the closing summary, as one JSON object.")
    ] = False,
    stay: Annotated[
        bool, typer.Option("--stay", help="Keep everything running at the end, for other commands, until Ctrl-C.")
    ] = False,
    folder: Annotated[Path, typer.Option(help="Where the demo keeps everything.")] = Path(".demo"),
) -> None:
    """Carry a broadcast from WS_DB to a simulated Optimizely Campaign and all its responses back into RS_DB.

    Exit status: 0 when the closing summary balances, 1 when it does not, 2 when the demo cannot start,
    3 when it was interrupted and can be gone on with (--resume).
    """
    # The demo needs packages that an operator's installation may lack.
    from local.demo.demo import DemoStoppedError, running  # noqa: PLC0415
    from local.demo.folder import DemoFolder, DemoFolderError, Plan  # noqa: PLC0415
    from local.demo.live_view import show  # noqa: PLC0415
    from local.demo.processes import NotReadyError  # noqa: PLC0415

    out = problems if as_json else console
    place = DemoFolder(folder)
    if resume and any(option is not None for option in (recipients, seed, intake, route, send)):
        raise typer.BadParameter("--resume goes on with what it began with: leave the other options out")
    way = route or RouteKind.IMPORT_JOB
    mode = send or default_send_mode(way)
    if mode not in SEND_MODES[way]:
        possible = ", ".join(f"'{one}'" for one in sorted(SEND_MODES[way]))
        raise typer.BadParameter(f"the route '{way}' cannot send '{mode}'; it can: {possible}")
    if intake is Source.FILE and mode is SendMode.AT_TIME:
        raise typer.BadParameter("a dropped file names no time: 'at a time' needs a job or the channel")
    try:
        if resume:
            plan = place.resume()
        else:
            plan = Plan(
                recipients=recipients or 10_000,
                seed=1 if seed is None else seed,
                intake=intake or Source.JOB,
                route=way,
                send=mode,
            )
            place.create(plan)
    except DemoFolderError as error:
        problems.print(f"The demo cannot start: {error}.", style="red", highlight=False, markup=False)
        raise typer.Exit(_CANNOT_START) from None
    try:
        with running(place, plan, report=lambda line: out.print(line, highlight=False, soft_wrap=True)) as under_way:
            show(out, under_way.watch())
            summary = under_way.summary()
            _tell_end(place, summary, as_json=as_json)
            if stay:
                for line in under_way.suggestions():
                    out.print(line, highlight=False, soft_wrap=True)
                with suppress(KeyboardInterrupt):
                    under_way.wait()
    except NotReadyError as error:
        problems.print(f"The demo cannot start: {error}.", style="red", highlight=False, markup=False)
        raise typer.Exit(_CANNOT_START) from None
    except (DemoStoppedError, KeyboardInterrupt) as error:
        reason = str(error) or "it was interrupted"
        problems.print(
            f"The demo stopped: {reason}. Everything is kept in {place.path}; go on with `bridge demo --resume`.",
            style="red",
            highlight=False,
            markup=False,
        )
        raise typer.Exit(_STOPPED) from None
    finally:
        place.release()
    raise typer.Exit(0 if summary["balanced"] else 1)


def _tell_end(place: "DemoFolder", summary: dict[str, Any], *, as_json: bool) -> None:
    from local.demo.closing import show_summary  # noqa: PLC0415

    place.summary.write_text(json.dumps(summary, indent=2))
    if as_json:
        typer.echo(json.dumps(summary))
    else:
        show_summary(console, summary)
        console.print(f"Everything lies in {place.path}: databases, files, logs, summary.json.", highlight=False)
