"""List names and message names, resolved to ids at Optimizely Campaign and kept for a minute.

A broadcast names its list and its message as people do. Both must name exactly one thing; what names
none or several is an error that says which. Errors are never kept: a renamed list counts at once.
"""

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from shared.broadcast import KEY_PATTERN
from shared.clock import Clock
from shared.errors import ListAmbiguous, ListUnknown, MessageAmbiguous, MessageUnknown
from shared.optimizely.rest.client import OptimizelyRest

#: Seconds for which a name is kept.
_KEPT_SECONDS: Final = 60.0
#: A name that ends with a broadcast's key is that of a copy made for it, never of a source.
_COPY: Final = re.compile(rf"\[{KEY_PATTERN}\]$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The Smart Campaign that holds a message."""

    campaign_id: int
    campaign_name: str
    message_name: str
    mailing_id: int


class Names:
    """Resolves names. Safe to use from several threads.

    Args:
        rest: the REST API.
        clock: by which what was found is kept for a while.
    """

    def __init__(self, rest: OptimizelyRest, clock: Clock) -> None:
        self._rest = rest
        self._clock = clock
        self._lock = threading.Lock()
        self._lists: dict[str, tuple[float, int]] = {}
        self._sources: dict[str, tuple[float, Source]] = {}

    def lists(self) -> list[tuple[int, str]]:
        """Every recipient list that has a name: id and list name."""
        return sorted(((one.id, one.name) for one in self._rest.select_recipient_lists() if one.name), key=_by_name)

    def messages(self) -> list[Source]:
        """Every message that a broadcast can name."""
        return sorted(self._sources_of(None), key=lambda source: source.message_name.casefold())

    def find_list(self, list_name: str) -> int:
        """Id of the recipient list with this name.

        Raises:
            ListUnknown: there is none.
            ListAmbiguous: there are several.
        """
        return self._kept(self._lists, list_name, self._look_up_list)

    def find_message(self, message_name: str) -> Source:
        """The Smart Campaign that can be sent and has a message of this name.

        Raises:
            MessageUnknown: there is none.
            MessageAmbiguous: there are several.
        """
        return self._kept(self._sources, message_name, self._look_up_message)

    def _kept[Found](self, kept: dict[str, tuple[float, Found]], name: str, look_up: Callable[[str], Found]) -> Found:
        with self._lock:
            until, found = kept.get(name, (0.0, None))
        if found is not None and self._clock.monotonic() < until:
            return found
        found = look_up(name)
        with self._lock:
            kept[name] = (self._clock.monotonic() + _KEPT_SECONDS, found)
        return found

    def _look_up_list(self, name: str) -> int:
        found = [one.id for one in self._rest.select_recipient_lists() if one.name == name]
        if not found:
            raise ListUnknown(list=name)
        if len(found) > 1:
            raise ListAmbiguous(list=name, count=len(found))
        return found[0]

    def _look_up_message(self, name: str) -> Source:
        found = self._sources_of(name)
        if not found:
            raise MessageUnknown(message=name)
        if len(found) > 1:
            raise MessageAmbiguous(message=name, count=len(found))
        return found[0]

    def _sources_of(self, name: str | None) -> list[Source]:
        """The messages of this name, or all, of Smart Campaigns that can be sent and are no copies for a broadcast."""
        return [
            Source(
                campaign_id=campaign.id,
                campaign_name=campaign.name,
                message_name=message.name,
                mailing_id=message.mailing_id,
            )
            for campaign in self._rest.select_smart_campaigns(status="activationRequired", detailed=True)
            if not _COPY.search(campaign.name)
            for message in campaign.messages
            if name is None or message.name == name
        ]


def _by_name(named: tuple[int, str]) -> tuple[str, int]:
    return named[1].casefold(), named[0]
