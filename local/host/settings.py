"""What a host is told: host.json, the settings, and the settings that bindings name."""

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_NAME = re.compile(r"%([^%]+)%")


class HostError(Exception):
    """The host cannot start; the text says what to change."""


def load_settings(file: Path) -> None:
    """Put the `Values` of a local.settings.json into the environment, which wins.

    Raises:
        HostError: the file cannot be read, or is encrypted.
    """
    settings = read_json(file)
    if settings.get("IsEncrypted"):
        raise HostError(f"{file} is encrypted, which only Core Tools can read")
    for name, value in settings.get("Values", {}).items():
        os.environ.setdefault(name, str(value))


def read_json(file: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        HostError: it is missing, or not a JSON object.
    """
    try:
        content = json.loads(file.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise HostError(f"{file} cannot be read: {error}") from None
    if not isinstance(content, dict):
        raise HostError(f"{file} is not a JSON object")
    return content


def resolved(function: str, binding: Mapping[str, Any]) -> dict[str, Any]:
    """A binding with the values of settings in place of `%NAME%`.

    Raises:
        HostError: a setting is missing.
    """

    def setting(found: re.Match[str]) -> str:
        try:
            return os.environ[found[1]]
        except KeyError:
            where = f"function {function}, binding {binding.get('name')}"
            raise HostError(f"{where}: the setting {found[1]} is missing") from None

    return {key: _NAME.sub(setting, value) if isinstance(value, str) else value for key, value in binding.items()}
