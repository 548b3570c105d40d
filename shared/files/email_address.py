"""E-mail addresses: which ones mail can be sent to, and the spellings of international domains."""

import re
from functools import lru_cache
from typing import Final

import idna

from shared.config.invisible import has_invisible, trimmed

_MAX_LENGTH: Final = 254
_MAX_LOCAL_PART: Final = 64
_ATOM: Final = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL: Final = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
#: The last label begins with a letter: no list holds addresses at what looks like an IP address.
_ADDRESS: Final = re.compile(rf"({_ATOM}(?:\.{_ATOM})*)@(?:{_LABEL}\.)+(?=[A-Za-z][A-Za-z0-9-]){_LABEL}")


def deliverable(address: str) -> str | None:
    """The address in the form that mail is sent to, or None if it is invalid.

    A pragmatic check: dots and atoms before one `@`, ASCII, at most 64 characters; at least two labels after it,
    the last of them not a number; at most 254 characters. Quoted local parts and IP addresses are refused. An
    international domain is IDNA-encoded (IDNA 2008, which keeps `ß`). White space and invisible characters around the
    address are removed; within it they are refused, for IDNA would ignore some.
    """
    address = trimmed(address)
    if has_invisible(address):
        return None
    if not address.isascii():
        local, _, domain = address.rpartition("@")
        encoded = _ascii_domain(domain)
        if encoded is None:
            return None
        address = f"{local}@{encoded}"
    if len(address) > _MAX_LENGTH:
        return None
    match = _ADDRESS.fullmatch(address)
    return address if match is not None and match.end(1) <= _MAX_LOCAL_PART else None


def with_ascii_domain(pattern: str) -> str:
    """An address, or a pattern of addresses, with its domain in ASCII, as `deliverable` returns it."""
    pattern = pattern.strip()
    local, at, domain = pattern.rpartition("@")
    if domain.isascii():
        return pattern
    encoded = deliverable(f"x@{domain}")
    return pattern if encoded is None else local + at + encoded.removeprefix("x@")


def spellings(address: str) -> list[str]:
    """The address in the form that mail is sent to, then, if its domain is international, in that of its readers."""
    address = address.strip()
    local, at, domain = address.rpartition("@")
    if not address or (domain.isascii() and "xn--" not in domain.lower()):
        return [address] * bool(address)
    encoded = _ascii_domain(domain)
    try:
        return [address] if encoded is None else [f"{local}{at}{encoded}", f"{local}{at}{idna.decode(encoded)}"]
    except UnicodeError:  # the base of the library's error
        return [address]


@lru_cache(maxsize=1024)
def _ascii_domain(domain: str) -> str | None:
    if len(domain) > _MAX_LENGTH:
        return None  # encoding long ones is slow
    try:
        return idna.encode(domain, uts46=True).decode()
    except UnicodeError:  # the base of the library's error
        return None
