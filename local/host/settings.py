"""Configuration of the host: host.json, app settings, and app settings in bindings."""

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_REFERENCE = re.compile(r"%([^%]+)%")


class HostError(Exception):
    """The host cannot start; the message says what to change."""


def load_settings(file: Path) -> None:
    """Load the `Values` of a local.settings.json into the environment. Existing variables take precedence.

    Raises:
        HostError: the file cannot be read or is encrypted.
    """
    settings = read_json(file)
    if settings.get("IsEncrypted"):
        raise HostError(f"{file} is encrypted, which only Core Tools can read")
    for name, value in settings.get("Values", {}).items():
        os.environ.setdefault(name, str(value))


def read_json(file: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        HostError: the file is missing or not a JSON object.
    """
    try:
        content = json.loads(file.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise HostError(f"{file} cannot be read: {error}") from None
    if not isinstance(content, dict):
        raise HostError(f"{file} is not a JSON object")
    return content


def resolve(function: str, binding: Mapping[str, Any]) -> dict[str, Any]:
    """Replace each `%NAME%` in a binding with the value of the app setting.

    Raises:
        HostError: a setting is missing.
    """

    def value_of(reference: re.Match[str]) -> str:
        try:
            return os.environ[reference[1]]
        except KeyError:
            location = f"function {function}, binding {binding.get('name')}"
            raise HostError(f"{location}: the setting {reference[1]} is missing") from None

    return {key: _REFERENCE.sub(value_of, value) if isinstance(value, str) else value for key, value in binding.items()}
