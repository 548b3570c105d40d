"""What the validation of settings, channels and calls shares: TOML files, time zones, and errors without values."""

import re
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, ValidationError

from shared.errors import SettingsInvalid

#: Longest durations. In seconds, minutes or days they are at most a thousand years: further away from today `datetime`
#: soon has no dates.
LONGEST_SECONDS: Final = 500_000_000
LONGEST_DAYS: Final = 365_000


def problems(error: ValidationError, *, subject: str = "") -> str:
    """What is missing or invalid, by name and never by value, which may be a secret.

    Args:
        error: pydantic's error.
        subject: the name of what is validated, for problems of more than one field.
    """
    missing: list[str] = []
    invalid: list[str] = []
    for detail in error.errors(include_url=False, include_input=False):
        name = ".".join(map(str, detail["loc"])) or subject
        if detail["type"] == "missing":
            missing.append(name)
        else:
            invalid.append(": ".join(filter(None, (name, detail["msg"].removeprefix("Value error, ")))))
    return "; ".join(([f"missing: {', '.join(missing)}"] if missing else []) + invalid)


def read_toml[Content](setting: str, file: Path, parse: Callable[[Mapping[str, Any]], Content]) -> Content:
    """The content of the TOML file that a setting names, as `parse` returns it; a ValueError says what is invalid.

    Raises:
        SettingsInvalid: the file cannot be read or is invalid.
    """
    try:
        return parse(tomllib.loads(file.read_text(encoding="utf-8")))
    except OSError as error:
        raise SettingsInvalid(reason=f"{setting} {file} cannot be read ({type(error).__name__})") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsInvalid(reason=f"{setting} {file.name} is not valid TOML: {error}") from None
    except ValueError as error:
        reason = problems(error) if isinstance(error, ValidationError) else error
        raise SettingsInvalid(reason=f"{setting} {file.name}: {reason}") from None


def _time_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ValueError, LookupError, OSError):
        raise ValueError("there is no time zone with this name") from None
    return name


TimeZoneName = Annotated[str, AfterValidator(_time_zone)]


def _marker(template: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._-]*\{name\}[A-Za-z0-9._-]*", template) or template == "{name}":
        msg = "a marker has one placeholder for the file's name; the rest is letters, digits, '.', '_' and '-'"
        raise ValueError(msg)
    return template


#: Name of the file that marks another one as complete, with `{name}` for the other one's name.
MarkerName = Annotated[str, AfterValidator(_marker)]
