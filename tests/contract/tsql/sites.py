"""Where in `shared` statements are sent to a database, and where they are written by hand."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from tests.contract.tsql.driver import SHARED, Place

_SENDING: Final = frozenset(
    {"execute", "executemany", "scalar", "scalars", "exec_driver_sql", "stream", "stream_scalars"}
)
#: Functions that speak to SQLite alone: its pragmas, and the file in which a delivery file's keys are looked up;
#: one whose script is printed and not sent; the dialect, which passes on what others send; and BULK INSERT, which
#: neither Babelfish nor sqlglot knows (a setting asks for it; `tests/unit/database/bulk` has its tests).
_NOT_SENT: Final = frozenset(
    {
        ("database/bulk/bulk_insert.py", None),
        ("database/connections.py", "_prepare_sqlite"),
        ("database/connections.py", "_write_ahead"),
        ("database/connections.py", "_begin_sqlite"),
        ("database/sqlite_objects.py", None),
        ("faststats/duplicates.py", None),
        ("ledger/schema.py", "_sql_server_plan"),
        ("database/mssql_dialect.py", None),
    }
)
#: How a statement begins.
_BEGINNING: Final = re.compile(
    r"\s*(?:SELECT|INSERT|UPDATE|DELETE|MERGE|WITH|CREATE|ALTER|DROP|EXEC|SET|IF|BEGIN|DECLARE|BULK|TRUNCATE|GRANT)\s"
)


@dataclass(frozen=True, slots=True)
class Text:
    """A statement written by hand, perhaps with gaps that the code fills."""

    place: Place
    pattern: re.Pattern[str]

    def is_in(self, statement: str) -> bool:
        """Whether it is what was sent, or a part of it."""
        return self.pattern.search(statement) is not None


def sites() -> Iterator[Place]:
    """Every call that sends a statement to what may be a SQL Server."""
    for file, node in _nodes():
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _SENDING:
            yield _place(file, node)


def texts() -> Iterator[Text]:
    """Every statement written by hand that may be for a SQL Server."""
    for file, node in _nodes():
        match node:
            case ast.Constant(value=str(text)):
                parts = [text]
            case ast.JoinedStr(values=[ast.Constant(value=str()), *_] as values):
                parts = [str(value.value) if isinstance(value, ast.Constant) else "" for value in values]
            case _:
                continue
        if _BEGINNING.match(parts[0]):
            yield Text(_place(file, node), re.compile(".*".join(map(re.escape, parts)), re.DOTALL))


@cache
def _nodes() -> list[tuple[Path, ast.AST]]:
    """Every node of the code in `shared`, without docstrings and without what no SQL Server is sent."""
    nodes: list[tuple[Path, ast.AST]] = []
    for file in sorted(SHARED.rglob("*.py")):
        name = str(file.relative_to(SHARED))
        if (name, None) not in _NOT_SENT:
            nodes += ((file, node) for node in _below(ast.parse(file.read_text()), name))
    return nodes


def _below(node: ast.AST, file: str) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef) and (file, child.name) in _NOT_SENT:
            continue
        if isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant):
            continue  # a docstring
        yield child
        if not isinstance(child, ast.JoinedStr):
            yield from _below(child, file)


def _place(file: Path, node: ast.AST) -> Place:
    end_line, end_column = getattr(node, "end_lineno", None), getattr(node, "end_col_offset", None)
    assert end_line is not None
    assert end_column is not None
    return Place(file, end_line, end_column)
