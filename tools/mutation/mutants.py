"""Which mutants there are: the modules that keep the promises, without those that no test could or should notice."""

import ast
import random
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from pathlib import Path
from typing import Any

import cosmic_ray.plugins
from cosmic_ray.commands.init import _all_work_items
from cosmic_ray.work_db import WorkDB

from tools.mutation.operators import Provider

cosmic_ray.plugins.OPERATOR_PROVIDERS["bridge"] = Provider()

type Range = tuple[tuple[int, int], tuple[int, int]]

#: The others make a dozen mutants of one place, or only such as cannot even be imported.
_KEPT = frozenset(
    {
        "core/ReplaceComparisonOperator_Eq_NotEq",
        "core/ReplaceComparisonOperator_NotEq_Eq",
        "core/ReplaceComparisonOperator_Is_IsNot",
        "core/ReplaceComparisonOperator_IsNot_Is",
        "core/ReplaceComparisonOperator_Lt_LtE",
        "core/ReplaceComparisonOperator_LtE_Lt",
        "core/ReplaceComparisonOperator_Gt_GtE",
        "core/ReplaceComparisonOperator_GtE_Gt",
        "core/ReplaceAndWithOr",
        "core/ReplaceOrWithAnd",
        "core/ReplaceTrueWithFalse",
        "core/ReplaceFalseWithTrue",
        "core/AddNot",
        "core/NumberReplacer",
        "core/ReplaceBreakWithContinue",
        "core/ReplaceContinueWithBreak",
        "core/ZeroIterationForLoop",
        "core/RemoveDecorator",
        "core/ExceptionReplacer",
        "core/ReplaceUnaryOperator_Delete_Not",
        "core/ReplaceUnaryOperator_Delete_USub",
        "core/ReplaceBinaryOperator_Add_Sub",
        "core/ReplaceBinaryOperator_Sub_Add",
        "core/ReplaceBinaryOperator_Mul_Div",
        "core/ReplaceBinaryOperator_Div_Mul",
        "core/ReplaceBinaryOperator_BitOr_BitAnd",
        "core/ReplaceBinaryOperator_BitAnd_BitOr",
    }
)
#: Calls whose texts are for people only, and decorators without behaviour.
_TEXTS = frozenset({"log.debug", "log.info", "log.warning", "log.error"})
_DECORATORS = frozenset(
    {"dataclass", "property", "classmethod", "staticmethod", "abstractmethod", "override", "overload"}
)


def modules(root: Path) -> list[Path]:
    """The modules that are mutated, relative to the root."""
    shared = root / "shared"
    found = [shared / name for name in ("broadcast.py", "response.py", "response_file.py")]
    found += [shared / "steps" / name for name in ("runner.py", "broadcast_step.py")]
    found += [shared / "optimizely" / "responses" / "rows.py"]
    found += sorted((shared / "ledger").rglob("*.py"))
    return [path.relative_to(root) for path in found if "migrations" not in path.parts]


def create_session(path: Path, root: Path, paths: list[Path], *, sample: int | None, rng: random.Random) -> None:
    """Write a session with the mutants of these modules, or a sample of them.

    Args:
        path: the file of the session.
        root: the root of the checkout.
        paths: the modules, relative to it.
        sample: how many mutants; all if None.
        rng: chooses the sample.
    """
    items = [item for item in _work_items(root, paths) if _matters(item.mutations[0])]
    silent = {module: _silent_positions((root / module).read_text(encoding="utf-8")) for module in paths}
    items = [item for item in items if not _within(item.mutations[0], silent[item.mutations[0].module_path])]
    if sample is not None and sample < len(items):
        items = rng.sample(items, sample)
    with _open(path, WorkDB.Mode.create) as session:
        session.add_work_items(items)


@contextmanager
def open_session(path: Path) -> Iterator[Any]:
    """An existing session."""
    with _open(path, WorkDB.Mode.open) as session:
        yield session


@contextmanager
def _open(path: Path, mode: Any) -> Iterator[Any]:
    session = WorkDB(str(path), mode)
    try:
        yield session
    finally:
        session.close()


def _work_items(root: Path, paths: list[Path]) -> Iterator[Any]:
    with chdir(root):
        yield from _all_work_items(paths, {})


def _matters(mutation: Any) -> bool:
    name: str = mutation.operator_name
    return name.startswith("bridge/") or name in _KEPT


def _within(mutation: Any, ranges: list[Range]) -> bool:
    return any(start <= mutation.start_pos and mutation.end_pos <= end for start, end in ranges)


def _silent_positions(source: str) -> list[Range]:
    """Docstrings, annotations, the texts of the log, decorators without behaviour, `__slots__`.

    A mutant there changes nothing that a test should notice, or cannot even be imported.
    """
    found: list[Range] = []
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Expr(value=ast.Constant(value=str())):
                found.append(_range(node))
            case ast.arg(annotation=ast.expr() as annotation) | ast.AnnAssign(annotation=annotation):
                found.append(_range(annotation))
            case ast.FunctionDef(decorator_list=decorators) | ast.ClassDef(decorator_list=decorators):
                found += [_line_range(item) for item in decorators if _name(item) in _DECORATORS]
                if isinstance(node, ast.FunctionDef) and node.returns is not None:
                    found.append(_range(node.returns))
            case ast.Call(func=function) if ast.unparse(function) in _TEXTS:
                found.append(_range(node))
            case ast.Assign(targets=[ast.Name(id="__slots__")]) | ast.TypeAlias():
                found.append(_range(node))
            case _:
                pass
    return found


def _name(decorator: ast.expr) -> str:
    return ast.unparse(decorator.func if isinstance(decorator, ast.Call) else decorator)


def _range(node: ast.expr | ast.stmt) -> Range:
    return (node.lineno, node.col_offset), (node.end_lineno or node.lineno, node.end_col_offset or 0)


def _line_range(node: ast.expr) -> Range:
    """From the "@" of a decorator to the end of its line."""
    return (node.lineno, 0), ((node.end_lineno or node.lineno) + 1, 0)
