"""What the validation of settings, channels and calls shares: TOML files, time zones, and errors without values."""

import re
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, ValidationError
from pydantic_core import ErrorDetails

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
            invalid.append(": ".join(filter(None, (name, _problem(detail)))))
    return "; ".join(([f"missing: {', '.join(missing)}"] if missing else []) + invalid)


#: What is invalid, by the type of pydantic's error and with the values of its context.
_TEXTS: Final[Mapping[str, str]] = {
    "value_error": "{error}",
    "extra_forbidden": "there is no such name here",
    "literal_error": "it must be {expected}",
    "enum": "it must be {expected}",
    "string_type": "it must be a text in quotes",
    "string_too_short": "it must have at least {min_length} characters",
    "string_too_long": "it must have at most {max_length} characters",
    "string_pattern_mismatch": "it has a character that is not allowed, or another form than {pattern}",
    "too_short": "it must have at least {min_length} entries",
    "too_long": "it must have at most {max_length} entries",
    "greater_than": "it must be greater than {gt}",
    "greater_than_equal": "it must be at least {ge}",
    "less_than": "it must be less than {lt}",
    "less_than_equal": "it must be at most {le}",
    "finite_number": "it must be a finite number",
    **dict.fromkeys(("int_parsing", "int_type", "int_from_float", "int_parsing_size"), "it must be a whole number"),
    **dict.fromkeys(("float_parsing", "float_type"), "it must be a number"),
    **dict.fromkeys(("bool_parsing", "bool_type"), "it must be true or false"),
    **dict.fromkeys(("list_type", "tuple_type"), "it must be a list"),
    **dict.fromkeys(("dict_type", "model_type", "mapping_type", "model_attributes_type"), "it must be a table"),
}


def _problem(detail: ErrorDetails) -> str:
    text = _TEXTS.get(detail["type"], "it is not valid")
    return text.format_map(detail.get("ctx", {}))


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
    """The name of a time zone, also for a name of Windows, by the mapping of CLDR."""
    try:
        ZoneInfo(name)
    except (ValueError, LookupError, OSError):
        # Loaded only for such a name.
        from tzlocal.windows_tz import win_tz  # noqa: PLC0415

        known = {windows.casefold(): zone for windows, zone in win_tz.items()}
        if name.strip().casefold() not in known:
            msg = "there is no time zone with this name; write it as Asia/Tokyo or as Tokyo Standard Time"
            raise ValueError(msg) from None
        return known[name.strip().casefold()]
    return name


TimeZoneName = Annotated[str, AfterValidator(_time_zone)]


def _marker(template: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._-]*\{name\}[A-Za-z0-9._-]*", template) or template == "{name}":
        msg = "a marker has one placeholder for the file's name; the rest is letters, digits, '.', '_' and '-'"
        raise ValueError(msg)
    return template


#: Name of the file that marks another one as complete, with `{name}` for the other one's name.
MarkerName = Annotated[str, AfterValidator(_marker)]
