"""List names and message names, resolved to ids at Optimizely Campaign and cached for a minute.

A broadcast names its list and its message as people do. Each name must match exactly one object; an error reports
whether it matches none or several. Errors are not cached: a renamed list is found at once.
"""

import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from shared.broadcast import KEY_PATTERN
from shared.clock import Clock
from shared.errors import ListAmbiguous, ListUnknown, MessageAmbiguous, MessageUnknown
from shared.ledger.broadcasts import Broadcasts
from shared.optimizely.rest.answers import SmartCampaign
from shared.optimizely.rest.client import OptimizelyRest

#: Seconds for which a name is cached.
_CACHE_SECONDS: Final = 60.0
#: How the bridge names a copy: a copy that is not recorded yet, or was made by another installation.
_COPY: Final = re.compile(rf"\[{KEY_PATTERN}\]$")


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceMessage:
    """A message, with the Smart Campaign that contains it."""

    campaign_id: int
    campaign_name: str
    message_name: str
    mailing_id: int


class Names:
    """Resolves names. Safe to use from several threads.

    Args:
        rest: the REST API.
        broadcasts: the ledger's, which knows the copies that were made for broadcasts.
        clock: the clock.
    """

    def __init__(self, rest: OptimizelyRest, broadcasts: Broadcasts, clock: Clock) -> None:
        self._rest = rest
        self._broadcasts = broadcasts
        self._clock = clock
        self._lock = threading.Lock()
        self._lists: dict[str, tuple[float, int]] = {}
        self._messages: dict[str, tuple[float, SourceMessage]] = {}

    def lists(self) -> list[tuple[int, str]]:
        """Every recipient list that has a name: id and list name."""
        named = ((listed.id, listed.name) for listed in self._rest.select_recipient_lists() if listed.name)
        return sorted(named, key=lambda entry: (entry[1].casefold(), entry[0]))

    def messages(self) -> list[SourceMessage]:
        """Every message that a broadcast can name."""
        return sorted(self._select_messages(None), key=lambda message: message.message_name.casefold())

    def get_list_id(self, list_name: str) -> int:
        """The id of the recipient list with this name.

        Raises:
            ListUnknown: there is none.
            ListAmbiguous: there are several.
        """
        return self._cached(self._lists, list_name, self._load_list_id)

    def get_message(self, message_name: str) -> SourceMessage:
        """The message with this name in a Smart Campaign that can be sent.

        Raises:
            MessageUnknown: there is none.
            MessageAmbiguous: there are several.
        """
        return self._cached(self._messages, message_name, self._load_message)

    def _cached[Value](self, cache: dict[str, tuple[float, Value]], name: str, load: Callable[[str], Value]) -> Value:
        with self._lock:
            until, value = cache.get(name, (0.0, None))
        if value is not None and self._clock.monotonic() < until:
            return value
        value = load(name)
        with self._lock:
            cache[name] = (self._clock.monotonic() + _CACHE_SECONDS, value)
        return value

    def _load_list_id(self, name: str) -> int:
        ids = [listed.id for listed in self._rest.select_recipient_lists() if listed.name == name]
        if not ids:
            raise ListUnknown(list=name)
        if len(ids) > 1:
            raise ListAmbiguous(list=name, count=len(ids))
        return ids[0]

    def _load_message(self, name: str) -> SourceMessage:
        messages = self._select_messages(name)
        if not messages:
            raise MessageUnknown(message=name)
        if len(messages) > 1:
            raise MessageAmbiguous(message=name, count=len(messages))
        return messages[0]

    def _select_messages(self, name: str | None) -> list[SourceMessage]:
        """The messages with this name, or all, of Smart Campaigns that can be sent and are not copies."""
        campaigns = list(self._rest.select_smart_campaigns(status="activationRequired", detailed=True))
        copies = self._find_copies(campaigns)
        return [
            SourceMessage(
                campaign_id=campaign.id,
                campaign_name=campaign.name,
                message_name=message.name,
                mailing_id=message.mailing_id,
            )
            for campaign in campaigns
            if campaign.id not in copies
            for message in campaign.messages
            if name is None or message.name == name
        ]

    def _find_copies(self, campaigns: Sequence[SmartCampaign]) -> set[int]:
        """Those that were copied for a broadcast, however Optimizely named them: they are never a source."""
        copies = set(self._broadcasts.by_campaign(campaign.id for campaign in campaigns))
        copies |= {campaign.id for campaign in campaigns if _COPY.search(campaign.name)}
        tags = self._broadcasts.with_unknown_batch()
        if tags:
            copies |= {batch.campaign_id for batch in self._rest.select_sending_batches() if batch.tag in tags}
        return copies
