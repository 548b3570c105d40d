"""A test send: sends a message to a seed list, so that it can be checked before anybody else gets it."""

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from shared.bridge import Bridge, new_owner
from shared.errors import (
    MessageNotTestable,
    OptimizelyConflict,
    OptimizelyLoginRefused,
    OptimizelyRefused,
    SeedListMissing,
    SeedListUnfit,
    SeedsNotAllowed,
    TestSendBusy,
    TestSendDiffers,
    TestSendOutcomeUnknown,
)
from shared.ledger.leases import LeaseName
from shared.ledger.test_sends import TestMails
from shared.optimizely.rest.answers import TestMailingReport, TestMailingStarted

#: A longer list is hardly a seed list: the test would mail customers.
_SEED_LIMIT = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class TestSend:
    """A test send that was started."""

    __test__ = False  # for pytest, which takes the name for a test class

    campaign_id: int
    #: The message; the test mailing made from it is in `started`.
    mailing_id: int
    started: TestMailingStarted
    #: Recipients of the seed list whom a test installation does not mail.
    not_allowed: int = 0

    @property
    def mails(self) -> TestMails:
        """The test mailing in numbers; who may not be mailed counts as blocklisted."""
        return TestMails(
            mailing_id=self.started.mailing_id,
            valid=self.started.valid,
            without_address=self.started.without_address,
            blocklisted=self.started.blocklisted + self.not_allowed,
        )


def for_broadcast(bridge: Bridge, key: str, *, seed_list: str | None = None) -> TestSend:
    """Send the message of a broadcast to a seed list.

    Before the broadcast has a Smart Campaign of its own, the message comes from the one that will be copied. Without
    the name of a seed list, the channel's is used.

    Raises:
        BroadcastUnknown: the ledger has no such broadcast.
        MessageNotTestable: it has no message of its own.
        SeedListMissing: neither `seed_list` nor the channel names one.
        SeedListUnfit: the list is empty, or too long for a seed list.
        Held: a hold is in force.
        TerminalError, TransientError: as the REST API and `Names` raise.
    """
    broadcast = bridge.ledger.broadcasts.get(key)
    campaign, mailing = broadcast.campaign_id, broadcast.mailing_id
    if campaign is None and broadcast.request.message_name:
        source = bridge.names.get_message(broadcast.request.message_name)
        campaign, mailing = source.campaign_id, source.mailing_id
    if campaign is None or mailing is None:
        raise MessageNotTestable(broadcast=key)
    return _send(bridge, campaign, mailing, broadcast.request.channel, seed_list)


def for_message(bridge: Bridge, message_name: str, *, channel: str, seed_list: str | None = None) -> TestSend:
    """Send a message to a seed list before there is a broadcast. Arguments and errors as `for_broadcast`."""
    source = bridge.names.get_message(message_name)
    return _send(bridge, source.campaign_id, source.mailing_id, channel, seed_list)


def repeatable(bridge: Bridge, request_id: UUID, message_name: str, *, channel: str) -> TestMails:
    """Send a message to the channel's seed list once for each GUID, however often it is called.

    A repeat within a day gets the first result. If it is not known whether the first was sent, nothing is sent again.

    Raises:
        TestSendDiffers: the GUID was used for another message or channel.
        TestSendBusy: the first call is under way.
        TestSendOutcomeUnknown: the first was tried, and there is no result.
        BridgeError: as `for_message`; of the same GUID a later call may succeed, unless the send itself was tried.
    """
    tried = bridge.ledger.test_sends
    with bridge.ledger.leases.held(LeaseName.for_test_send(request_id), new_owner()) as lease:
        if lease is None:
            raise TestSendBusy
        first = tried.find(request_id)
        if first is not None:
            if (first.channel, first.message_name) != (channel, message_name):
                raise TestSendDiffers
            if first.result is None:
                raise TestSendOutcomeUnknown(channel=channel)
            return first.result

        begun = False

        def record() -> None:
            nonlocal begun
            # The row decides, not the lease: it is written once, however long this process was frozen before.
            if not tried.begin(request_id, channel=channel, message_name=message_name):
                raise TestSendBusy
            begun = True

        source = bridge.names.get_message(message_name)
        try:
            sent = _send(bridge, source.campaign_id, source.mailing_id, channel, None, before=record)
        except (OptimizelyLoginRefused, OptimizelyConflict, OptimizelyRefused):
            if begun:  # otherwise the row is another call's, which was made while this one was frozen
                tried.forget(request_id)  # of all answers, only a refusal says that nothing was sent
            raise
        tried.finish(request_id, sent.mails)
        return sent.mails


def report(bridge: Bridge, sent: TestSend) -> TestMailingReport:
    """The recipients of a test send by status: enqueued, sending, sent or failed."""
    return bridge.rest.get_test_mailing_report(sent.campaign_id, sent.mailing_id, sent.started.mailing_id)


def _send(
    bridge: Bridge,
    campaign_id: int,
    mailing_id: int,
    channel: str,
    seed_list: str | None,
    *,
    before: Callable[[], None] = lambda: None,
) -> TestSend:
    bridge.check_not_held()
    name = seed_list or bridge.channels[channel].seed_list
    if not name:
        raise SeedListMissing(channel=channel)
    list_id = bridge.names.get_list_id(name)
    count = bridge.rest.count_recipients(list_id)
    if not 0 < count <= _SEED_LIMIT:
        raise SeedListUnfit(list=name, count=count, most=_SEED_LIMIT)
    found = list(bridge.rest.select_recipients(list_id))
    only_mail = bridge.only_mail
    seeds = [seed for seed in found if only_mail is None or only_mail.includes(seed)]
    if not seeds:
        raise SeedsNotAllowed(list=name, count=len(found))
    before()
    started = bridge.rest.start_test_mailing(campaign_id, mailing_id, recipient_list_id=list_id, recipient_ids=seeds)
    return TestSend(
        campaign_id=campaign_id, mailing_id=mailing_id, started=started, not_allowed=len(found) - len(seeds)
    )
