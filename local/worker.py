"""The worker library of Azure, driven in this process: the only module here that knows it.

`azure-functions-runtime` indexes and invokes functions exactly as in Azure. There it is spoken to in
protobuf messages; it only reads their attributes, so plain objects serve.
"""

import json
import sys
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Self

import azure_functions_runtime as runtime
from azure_functions_runtime import native_invocation
from azure_functions_runtime.bindings.datumdef import Datum

__all__ = ["Datum", "Function", "IndexingError", "InvocationError", "Outcome", "Worker"]


class IndexingError(Exception):
    """The function app could not be indexed."""


class InvocationError(Exception):
    """A function raised. The text names the kind of error only: its message can carry anything."""


@dataclass(frozen=True, slots=True)
class Function:
    """An indexed function."""

    id: str
    name: str
    #: As in function.json, with `%SETTING%` intact.
    bindings: tuple[Mapping[str, Any], ...]

    @property
    def trigger(self) -> Mapping[str, Any]:
        """The binding that starts it."""
        return next(binding for binding in self.bindings if str(binding["type"]).lower().endswith("trigger"))


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
    """The indexed function app."""

    def __init__(self, functions: tuple[Function, ...]) -> None:
        self.functions = functions

    @classmethod
    async def start(cls, app: Path) -> Self:
        """Index the function app in a folder.

        Raises:
            IndexingError: it could not be imported, or declares no functions.
        """
        if str(app) not in sys.path:
            sys.path.insert(0, str(app))
        request = SimpleNamespace(
            properties={"host": "127.0.0.1", "protos": _Protos()},
            request=SimpleNamespace(
                worker_init_request=SimpleNamespace(capabilities={}, function_app_directory=str(app))
            ),
        )
        answer = await runtime.worker_init_request(request)
        if answer.result.status != _StatusResult.Success:
            raise IndexingError(str(getattr(answer.result.exception, "message", "unknown reason")))
        found = (await runtime.functions_metadata_request(request)).function_metadata_results
        if not found:
            msg = f"there are no functions in {app / 'function_app.py'}"
            raise IndexingError(msg)
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
        done, returned, outputs, error, _trace = await native_invocation.invocation_request_native(
            str(uuid.uuid4()), function.id, [(function.trigger["name"], value)], dict(metadata or {})
        )
        if not done:
            raise InvocationError(str(error).partition("(")[0])
        return Outcome(returned, tuple(outputs))

    @staticmethod
    def stop() -> None:
        """Let the threads of the worker end."""
        runtime.stop_threadpool_executor()
