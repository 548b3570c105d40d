"""The code's own list: every point that the matrix must have a row for, found in the code itself.

* boundaries: functions that write a transaction, operations of the REST API that change something, functions that
  rename, remove or upload a file, write a blob or send a message;
* effects: each kind, on each route, in each send mode;
* commits: each legal change of state of a broadcast and of a response file;
* calls of an operator: each public function of `shared.operations`, each slot, each command.

Nothing here is listed by hand: a new function, member or transition is on the list as soon as it is in the code.
"""

import ast
import inspect
import pkgutil
from collections.abc import Iterable, Iterator
from importlib import import_module
from itertools import chain
from pathlib import Path
from typing import Final

import shared
import shared.operations
from cli.main import app
from local.simulator.operations import OPERATIONS
from shared.broadcast import SEND_MODES, TRANSITIONS
from shared.ledger.effects import Kind
from shared.optimizely.rest import client
from shared.response_file import TRANSITIONS as FILE_TRANSITIONS
from tests.matrix.boundaries import PLUMBING

_ROOT: Final = Path(shared.__file__).parent
#: Ends of what a method is called on, by the method and the boundary that it leads to.
_RECEIVERS: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    "rename": ("site", ("session",)),
    "remove_unfinished": ("site", ("session",)),
    "upload": ("site", ("site", "site(broadcast)")),
    "commit": ("blob", ("list_file", "reject_file", "kept", "blob", "writer")),
    "put_metadata": ("blob", ("_container",)),
    "send": ("queue", ("queues",)),
    "send_on": ("queue", ("bridge",)),
}
_REMOVED_FROM: Final[dict[str, tuple[str, ...]]] = {
    "site": ("session",),
    "blob": ("lists", "rejects", "responses", "container"),
}


def boundaries() -> set[tuple[str, str]]:
    """Every boundary, and the function that goes through it."""
    found = set(chain.from_iterable(_doors_in(path) for path in _ROOT.rglob("*.py")))
    return {(boundary, name) for boundary, name in found if not name.startswith(PLUMBING)} | set(_rest_operations())


def effects() -> set[tuple[Kind, str, str]]:
    """Every kind of effect on every route in every send mode."""
    return {(kind, str(route), str(mode)) for kind in Kind for route, modes in SEND_MODES.items() for mode in modes}


def commits() -> set[tuple[str, str, str]]:
    """Every legal change of state, of broadcasts and of response files."""
    tables = (("broadcast", TRANSITIONS), ("response file", FILE_TRANSITIONS))
    return {
        (what, str(before), str(after))
        for what, table in tables
        for before, following in table.items()
        for after in following
    }


def operations() -> set[str]:
    """Every call of an operator: the public functions of the room of operations."""
    modules = pkgutil.walk_packages(shared.operations.__path__, "shared.operations.")
    return {
        f"{module.name.removeprefix('shared.operations.')}:{name}"
        for module in modules
        for name, function in inspect.getmembers(import_module(module.name), inspect.isfunction)
        if function.__module__ == module.name and not name.startswith("_")
    }


def commands() -> set[str]:
    """Every command of `bridge`."""

    def of(group: object, before: str) -> Iterator[str]:
        for command in group.registered_commands:  # type: ignore[attr-defined]
            yield before + (command.name or command.callback.__name__.replace("_", "-"))
        for inner in group.registered_groups:  # type: ignore[attr-defined]
            yield from of(inner.typer_instance, f"{before}{inner.name} ")

    return set(of(app, ""))


def _rest_operations() -> Iterator[tuple[str, str]]:
    changing = {operation for (method, _), operation in OPERATIONS.items() if method != "GET"}
    for node in ast.walk(ast.parse(inspect.getsource(client))):
        if isinstance(node, ast.Constant) and node.value in changing:
            yield "rest", str(node.value)


def _doors_in(path: Path) -> Iterator[tuple[str, str]]:
    module = ".".join(path.relative_to(_ROOT).with_suffix("").parts)
    for name, node in _calls(ast.parse(path.read_text()).body, ()):
        boundary = _boundary(node)
        if boundary is not None:
            yield boundary, f"{module}:{name}"


def _calls(body: Iterable[ast.AST], scope: tuple[str, ...]) -> Iterator[tuple[str, ast.Call]]:
    """Every call, and the qualified name of the function in which it is."""
    for node in body:
        match node:
            case ast.ClassDef():
                yield from _calls(ast.iter_child_nodes(node), (*scope, node.name))
            case ast.FunctionDef():
                yield from _calls(ast.iter_child_nodes(node), (*scope, node.name, "<locals>"))
            case ast.Lambda():
                yield from _calls(ast.iter_child_nodes(node), (*scope, "<lambda>", "<locals>"))
            case _:
                if isinstance(node, ast.Call):
                    yield ".".join(scope).removesuffix(".<locals>"), node
                yield from _calls(ast.iter_child_nodes(node), scope)


def _boundary(call: ast.Call) -> str | None:
    """The boundary to which a call leads."""
    if not isinstance(call.func, ast.Attribute):
        return None
    method, receiver = call.func.attr, ast.unparse(call.func.value)
    if method == "writing":
        return "commit"
    if method == "remove":
        return next((boundary for boundary, ends in _REMOVED_FROM.items() if receiver.endswith(ends)), None)
    if method == "_deliver" and receiver == "self":
        return "file"  # a file for FERG
    boundary, ends = _RECEIVERS.get(method, (None, ()))
    return boundary if receiver.endswith(ends) else None
