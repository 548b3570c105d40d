"""A response file, its states and its legal transitions. Pure: no I/O."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class FileState(StrEnum):
    """The state of a response file."""

    SEEN = "seen"  #: on the SFTP site; gathered once it is complete
    GATHERED = "gathered"  #: in blob storage, to be loaded
    LOADED = "loaded"  #: its rows are in RS_DB
    FAILED = "failed"  #: vanished before it was gathered, or cannot be loaded as it is; a kept file can be loaded again


TRANSITIONS: Final = MappingProxyType(
    {
        FileState.SEEN: frozenset({FileState.GATHERED, FileState.FAILED}),
        FileState.GATHERED: frozenset({FileState.LOADED, FileState.FAILED}),
        FileState.LOADED: frozenset({FileState.GATHERED}),  # loaded once more
        # A file that vanished comes back, or a kept file is loaded once more.
        FileState.FAILED: frozenset({FileState.SEEN, FileState.GATHERED}),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadCounts:
    """Rows of a response file; read = loaded + known + rejected (rule 5)."""

    read: int
    loaded: int
    known: int
    rejected: int
    #: Loaded rows that have not found their broadcast; fewer once some find it later.
    unmatched: int
    by_type: Mapping[str, int] = field(default_factory=dict)

    def log_context(self) -> dict[str, int]:
        """Fields of a log line about this load."""
        return {
            "read": self.read,
            "loaded": self.loaded,
            "known": self.known,
            "rejected": self.rejected,
            "unmatched": self.unmatched,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseFile:
    """A response file as the ledger has it. Immutable: the ledger returns a new one for every change."""

    id: int
    name: str
    size: int
    modified: datetime
    state: FileState
    #: Grows by one with every change; a change of an older version is refused.
    version: int
    sha256: str | None
    seen_at: datetime
    gathered_at: datetime | None
    loaded_at: datetime | None
    #: When its next message is due; past this time without a live lease, the sweep queues it again.
    due_at: datetime
    #: Attempts to load it since it was gathered or last asked for.
    attempts: int
    counts: LoadCounts | None
    error_code: str | None
    error: str | None
    #: The layout for its name when it was first seen; None for files from before layouts were recorded.
    layout: str | None
    #: Rounds in a row in which it could not be gathered, or archived.
    left_rounds: int
    #: When its kept file was removed at the end of its retention.
    removed_at: datetime | None
    #: What it waits for; None while it waits for nothing.
    waiting_for: str | None = None
    #: Since when.
    waiting_since: datetime | None = None

    @property
    def has_vanished(self) -> bool:
        """Whether it went away from the SFTP site before it was gathered."""
        return self.state is FileState.FAILED and self.sha256 is None

    def log_context(self) -> dict[str, str]:
        """Fields of a log line about this file."""
        return {"file": self.name}

    def check_transition(self, to: FileState) -> None:
        """Refuse an illegal change of state.

        Raises:
            ValueError: the state cannot follow the present one.
        """
        if to not in TRANSITIONS[self.state]:
            raise ValueError(f"a response file that is {self.state} cannot become {to}")
