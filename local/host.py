"""The local Functions host: runs a function app on this machine as Azure would.

It drives the worker library of Azure (`worker.py`) and gives the triggers the semantics of host.json:
queues (`queue_trigger.py`), timers (`timer_trigger.py`), HTTP (`http_trigger.py`). Several hosts may run
on one storage account. What it does not have: scale by the platform, other triggers, input bindings,
and output bindings but the HTTP response.

    python -m local.host --app . --settings local.settings.json
"""

import argparse
import asyncio
import contextlib
import hashlib
import json
import os
import re
import secrets
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aiohttp import web
from azure.storage.blob.aio import BlobServiceClient
from azure.storage.queue.aio import QueueServiceClient

from local.http_trigger import http_app
from local.log import log, show_function_logs
from local.ncrontab import Schedule, ScheduleError
from local.queue_trigger import QueueOptions, QueueTrigger
from local.timer_trigger import TimerTrigger
from local.worker import Function, IndexingError, Worker

#: Seconds that invocations under way have to end when the host stops.
_FINISH_SECONDS = 30
_STORAGE, _HOST_ID = "AzureWebJobsStorage", "AzureFunctionsWebHost__hostid"
_SETTING = re.compile(r"%([^%]+)%")


class HostError(Exception):
    """The host cannot start; the text says what to change."""


class Host:
    """One host of one function app.

    Args:
        app: folder with function_app.py and host.json.
        port: of HTTP triggers; 0: any that is free.
    """

    def __init__(self, app: Path, *, port: int = 0) -> None:
        self._app = app.resolve()
        self._port = port
        self._key = os.environ.get("HOST_MASTER_KEY") or secrets.token_urlsafe(24)
        self._host_json: dict[str, Any] = json.loads((self._app / "host.json").read_text())

    async def run(self, stop: asyncio.Event, ready_file: Path | None) -> None:
        """Index the app and run its triggers until told to stop.

        Raises:
            HostError: a setting is missing, or a schedule or the storage connection is wrong.
            IndexingError: the app could not be indexed.
        """
        worker = await Worker.start(self._app)
        functions = [_resolved(function) for function in worker.functions]
        for function in functions:
            log(f"Function {function.name}: {_describe(function)}.")
        connection = os.environ.get(_STORAGE, "")
        if not connection:
            msg = f"the setting {_STORAGE} is missing"
            raise HostError(msg)
        async with contextlib.AsyncExitStack() as stack:
            queues = await stack.enter_async_context(QueueServiceClient.from_connection_string(connection))
            blobs = await stack.enter_async_context(BlobServiceClient.from_connection_string(connection))
            triggers = self._triggers(worker, functions, queues, blobs)
            url = await self._serve(stack, worker, functions)
            listening = [asyncio.create_task(trigger.listen()) for trigger in triggers]
            if ready_file:
                self._say_ready(ready_file, url, functions)
            log(f"The host is ready: {len(functions)} functions, HTTP at {url}.")
            await _until(stop, listening)
            log("The host stops: it takes no more messages and lets invocations finish.")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_FINISH_SECONDS):
                    await asyncio.gather(*(trigger.finish() for trigger in triggers))
            for task in listening:
                task.cancel()
            await asyncio.gather(*listening, return_exceptions=True)
        worker.stop()

    def _triggers(
        self, worker: Worker, functions: list[Function], queues: QueueServiceClient, blobs: BlobServiceClient
    ) -> list[QueueTrigger | TimerTrigger]:
        options = QueueOptions.from_host_json(self._host_json)
        host_id = os.environ.get(_HOST_ID) or hashlib.sha256(str(self._app).encode()).hexdigest()[:32]
        triggers: list[QueueTrigger | TimerTrigger] = []
        for function in functions:
            trigger = function.trigger
            match trigger["type"].lower():
                case "queuetrigger":
                    triggers.append(QueueTrigger(worker, function, queues, trigger["queueName"], options))
                case "timertrigger":
                    try:
                        schedule = Schedule(trigger["schedule"])
                    except ScheduleError as error:
                        msg = f"function {function.name}: {error}"
                        raise HostError(msg) from None
                    triggers.append(TimerTrigger(worker, function, blobs, schedule, host_id))
                case "httptrigger":
                    pass
                case other:
                    msg = f"function {function.name}: this host does not know {other}"
                    raise HostError(msg)
        return triggers

    async def _serve(self, stack: contextlib.AsyncExitStack, worker: Worker, functions: list[Function]) -> str:
        prefix = self._host_json.get("extensions", {}).get("http", {}).get("routePrefix", "api")
        answering = [function for function in functions if function.trigger["type"].lower() == "httptrigger"]
        runner = web.AppRunner(http_app(worker, answering, prefix=prefix, key=self._key), access_log=None)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        site = web.TCPSite(runner, "127.0.0.1", self._port)
        await site.start()
        return f"http://127.0.0.1:{runner.addresses[0][1]}/{prefix}".rstrip("/")

    def _say_ready(self, file: Path, url: str, functions: list[Function]) -> None:
        ready = {
            "pid": os.getpid(),
            "url": url,
            "functions": [function.name for function in functions],
            "master_key": self._key,
        }
        unfinished = file.with_suffix(".new")
        unfinished.touch(mode=0o600)
        unfinished.write_text(json.dumps(ready))
        unfinished.rename(file)


