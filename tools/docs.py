"""Generates the pages of docs/reference that come from the code: `make docs`."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

import typer
from typer.core import TyperGroup

from cli.main import app
from cli.reference import cli_page, errors_page, settings_page

ROOT: Final = Path(__file__).parents[1]
REFERENCE: Final = ROOT / "docs" / "reference"
_PACKAGES: Final = ("shared", "cli", "local", "tools")


def group() -> TyperGroup:
    """The commands of `bridge`."""
    command = typer.main.get_command(app)
    if not isinstance(command, TyperGroup):
        raise TypeError(command)
    return command


@cache
def pages() -> dict[Path, str]:
    """The generated pages, by path."""
    page = REFERENCE / "map.md"
    return {
        REFERENCE / "settings.md": settings_page(),
        REFERENCE / "errors.md": errors_page(),
        REFERENCE / "cli.md": cli_page(group()),
        page: _with(_with(page.read_text(), "functions", _functions()), "rooms", _rooms()),
        REFERENCE / "modules.md": modules_page(),
    }


def summary(module: Path) -> str:
    """The first sentence of a module's docstring."""
    return _first_sentence(ast.get_docstring(ast.parse(module.read_text())))


def _first_sentence(docstring: str | None) -> str:
    paragraph = " ".join(re.split(r"\n\n|\n- ", docstring or "", maxsplit=1)[0].split())
    return re.split(r"(?<=[.?]) (?=[A-Z`])", paragraph, maxsplit=1)[0].removesuffix(":")


def _with(page: str, part: str, lines: Iterator[str]) -> str:
    """A page with one of its marked sections replaced."""
    begin, end = f"<!-- {part}: written by `make docs` -->\n", f"<!-- end of {part} -->"
    before, rest = page.split(begin)
    after = rest.split(end)[1]
    return f"{before}{begin}\n" + "\n".join(lines) + f"\n\n{end}{after}"


def functions() -> Iterator[tuple[str, str, str]]:
    """The functions of the app: name, trigger, purpose."""
    for node in ast.parse((ROOT / "function_app.py").read_text()).body:
        if not isinstance(node, ast.FunctionDef):
            continue
        for decorator in node.decorator_list:
            if isinstance(decorator, ast.Call) and isinstance(decorator.func, ast.Attribute):
                arguments = {keyword.arg: ast.unparse(keyword.value).strip("'%") for keyword in decorator.keywords}
                trigger = {
                    "timer_trigger": f"timer, `{arguments.get('schedule')}`",
                    "queue_trigger": f"queue, `{arguments.get('queue_name')}`",
                    "route": f"HTTP, `/api/{arguments.get('route')}`",
                }[decorator.func.attr]
                yield node.name, trigger, _first_sentence(ast.get_docstring(node))


def _functions() -> Iterator[str]:
    yield from ("| Function | Trigger | What it does |", "|---|---|---|")
    for name, trigger, purpose in functions():
        yield f"| `{name}` | {trigger} | {purpose} |"


def _packages() -> list[Path]:
    return [package for name in _PACKAGES for package in _package_tree(ROOT / name)]


def _rooms() -> Iterator[str]:
    yield "```"
    for package in _packages():
        depth = len(package.relative_to(ROOT).parts) - 1
        yield f"{'  ' * depth + package.name + '/':<22}  {summary(package / '__init__.py')}".rstrip()
    yield "```"


def modules_page() -> str:
    """The page docs/reference/modules.md."""
    lines = [
        "# Modules",
        "",
        "Written by `make docs`: the first sentence of each module's docstring. What to find where: [map](map.md).",
    ]
    for package in _packages():
        name = package.relative_to(ROOT)
        modules = [module for module in sorted(package.glob("*.py")) if module.name != "__init__.py"]
        if modules:
            lines += ["", f"## {name}/", "", "| Module | What it is |", "|---|---|"]
        for module in modules:
            text = summary(module).replace("|", "\\|")
            lines.append(f"| [{module.stem}](../../{name}/{module.name}) | {text} |")
    return "\n".join(lines) + "\n"


def _package_tree(package: Path) -> Iterator[Path]:
    yield package
    for init in sorted(package.glob("*/__init__.py")):
        yield from _package_tree(init.parent)


def main() -> None:
    """Write the pages."""
    for page, text in pages().items():
        page.write_text(text)


if __name__ == "__main__":
    main()
