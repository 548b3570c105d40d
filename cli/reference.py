"""`bridge settings` and `bridge errors`: the reference pages, printed from the code."""

import typer
from pydantic import SecretStr
from pydantic_core import PydanticUndefined

from shared.config.settings import Settings
from shared.errors import TerminalError, catalogue


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
        "Written by `bridge errors` from `shared/errors.py`. Words in braces are filled with the facts of the case.",
        "An error that is tried again by itself becomes final after `MAX_ATTEMPTS` tries.",
        "",
        "| Code | What happened | What to do | Tried again |",
        "|---|---|---|---|",
    ]
    for entry in catalogue():
        again = "no" if issubclass(entry, TerminalError) else "yes"
        lines.append(f"| `{entry.code}` | {_cell(entry.happened)} | {_cell(entry.remedy)} | {again} |")
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return text.replace("!r}", "}").replace("|", "\\|")
