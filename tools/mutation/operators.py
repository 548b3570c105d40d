"""Mutants that cosmic-ray does not make: a statement, a condition or an argument is missing, a word is another word."""

from collections.abc import Iterable, Iterator
from typing import Any

import parso
from cosmic_ray.operators.operator import Example, Operator
from parso.python.tree import String

type Position = tuple[tuple[int, int], tuple[int, int]]

#: Calls whose arguments are conditions: one fewer is still a valid call.
_CONDITIONS = frozenset({"where", "and_", "or_", "all", "any"})


class DropStatement(Operator):
    """A call or a raise becomes `pass`; `return value` becomes `return None`."""

    def mutation_positions(self, node: Any) -> Iterator[Position]:
        """Where a statement can be dropped."""
        if node.type == "simple_stmt" and _is_effect(node.children[0]):
            yield node.start_pos, node.children[0].end_pos

    def mutate(self, node: Any, index: int) -> Any:
        """Drop it."""
        del index
        statement = node.children[0]
        text = "return None" if statement.type == "return_stmt" else "pass"
        replacement: Any = parso.parse(text).children[0]  # type: ignore[no-untyped-call]
        replacement.get_first_leaf().prefix = node.get_first_leaf().prefix
        node.children[0] = replacement
        return node

    @classmethod
    def examples(cls) -> Iterable[Example]:
        """What it does."""
        return (Example("save(x)\n", "pass\n"), Example("def f():\n    return x\n", "def f():\n    return None\n"))


class DropArgument(Operator):
    """A condition of a query, or an argument by keyword, is missing."""

    def mutation_positions(self, node: Any) -> Iterator[Position]:
        """Where an argument can be dropped."""
        for argument in _droppable(node):
            yield argument.start_pos, argument.end_pos

    def mutate(self, node: Any, index: int) -> Any:
        """Drop it, with the comma after it, or before it if it is the last one."""
        argument = list(_droppable(node))[index]
        siblings = argument.parent.children
        at = siblings.index(argument)
        if argument.parent.type == "arglist":
            comma = slice(at, at + 2) if at + 1 < len(siblings) else slice(at - 1, at + 1)
            del siblings[comma]
        else:
            del siblings[at]
        return node

    @classmethod
    def examples(cls) -> Iterable[Example]:
        """What it does."""
        return (
            Example("q.where(a, b)", "q.where( b)"),
            Example("q.where(a, b)", "q.where(a)", occurrence=1),
            Example("q.where(a)", "q.where()"),
            Example("f(a, b=1)", "f(a)"),
        )


class ChangeString(Operator):
    """A text is another one."""

    def mutation_positions(self, node: Any) -> Iterator[Position]:
        """Where a text can be changed."""
        if isinstance(node, String):
            yield node.start_pos, node.end_pos

    def mutate(self, node: String, index: int) -> Any:
        """Put two letters before it."""
        del index
        start = len(node.string_prefix) + len(_quotes(node))
        return String(node.value[:start] + "XX" + node.value[start:], node.start_pos, prefix=node.prefix)

    @classmethod
    def examples(cls) -> Iterable[Example]:
        """What it does."""
        return (Example('x = "a"', 'x = "XXa"'),)


class Provider:
    """The operators of this module, as cosmic-ray asks for them."""

    def __init__(self) -> None:
        self._operators = {operator.__name__: operator for operator in (DropStatement, DropArgument, ChangeString)}

    def __iter__(self) -> Iterator[str]:
        """Their names."""
        return iter(self._operators)

    def __getitem__(self, name: str) -> type[Operator]:
        """One by its name."""
        return self._operators[name]


def _quotes(node: String) -> str:
    text: str = node.value[len(node.string_prefix) :]
    return text[:3] if text[:3] in {'"""', "'''"} else text[0]


def _is_effect(statement: Any) -> bool:
    match statement.type:
        case "atom_expr" | "power":
            return bool(statement.children[-1].type == "trailer")
        case "raise_stmt" | "return_stmt":
            return True
        case "keyword":
            return bool(statement.value == "raise")
        case _:
            return False


def _droppable(node: Any) -> Iterator[Any]:
    """The arguments of one call that can be dropped; `node` is the `(...)` of the call."""
    if node.type != "trailer" or node.children[0].value != "(" or len(node.children) < 3:  # noqa: PLR2004
        return
    called = node.get_previous_leaf()
    inner = node.children[1]
    arguments = [child for child in inner.children if child != ","] if inner.type == "arglist" else [inner]
    for argument in arguments:
        by_keyword = argument.type == "argument" and argument.children[1] == "="
        if by_keyword or (called is not None and called.value in _CONDITIONS and argument.type != "argument"):
            yield argument
