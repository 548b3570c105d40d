"""Where in `shared` statements are sent to a database, and what tells a call that does so."""

import ast
from collections.abc import Iterator
from typing import Final

from tests.contract.tsql.driver import SHARED, Place

_SENDING: Final = frozenset(
    {"execute", "executemany", "scalar", "scalars", "exec_driver_sql", "stream", "stream_scalars"}
)
#: Functions that speak to SQLite alone: its pragmas, and the file in which a delivery file's keys are looked up.
_OF_SQLITE: Final = frozenset(
    {
        ("database.py", "_prepare_sqlite"),
        ("database.py", "_write_ahead"),
        ("database.py", "_begin_sqlite"),
        ("faststats/delivery_file.py", None),
    }
)


def sites() -> Iterator[Place]:
    """Every call that sends a statement to what may be a SQL Server."""
    for file in sorted(SHARED.rglob("*.py")):
        name = str(file.relative_to(SHARED))
        if (name, None) in _OF_SQLITE:
            continue
        for node in _calls(ast.parse(file.read_text()), name):
            assert node.end_lineno is not None
            assert node.end_col_offset is not None
            yield Place(file, node.end_lineno, node.end_col_offset)


def _calls(node: ast.AST, file: str) -> Iterator[ast.Call]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef) and (file, child.name) in _OF_SQLITE:
            continue
        if isinstance(child, ast.Call) and isinstance(child.func, ast.Attribute) and child.func.attr in _SENDING:
            yield child
        yield from _calls(child, file)
