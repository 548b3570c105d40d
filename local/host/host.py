"""The host of a function app: starts and stops its worker and its triggers."""

import asyncio
import contextlib
import functools
import hashlib
import os
import secrets
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aiohttp import web
from azure.core.exceptions import AzureError

from local.host.http_trigger import HttpTrigger, Keys, http_app
from local.host.log import log
from local.host.ncrontab import Schedule, ScheduleError
from local.host.queue_trigger import QueueOptions, QueueTrigger, poison_queue_name
from local.host.settings import HostError, read_json, resolve
from local.host.storage import HOST_STORAGE, HostStorage
from local.host.timer_trigger import TimerTrigger
from local.host.worker import Datum, Function, InvocationError, Invoke, Worker
from local.ready_file import write_ready_file

#: Seconds that running invocations get to finish when the host stops.
FINISH_SECONDS = 15
_HOST_ID = "AzureFunctionsWebHost__hostid"


class Host:
    """A host of a function app.

    Args:
        app: folder with function_app.py and host.json.
        port: port of the HTTP triggers; 0 chooses a free one.
        finish_seconds: seconds that running invocations get to finish when the host stops.

    Raises:
        HostError: host.json is invalid.
    """

    def __init__(self, app: Path, *, port: int = 0, finish_seconds: float = FINISH_SECONDS) -> None:
        self._app = app.resolve()
        self._port = port
        self._finish_seconds = finish_seconds
        self._keys = Keys(
            master=os.environ.get("HOST_MASTER_KEY") or secrets.token_urlsafe(32),
            function=os.environ.get("HOST_FUNCTION_KEY") or secrets.token_urlsafe(32),
        )
        host_json = read_json(self._app / "host.json")
        self._prefix = str(host_json.get("extensions", {}).get("http", {}).get("routePrefix", "api")).strip("/")
        self._queue_options = QueueOptions.from_host_json(host_json)
        self._id = os.environ.get(_HOST_ID) or hashlib.sha256(str(self._app).encode()).hexdigest()[:32]

    async def run(self, stop: asyncio.Event, ready_file: Path | None = None) -> bool:
        """Index the app and run its triggers until `stop` is set.

        Returns:
            Whether all invocations finished. Otherwise threads are still running, which Python cannot end.

        Raises:
            HostError: a setting is missing, or a binding is not supported.
            IndexingError: the app could not be indexed.
            AzureError: the storage account does not respond.
        """
        worker = await Worker.start(self._app)
        functions = [_with_settings(function) for function in worker.functions]
        async with contextlib.AsyncExitStack() as stack:
            storage = HostStorage(stack, base64_encoded=self._queue_options.base64_encoded)
            triggers: list[QueueTrigger | TimerTrigger] = []
            http_triggers: list[HttpTrigger] = []
            for function in functions:
                invoke: Invoke = functools.partial(_invoke, worker, storage, function)
                trigger = await self._trigger(function, invoke, storage)
                http_triggers.append(trigger) if isinstance(trigger, HttpTrigger) else triggers.append(trigger)
                log(f"Function {function.name}: {_describe(function.trigger)}.")
            for trigger in triggers:
                await trigger.start()
            runner = web.AppRunner(
                http_app(http_triggers, self._keys), access_log=None, shutdown_timeout=self._finish_seconds
            )
            stack.push_async_callback(runner.cleanup)
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", self._port).start()
            url = f"http://127.0.0.1:{runner.addresses[0][1]}/{self._prefix}".rstrip("/")
            running = [asyncio.create_task(trigger.run(stop)) for trigger in triggers]
            if ready_file:
                self._write_ready_file(ready_file, url, functions)
            log(f"The host is ready: {len(functions)} functions, HTTP at {url}.")
            await _until(stop, running)
            log("The host is stopping: it receives no more messages and lets running invocations finish.")
            running.append(asyncio.create_task(runner.cleanup()))
            done, unfinished = await asyncio.wait(running, timeout=self._finish_seconds)
            for task in unfinished:
                task.cancel()
            await asyncio.gather(*unfinished, return_exceptions=True)
            for task in done:
                task.result()
        if worker.idle:
            worker.stop()
        else:
            log("Some invocations did not finish; their messages are delivered again after the visibility timeout.")
        return worker.idle

    async def _trigger(
        self, function: Function, invoke: Invoke, storage: HostStorage
    ) -> QueueTrigger | TimerTrigger | HttpTrigger:
        binding = function.trigger
        for name, output in function.other_bindings.items():
            if output["type"] not in ("queue", "http") or str(output.get("direction", "out")).lower() != "out":
                raise HostError(
                    f"function {function.name}, binding {name}: this host does not support {output['type']} bindings"
                )
        match binding["type"]:
            case "queueTrigger":
                queue, connection = str(binding["queueName"]), binding.get("connection") or HOST_STORAGE
                poison = poison_queue_name(queue)
                return QueueTrigger(
                    invoke,
                    await storage.queue(connection, queue),
                    await storage.queue(connection, poison) if poison else None,
                    self._queue_options,
                    binary=str(binding.get("dataType")).lower() == "binary",
                )
            case "timerTrigger":
                try:
                    schedule = Schedule(str(binding["schedule"]))
                except ScheduleError as error:
                    raise HostError(f"function {function.name}: {error}") from None
                return TimerTrigger(
                    invoke,
                    function.name,
                    await storage.blobs(),
                    self._id,
                    schedule,
                    use_monitor=binding.get("useMonitor") is not False,
                    run_on_startup=binding.get("runOnStartup") is True,
                )
            case "httpTrigger":
                return HttpTrigger(invoke, function, self._prefix)
            case other:
                raise HostError(f"function {function.name}: this host does not support {other}")

    def _write_ready_file(self, file: Path, url: str, functions: list[Function]) -> None:
        ready = {
            "pid": os.getpid(),
            "url": url,
            "functions": [function.name for function in functions],
            "master_key": self._keys.master,
            "function_key": self._keys.function,
        }
        write_ready_file(file, ready)


