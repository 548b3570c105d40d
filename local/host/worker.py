"""The worker library of Azure, driven in this process: the only module here that knows it.

`azure-functions-runtime` indexes and invokes functions exactly as in Azure. There it is spoken to in
protobuf messages; it only reads their attributes, so plain objects serve.
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

__all__ = ["Datum", "Function", "IndexingError", "InvocationError", "Invoke", "Outcome", "Worker"]

_PLACE = re.compile(r'File "([^"]+)", line (\d+)')
_KIND = re.compile(r"[\w.]+")


class IndexingError(Exception):
    """The function app could not be indexed."""


class InvocationError(Exception):
    """An invocation failed. The text has kind and place of the error, not its message, which can carry anything."""


class Invoke(Protocol):
    """How a trigger has its function invoked."""

    async def __call__(self, value: Datum, metadata: Mapping[str, Datum] | None = None, *, reason: str) -> Datum | None:
        """Invoke the function.

        Args:
            value: of the trigger.
            metadata: of the trigger.
            reason: what it runs for; it is logged.

        Returns:
            What the function returned.

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
        """The binding that starts it."""
        return next(binding for binding in self.bindings if str(binding["type"]).lower().endswith("trigger"))

    @property
    def others(self) -> dict[str, Mapping[str, Any]]:
        """The other bindings by their names."""
        return {str(binding["name"]): binding for binding in self.bindings if binding is not self.trigger}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an invocation gave."""

    returned: Datum | None
    #: Values of output bindings by their names.
    outputs: tuple[tuple[str, Datum], ...]


class _BindingInfo(SimpleNamespace):
    undefined, out, inout = 0, 1, 2


class _StatusResult(SimpleNamespace):
    Failure, Success = 0, 1


class _Protos:
    """Stands for the protobuf module: whatever is made of it keeps what it was given."""

    BindingInfo = _BindingInfo
    StatusResult = _StatusResult

    def __getattr__(self, name: str) -> type[SimpleNamespace]:
        return SimpleNamespace


class Worker:
    """The indexed function app. The library keeps its registry in the process: one app a process."""

    def __init__(self, functions: tuple[Function, ...]) -> None:
        self.functions = functions
        self._under_way = 0

    @property
    def idle(self) -> bool:
        """Whether no function runs."""
        return self._under_way == 0

    @classmethod
    async def start(cls, app: Path) -> Self:
        """Index the function app in a folder.

        Raises:
            IndexingError: it could not be imported, or declares no functions.
        """
        sys.path.insert(0, str(app))
        request = SimpleNamespace(
            properties={"host": "127.0.0.1", "protos": _Protos()},
            request=SimpleNamespace(
                worker_init_request=SimpleNamespace(capabilities={}, function_app_directory=str(app))
            ),
        )
        answer = await runtime.worker_init_request(request)
        if answer.result.status != _StatusResult.Success:
            error = answer.result.exception
            # The library adds the whole search path to the message of an import that fails.
            raise IndexingError(f"{error.message.partition('. Cannot find module')[0]}{_place(error.stack_trace)}")
        found = (await runtime.functions_metadata_request(request)).function_metadata_results
        if not found:
            raise IndexingError(f"there are no functions in {app / 'function_app.py'}")
        runtime.start_threadpool_executor()
        return cls(
            tuple(
                Function(one.function_id, one.name, tuple(json.loads(raw) for raw in one.raw_bindings)) for one in found
            )
        )

    async def invoke(self, function: Function, value: Datum, metadata: Mapping[str, Datum] | None = None) -> Outcome:
        """Invoke a function with the value of its trigger.

        Raises:
            InvocationError: the function raised.
        """
        self._under_way += 1
        done, returned, outputs, error, trace = await native_invocation.invocation_request_native(
            str(uuid.uuid4()), function.id, [(function.trigger["name"], value)], dict(metadata or {})
        )
        # Not when this is cancelled: the thread of the function goes on.
        self._under_way -= 1
        if not done:
            kind = _KIND.match(str(error))
            raise InvocationError(f"{kind[0] if kind else 'an error'}{_place(trace)}")
        return Outcome(returned, tuple(outputs))

    @staticmethod
    def stop() -> None:
        """Wait for the threads of the worker to end."""
        runtime.stop_threadpool_executor()


def _place(trace: str | None) -> str:
    """Where an error was raised, of a printed traceback."""
    places = _PLACE.findall(trace or "")
    return f" at {places[-1][0]}:{places[-1][1]}" if places else ""
