"""The numbered migrations of the bridge's own tables, forward only: SQL files beside this module.

`0001_ledger.mssql.sql` and `0001_ledger.sqlite.sql` are one migration, for SQL Server and for SQLite. The statements of
a file are parted by lines that say `GO`, as the tools of SQL Server have it. How one is added:
docs/how-to/migrate.md.
"""

import re
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import Final

_FILE: Final = re.compile(r"(?P<number>\d{4})_(?P<name>[a-z0-9_]+)\.(?P<dialect>mssql|sqlite)\.sql")
_GO: Final = re.compile(r"^[ \t]*GO[ \t]*$", re.IGNORECASE | re.MULTILINE)
#: The first line of a migration after which code that does not know it cannot work any more.
_BREAKING: Final = re.compile(r"-- breaking\b")


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """One migration for one database."""

    number: int
    name: str
    #: SHA-256 of its file: one that was applied must not change any more.
    checksum: str
    #: Whether code that does not know it cannot work any more.
    breaking: bool
    statements: tuple[str, ...]

    @property
    def title(self) -> str:
        """Number and name, as in the file's name."""
        return f"{self.number:04}_{self.name}"


@cache
def known_migrations(dialect: str) -> tuple[Migration, ...]:
    """The migrations that this code knows, in their order.

    Args:
        dialect: SQLAlchemy's name of the database: `mssql` or `sqlite`.
    """
    found = []
    for file in files(__name__).iterdir():
        match = _FILE.fullmatch(file.name)
        if match and match["dialect"] == dialect:
            # Read as text, so that the line ends of a checkout on Windows change nothing.
            text = file.read_text(encoding="utf-8")
            found.append(
                Migration(
                    number=int(match["number"]),
                    name=match["name"],
                    checksum=sha256(text.encode()).hexdigest(),
                    breaking=_BREAKING.match(text) is not None,
                    statements=tuple(part.strip() for part in _GO.split(text) if part.strip()),
                )
            )
    return tuple(sorted(found, key=lambda migration: migration.number))
