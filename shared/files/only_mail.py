"""The only recipients whom a test installation mails: domains and addresses of the setting ONLY_MAIL."""

import re
from dataclasses import dataclass
from hashlib import sha256
from typing import Self

from shared.files.email_address import with_ascii_domain


@dataclass(frozen=True, slots=True)
class OnlyMail:
    """The allowed recipients, in lower case and with ASCII domains. Nothing prints them: testers are people too."""

    domains: frozenset[str]
    addresses: frozenset[str]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the setting: entries between commas, semicolons or spaces, which `Settings` has checked."""
        entries = {_normal(entry if "@" in entry else f"@{entry}") for entry in re.split(r"[,;\s]+", text) if entry}
        domains = {entry for entry in entries if entry.startswith("@")}
        return cls(frozenset(domain.removeprefix("@") for domain in domains), frozenset(entries - domains))

    def includes(self, address: str) -> bool:
        """Whether this recipient may be mailed. A domain does not include its subdomains."""
        address = _normal(address)
        return address in self.addresses or (address.rpartition("@")[2] in self.domains and "@" in address)

    @property
    def digest(self) -> str:
        """What distinguishes it from another setting, for the metadata of staged lists."""
        entries = (*sorted(self.addresses), *sorted("@" + domain for domain in self.domains))
        return sha256("\n".join(entries).encode()).hexdigest()[:32]

    def __str__(self) -> str:
        """How many there are, for people and logs."""
        domains, addresses = len(self.domains), len(self.addresses)
        return f"{domains} domain{'s' * (domains != 1)} and {addresses} address{'es' * (addresses != 1)} of ONLY_MAIL"

    __repr__ = __str__


def _normal(address: str) -> str:
    return with_ascii_domain(address).lower()
