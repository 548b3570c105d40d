"""What the validation of settings, channels and calls shares: time zones, and errors without values."""

from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, ValidationError


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


def _time_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ValueError, LookupError, OSError):
        raise ValueError("there is no time zone with this name") from None
    return name


TimeZoneName = Annotated[str, AfterValidator(_time_zone)]
