"""What a broadcast or a response file waits for: a sentence, and since when (rule 13).

The sentence begins with what is waited for; details, such as who holds it, follow a comma. While only the details
change, it is the same wait.
"""

from datetime import datetime
from typing import Final

from shared.broadcast import Broadcast
from shared.response_file import ResponseFile

_LENGTH: Final = 2000


def wait_columns(item: Broadcast | ResponseFile, waiting_for: str | None, now: datetime) -> dict[str, object]:
    """The columns `waiting_for` and `waiting_since` of an item that waits from now on, or goes on waiting.

    Args:
        item: as it was before.
        waiting_for: what it waits for now; None if it waits for nothing.
        now: the time.
    """
    if waiting_for is None:
        return {"waiting_for": None, "waiting_since": None}
    since = now if begins(item, waiting_for) else item.waiting_since
    return {"waiting_for": waiting_for[:_LENGTH], "waiting_since": since}


def begins(item: Broadcast | ResponseFile, waiting_for: str | None) -> bool:
    """Whether the item waited for nothing, or for something else."""
    if waiting_for is None:
        return False
    return item.waiting_for is None or _thing(item.waiting_for) != _thing(waiting_for)


def _thing(waiting_for: str) -> str:
    return waiting_for.partition(",")[0]
