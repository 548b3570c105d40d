"""Drives the worker library of Azure in this process. No other module of the host uses the library.

`azure-functions-runtime` indexes and invokes functions exactly as in Azure. There it receives protobuf
messages; it only reads their attributes, so plain objects are enough.
"""

import json
import re
import sys
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Protocol, Self

import azure_functions_runtime as runtime
from azure_functions_runtime import native_invocation
from azure_functions_runtime.bindings.datumdef import Datum

__all__ = ["Datum", "Function", "IndexingError", "InvocationError", "InvocationResult", "Invoke", "Worker"]

_FRAME = re.compile(r'File "([^"]+)", line (\d+)')
_ERROR_NAME = re.compile(r"[\w.]+")


class IndexingError(Exception):
    """The function app could not be indexed."""


class InvocationError(Exception):
    """An invocation failed. The message has the class and location of the error, not its text, which is arbitrary."""


class Invoke(Protocol):
    """The callback with which a trigger invokes its function."""

    async def __call__(self, value: Datum, metadata: Mapping[str, Datum] | None = None, *, reason: str) -> Datum | None:
        """Invoke the function.

        Args:
            value: value of the trigger.
            metadata: metadata of the trigger.
            reason: cause of the invocation, for the log.

        Returns:
            The return value of the function.

        Raises:
            InvocationError: the function raised, or its output could not be written.
        """


@dataclass(frozen=True, slots=True)
class Function:
    """An indexed function."""

    id: str
    name: str
    #: As in function.json.
    bindings: tuple[Mapping[str, Any], ...]

    @property
    def trigger(self) -> Mapping[str, Any]:
        """The trigger binding."""
        return next(binding for binding in self.bindings if str(binding["type"]).lower().endswith("trigger"))

    @property
    def other_bindings(self) -> dict[str, Mapping[str, Any]]:
        """The other bindings, by name."""
        return {str(binding["name"]): binding for binding in self.bindings if binding is not self.trigger}


@dataclass(frozen=True, slots=True)
class InvocationResult:
    """The result of an invocation."""

    returned: Datum | None
    #: Values of output bindings, with their names.
    outputs: tuple[tuple[str, Datum], ...]


class _BindingInfo(SimpleNamespace):
    undefined, out, inout = 0, 1, 2


class _StatusResult(SimpleNamespace):
    Failure, Success = 0, 1


class _Protos:
    """Replaces the protobuf module: any message keeps its constructor arguments."""

    BindingInfo = _BindingInfo
    StatusResult = _StatusResult

    def __getattr__(self, name: str) -> type[SimpleNamespace]:
        return SimpleNamespace


class Worker:
    """An indexed function app. The library keeps its registry per process, so there can be one app per process."""

    def __init__(self, functions: tuple[Function, ...]) -> None:
        self.functions = functions
        self._running = 0

    @property
    def idle(self) -> bool:
        """Whether no function is running."""
        return self._running == 0

    @classmethod
    async def start(cls, app: Path) -> Self:
        """Index the function app in a folder.

        Raises:
            IndexingError: the app could not be imported, or has no functions.
        """
        sys.path.insert(0, str(app))
        request = SimpleNamespace(
            properties={"host": "127.0.0.1", "protos": _Protos()},
            request=SimpleNamespace(
                worker_init_request=SimpleNamespace(capabilities={}, function_app_directory=str(app))
            ),
        )
        response = await runtime.worker_init_request(request)
        if response.result.status != _StatusResult.Success:
            error = response.result.exception
            # The library adds the full search path to the message of a failed import.
            raise IndexingError(f"{error.message.partition('. Cannot find module')[0]}{_location(error.stack_trace)}")
        indexed = (await runtime.functions_metadata_request(request)).function_metadata_results
        if not indexed:
            raise IndexingError(f"there are no functions in {app / 'function_app.py'}")
        runtime.start_threadpool_executor()
        return cls(
            tuple(
                Function(function.function_id, function.name, tuple(json.loads(raw) for raw in function.raw_bindings))
                for function in indexed
            )
        )

    async def invoke(
        self, function: Function, value: Datum, metadata: Mapping[str, Datum] | None = None
    ) -> InvocationResult:
        """Invoke a function with the value of its trigger.

        Raises:
            InvocationError: the function raised.
        """
        self._running += 1
        succeeded, returned, outputs, error, trace = await native_invocation.invocation_request_native(
            str(uuid.uuid4()), function.id, [(function.trigger["name"], value)], dict(metadata or {})
        )
        # Not in a `finally`: when this is cancelled, the thread of the function continues.
        self._running -= 1
        if not succeeded:
            name = _ERROR_NAME.match(str(error))
            raise InvocationError(f"{name[0] if name else 'an error'}{_location(trace)}")
        return InvocationResult(returned, tuple(outputs))

    @staticmethod
    def stop() -> None:
        """Wait until the threads of the worker have ended."""
        runtime.stop_threadpool_executor()


def _location(trace: str | None) -> str:
    """The location of an error, from its formatted traceback."""
    frames = _FRAME.findall(trace or "")
    return f" at {frames[-1][0]}:{frames[-1][1]}" if frames else ""