async def _until(stop: asyncio.Event, listening: list[asyncio.Task[None]]) -> None:
    """Wait for the signal to stop; a listener that ends by an error ends the host too."""
    stopped = asyncio.create_task(stop.wait())
    done, _ = await asyncio.wait([stopped, *listening], return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    for task in done - {stopped}:
        task.result()


def _resolved(function: Function) -> Function:
    """The function with the settings of its bindings in place of `%NAME%`."""

    def resolve(value: object, name: str) -> object:
        if not isinstance(value, str):
            return value

        def setting(found: re.Match[str]) -> str:
            try:
                return os.environ[found[1]]
            except KeyError:
                msg = f"function {function.name}, binding {name}: the setting {found[1]} is missing"
                raise HostError(msg) from None

        return _SETTING.sub(setting, value)

    bindings = tuple(
        {key: resolve(value, str(binding.get("name"))) for key, value in binding.items()}
        for binding in function.bindings
    )
    return Function(function.id, function.name, bindings)


def _describe(function: Function) -> str:
    trigger: Mapping[str, Any] = function.trigger
    subject = trigger.get("queueName") or trigger.get("schedule") or trigger.get("route") or ""
    return f"{trigger['type']} {subject}".strip()


def _load_settings(file: Path | None) -> None:
    """`Values` of a local.settings.json into the environment, which wins."""
    if file is not None:
        for name, value in json.loads(file.read_text()).get("Values", {}).items():
            os.environ.setdefault(name, str(value))
    os.environ.setdefault("PYTHON_THREADPOOL_THREAD_COUNT", "8")


async def _main(arguments: argparse.Namespace) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await Host(arguments.app, port=arguments.port).run(stop, arguments.ready_file)


def main() -> int:
    """Run until SIGTERM or Ctrl-C. Exit status 2: the host could not start."""
    parser = argparse.ArgumentParser(prog="python -m local.host", description="Runs a function app as Azure would.")
    parser.add_argument("--app", type=Path, default=Path(), help="folder with function_app.py and host.json")
    parser.add_argument("--settings", type=Path, help="local.settings.json; the environment wins")
    parser.add_argument("--port", type=int, default=0, help="port of HTTP triggers; 0: any that is free")
    parser.add_argument("--ready-file", type=Path, help="written when everything listens")
    arguments = parser.parse_args()
    _load_settings(arguments.settings)
    show_function_logs()
    try:
        asyncio.run(_main(arguments))
    except (HostError, IndexingError, OSError) as error:
        log(f"The host cannot start: {error}")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
