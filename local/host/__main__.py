"""`python -m local.host`."""

import argparse
import asyncio
import os
import signal
import sys
from pathlib import Path

from azure.core.exceptions import AzureError

from local.host.host import FINISH_SECONDS, Host
from local.host.log import log, show_function_logs
from local.host.settings import HostError, load_settings
from local.host.worker import IndexingError


async def _main(arguments: argparse.Namespace) -> bool:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    host = Host(arguments.app, port=arguments.port, finish_seconds=arguments.finish_seconds)
    return await host.run(stop, arguments.ready_file)


def main() -> int:
    """Run until SIGTERM or Ctrl-C. Exit status 2 means that the host could not start."""
    parser = argparse.ArgumentParser(
        prog="python -m local.host", description="Runs a function app on this machine as Azure does."
    )
    parser.add_argument("--app", type=Path, default=Path(), help="folder with function_app.py and host.json")
    parser.add_argument("--settings", type=Path, help="local.settings.json; environment variables take precedence")
    parser.add_argument("--port", type=int, default=0, help="port of the HTTP triggers; 0 chooses a free one")
    parser.add_argument(
        "--ready-file", type=Path, help="file to write the process ID, URL and keys to when all triggers listen"
    )
    parser.add_argument(
        "--finish-seconds",
        type=float,
        default=FINISH_SECONDS,
        help="seconds that running invocations get when the host stops",
    )
    arguments = parser.parse_args()
    show_function_logs()
    try:
        if arguments.settings:
            load_settings(arguments.settings)
        finished = asyncio.run(_main(arguments))
    except (HostError, IndexingError, OSError) as error:
        log(f"The host cannot start: {error}.")
        return 2
    except AzureError as error:
        log(f"The host cannot start: the storage account cannot be used ({type(error).__name__}).")
        return 2
    if not finished:
        sys.stdout.flush()
        os._exit(0)  # Python would wait for the threads of unfinished functions
    return 0


if __name__ == "__main__":
    sys.exit(main())
