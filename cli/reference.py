"""The reference pages that are printed from the code: settings, errors and commands."""

import inspect
import re
from collections.abc import Iterator, Mapping
from typing import Final

import typer
from pydantic import SecretStr
from pydantic_core import PydanticUndefined
from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption

from shared.config.settings import Settings
from shared.errors import (
    BridgeError,
    InputError,
    InstallationError,
    InternalError,
    RemoteError,
    TerminalError,
    TransientInstallationError,
    TransientInternalError,
    TransientRemoteError,
    catalogue,
)

#: How the page calls the families of errors.
_WHO_ACTS: Final[Mapping[str, tuple[type[BridgeError], ...]]] = {
    "whoever gave the data or the command": (InputError,),
    "whoever runs the bridge": (InstallationError, TransientInstallationError),
    "the other side": (RemoteError, TransientRemoteError),
    "the bridge": (InternalError, TransientInternalError),
}


def settings() -> None:
    """Print every app setting as Markdown (docs/reference/settings.md)."""
    typer.echo(settings_page(), nl=False)


def errors() -> None:
    """Print the error catalogue as Markdown (docs/reference/errors.md)."""
    typer.echo(errors_page(), nl=False)


def settings_page() -> str:
    """The page docs/reference/settings.md."""
    lines = [
        "# App settings",
        "",
        "Written by `bridge settings` from `shared/config/settings.py`. The triggers read schedules and queue names",
        "as well, so in Azure they must be set.",
        "",
        "| Setting | Default | Secret | What it is for |",
        "|---|---|---|---|",
    ]
    for field in Settings.model_fields.values():
        required = field.default is PydanticUndefined
        default = "required" if required else "none" if field.default is None else f"`{field.default}`"
        secret = "yes" if "SecretStr" in str(field.annotation) or field.annotation is SecretStr else ""
        lines.append(f"| `{field.alias}` | {default} | {secret} | {field.description} |")
    return "\n".join(lines) + "\n"


def errors_page() -> str:
    """The page docs/reference/errors.md."""
    lines = [
        "# Error catalogue",
        "",
        "Written by `bridge errors` from `shared/errors/`. Words in braces are the fields of an error.",
        "An error that is retried automatically becomes final after `MAX_ATTEMPTS` attempts.",
        "",
        "| Code | What happened | What to do | Who acts | Retried |",
        "|---|---|---|---|---|",
    ]
    for entry in catalogue():
        again = "no" if issubclass(entry, TerminalError) else "yes"
        (who,) = (who for who, families in _WHO_ACTS.items() if issubclass(entry, families))
        lines.append(f"| `{entry.code}` | {_cell(entry.summary)} | {_cell(entry.remedy)} | {who} | {again} |")
    return "\n".join(lines) + "\n"


def commands(group: TyperGroup, name: str = "bridge") -> Iterator[tuple[str, TyperCommand]]:
    """Every command of a group and of the groups in it, by its full name."""
    for each in group.commands.values():
        full_name = f"{name} {each.name}"
        if isinstance(each, TyperGroup):
            yield from commands(each, full_name)
        elif isinstance(each, TyperCommand):
            yield full_name, each


def cli_page(group: TyperGroup) -> str:
    """The page docs/reference/cli.md."""
    lines = [
        "# The `bridge` command",
        "",
        "Written by `make docs` from the commands in `cli/`; [operate](../how-to/operate.md) says when to use which.",
        "",
        "`make setup` installs the command as `.venv/bin/bridge`. To type `bridge` alone, put it first on the path:",
        '`export PATH="$PWD/.venv/bin:$PATH"`. Without that, `bridge` on Debian and Ubuntu is a program of iproute2.',
        "",
        "| Command | What it does |",
        "|---|---|",
    ]
    for name, command in commands(group):
        summary = " ".join((command.help or "").split("\n\n", maxsplit=1)[0].split())
        lines.append(f"| [`{name}`](#{name.replace(' ', '-')}) | {_cell(summary)} |")
    for name, command in commands(group):
        lines += ["", f"## `{name}`", "", *inspect.cleandoc(command.help or "").splitlines()]
        rows = [_parameter(command, parameter) for parameter in command.params]
        if rows:
            lines += ["", "| Argument or option | |", "|---|---|", *rows]
    return "\n".join(lines) + "\n"


def _parameter(command: TyperCommand, parameter: object) -> str:
    if isinstance(parameter, TyperArgument):
        usage, text = (parameter.name or "").upper(), parameter.help or ""
    elif isinstance(parameter, TyperOption):
        usage, text = parameter.get_help_record(typer.Context(command)) or ("", "")
        text = re.sub(r"\[default: \((.*?)\)", r"[default: \1", " ".join(text.split()))
    else:
        raise TypeError(parameter)
    return f"| `{_cell(usage)}` | {_cell(text).replace('<', '&lt;')} |"


def _cell(text: str) -> str:
    return text.replace("!r}", "}").replace("|", "\\|")
