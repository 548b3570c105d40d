"""A test send goes to a seed list, and to nobody else; its report tells what became of it."""

import pytest

from shared.broadcast import SendMode
from shared.config.channels import DEFAULT
from shared.errors import ListUnknown, MessageNotTestable, SeedListMissing, SeedListUnfit
from shared.operations import test_send as send_test
from tests.flow.harness import Flow, channel, until


def test_a_message_is_tested_before_there_is_a_broadcast(flow: Flow) -> None:
    flow.use(channel())
    sent = send_test.for_message(flow.bridge, "Spring Newsletter", channel=DEFAULT)
    assert sent.started.valid > 0

    def all_sent() -> bool:
        return send_test.report(flow.bridge, sent).recipients_by_status == {"sent": sent.started.valid}

    until(all_sent, "every test mail is sent")
    campaign = next(one for one in flow.simulator()["campaigns"] if one["id"] == sent.campaign_id)
    assert (campaign["status"], campaign["mails_sent"]) == ("activationRequired", 0)


def test_the_message_of_a_broadcast_is_tested_as_it_was_sent(flow: Flow) -> None:
    flow.use(channel())
    broadcast = flow.run(flow.order())
    mailed = flow.campaign(broadcast)["mails_sent"]
    sent = send_test.for_broadcast(flow.bridge, broadcast.key, seed_list="Seed list")
    assert (sent.campaign_id, sent.mailing_id) == (broadcast.campaign_id, broadcast.mailing_id)
    assert flow.campaign(broadcast)["mails_sent"] == mailed
    assert flow.simulator()["mailed_twice"] == 0


def test_a_broadcast_that_is_not_prepared_yet_is_tested_with_its_source(flow: Flow) -> None:
    flow.use(channel())
    job_id = flow.order()
    flow.poll()
    sent = send_test.for_broadcast(flow.bridge, flow.broadcast(job_id).key)
    assert sent.campaign_id == flow.bridge.names.get_message("Spring Newsletter").campaign_id


def test_customers_are_not_taken_for_a_seed_list(flow: Flow) -> None:
    flow.use(channel())
    flow.run(flow.order(recipients=150, upload_only=True))
    with pytest.raises(SeedListUnfit, match=r"'Customers' has 1[0-9][0-9] recipients"):
        send_test.for_message(flow.bridge, "Spring Newsletter", channel=DEFAULT, seed_list="Customers")
    with pytest.raises(SeedListUnfit, match="has 0 recipients"):
        send_test.for_message(flow.bridge, "Spring Newsletter", channel=DEFAULT, seed_list="Prospects")


def test_what_cannot_be_tested_is_told(flow: Flow) -> None:
    flow.use(channel(send=SendMode.VERIFY_THEN_START))
    with pytest.raises(ListUnknown):
        send_test.for_message(flow.bridge, "Spring Newsletter", channel=DEFAULT, seed_list="Nowhere")
    job_id = flow.order(upload_only=True, message_name="")
    flow.poll()
    with pytest.raises(MessageNotTestable):
        send_test.for_broadcast(flow.bridge, flow.broadcast(job_id).key)
    flow.use(channel().model_copy(update={"seed_list": ""}))
    with pytest.raises(SeedListMissing):
        send_test.for_message(flow.bridge, "Spring Newsletter", channel=DEFAULT)