async def _invoke(
    worker: Worker,
    storage: HostStorage,
    function: Function,
    value: Datum,
    metadata: Mapping[str, Datum] | None = None,
    *,
    reason: str,
) -> Datum | None:
    """Invoke a function, write its output bindings, and log the result. Implements `Invoke` for a given function."""
    log(f"{function.name} started ({reason}).")
    started = time.monotonic()
    try:
        result = await worker.invoke(function, value, metadata)
        for name, output in (*result.outputs, ("$return", result.returned)):
            binding = function.other_bindings.get(name, {})
            if binding.get("type") == "queue" and output is not None and output.type is not None:
                await storage.send(binding.get("connection") or HOST_STORAGE, binding["queueName"], output)
    except InvocationError as error:
        log(f"{function.name} failed after {time.monotonic() - started:.1f} s: {error} ({reason}).")
        raise
    except (AzureError, ValueError) as error:
        log(f"{function.name} failed: its output could not be written: {type(error).__name__} ({reason}).")
        raise InvocationError(type(error).__name__) from error
    log(f"{function.name} succeeded after {time.monotonic() - started:.1f} s ({reason}).")
    return result.returned


def _with_settings(function: Function) -> Function:
    return Function(function.id, function.name, tuple(resolve(function.name, binding) for binding in function.bindings))


def _describe(trigger: Mapping[str, Any]) -> str:
    subject = trigger.get("queueName") or trigger.get("schedule") or trigger.get("route") or ""
    return f"{trigger['type']} {subject}".strip()


async def _until(stop: asyncio.Event, running: list[asyncio.Task[None]]) -> None:
    """Wait until `stop` is set. A trigger that ends earlier has failed: the others then stop too."""
    stopped = asyncio.create_task(stop.wait())
    await asyncio.wait([stopped, *running], return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    stop.set()
