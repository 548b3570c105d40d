"""RS_DB is restored to an earlier moment: the bridge notices, holds everything, and nobody is mailed twice."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta

import pytest
from typer.testing import Result

from shared.broadcast import RouteKind, State
from shared.errors import IllegalTransition
from shared.operations import broadcasts as operations
from shared.operations import holds
from shared.operations.sent_since import Sent, Verdict, sent_since
from shared.steps.housekeeping import housekeeping
from shared.steps.upload_list import upload_list
from tests.flow.harness import Flow, channel

pytestmark = pytest.mark.sqlite


def copy(source: str, target: str) -> None:
    """Make one SQLite file the other, with everything that is in its write-ahead log."""
    with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(target)) as new:
        old.backup(new)


def rs_db(flow: Flow) -> str:
    return flow.bridge.settings.rs_db.get_secret_value().removeprefix("sqlite:///")


def back_up(flow: Flow) -> None:
    copy(rs_db(flow), str(flow.folder / "backup.sqlite"))


def restore(flow: Flow) -> None:
    flow.bridge.rs_database.close()
    copy(str(flow.folder / "backup.sqlite"), rs_db(flow))


def codes(flow: Flow) -> list[str]:
    return [hold.code for hold in flow.bridge.ledger.hold.in_force()]


def sent(flow: Flow) -> list[Sent]:
    return list(sent_since(flow.bridge, flow.simulated_time() - timedelta(days=1)))


def mailed(flow: Flow) -> int:
    """How many mails the simulator has sent."""
    return sum(campaign["mails_sent"] for campaign in flow.simulator()["campaigns"])


@pytest.mark.parametrize("route", [RouteKind.IMPORT_JOB, RouteKind.CLOSED_LOOP, RouteKind.SENDING_BATCH])
def test_nobody_is_mailed_twice_after_a_restore(alone: Flow, route: RouteKind) -> None:
    flow = alone
    flow.use(channel(route))
    housekeeping(flow.bridge)
    job_id = flow.order()
    flow.poll()
    flow.stop_at(job_id, State.STAGED)
    back_up(flow)
    broadcast = flow.run(job_id)
    assert broadcast.state is State.CLOSED
    mails = mailed(flow)

    restore(flow)
    behind = flow.broadcast(job_id)
    assert behind.state is State.STAGED
    # The first attempt holds, without waiting for housekeeping.
    upload_list(flow.bridge, behind.key, behind.version)
    assert codes(flow) == ["ledger-older"]
    assert (flow.broadcast(job_id).waiting_for or "").startswith("the hold to be lifted, placed by the bridge on ")
    housekeeping(flow.bridge)
    assert codes(flow) == ["ledger-older"]
    assert mailed(flow) == mails

    (entry,) = [entry for entry in sent(flow) if entry.campaign_id == broadcast.campaign_id]
    assert (entry.verdict, entry.broadcast) == (Verdict.BEHIND, behind.key)
    if route is not RouteKind.SENDING_BATCH:
        resolve = f"bridge broadcast resolve {behind.key} --started --campaign {entry.campaign_id}"
        assert entry.command == f"bridge broadcast park {behind.key} && {resolve}"
        operations.park(flow.bridge, behind.key, owner="operator")
        operations.resolve(flow.bridge, behind.key, started=True, campaign_id=entry.campaign_id, owner="operator")
        assert [later.verdict for later in sent(flow) if later.campaign_id == entry.campaign_id] == [Verdict.KNOWN]
    else:
        assert entry.command is None
    holds.lift(flow.bridge, by="jane", code="ledger-older")
    again = flow.run(job_id)
    assert (again.state, again.sent, again.mailing_id) == (State.CLOSED, broadcast.sent, broadcast.mailing_id)
    assert again.rs_broadcast_id is not None  # by which its responses find it
    assert mailed(flow) == mails
    assert codes(flow) == []

    # It goes on as before.
    other = flow.run(flow.order(seed=2))
    assert other.state is State.CLOSED
    assert mailed(flow) == mails + (other.sent or 0)
    assert flow.simulator()["mailed_twice"] == 0


def test_what_the_restored_ledger_lacks_is_listed_as_missing(alone: Flow) -> None:
    flow = alone
    housekeeping(flow.bridge)
    back_up(flow)
    lost = flow.run(flow.order())
    restore(flow)
    housekeeping(flow.bridge)
    (entry,) = [entry for entry in sent(flow) if entry.campaign_id == lost.campaign_id]
    assert (entry.verdict, entry.broadcast, entry.state) == (Verdict.MISSING, lost.key, None)


def test_a_restore_of_the_database_alone_is_noticed_by_housekeeping(flow: Flow, command: Callable[..., Result]) -> None:
    housekeeping(flow.bridge)
    back_up(flow)
    housekeeping(flow.bridge)
    restore(flow)
    housekeeping(flow.bridge)
    assert codes(flow) == ["ledger-older"]
    shown = command("hold").output
    assert "docs/how-to/restore.md" in shown
    assert "you can: bridge hold --lift --code ledger-older" in shown
    assert command("hold", "--lift").exit_code == 1  # a person's hold, of which there is none
    assert codes(flow) == ["ledger-older"]
    assert command("hold", "--lift", "--code", "ledger-older").exit_code == 0
    housekeeping(flow.bridge)
    assert codes(flow) == []


def test_a_new_storage_account_and_a_restored_database_hold(flow: Flow) -> None:
    for _ in range(2):
        housekeeping(flow.bridge)
    flow.bridge.lists.remove("ledger/mark")
    housekeeping(flow.bridge)
    assert codes(flow) == ["ledger-mark-missing"]
    holds.lift(flow.bridge, by="jane", code="ledger-mark-missing")
    housekeeping(flow.bridge)
    assert codes(flow) == []


def test_what_is_sent_since_is_listed(alone: Flow) -> None:
    flow = alone
    first = flow.run(flow.order())
    (entry,) = [entry for entry in sent(flow) if entry.campaign_id == first.campaign_id]
    assert (entry.verdict, entry.broadcast, entry.state, entry.command) == (
        Verdict.KNOWN,
        first.key,
        State.CLOSED,
        None,
    )
    later = flow.simulated_time() + timedelta(minutes=1)
    flow.pass_time(hours=1)
    second = flow.run(flow.order(seed=2))
    assert {entry.campaign_id for entry in sent_since(flow.bridge, later)} >= {second.campaign_id}
    assert first.campaign_id not in {entry.campaign_id for entry in sent_since(flow.bridge, later)}


def test_a_broadcast_is_parked_only_while_everything_is_held(flow: Flow) -> None:
    flow.use(channel(RouteKind.CLOSED_LOOP))
    job_id = flow.order()
    flow.poll()
    key = flow.broadcast(job_id).key
    with pytest.raises(IllegalTransition, match="nothing is held"):
        operations.park(flow.bridge, key, owner="operator")
    holds.add(flow.bridge, "restored", by="jane")
    assert operations.park(flow.bridge, key, owner="operator").state is State.NEEDS_OPERATOR
    with pytest.raises(IllegalTransition):
        operations.park(flow.bridge, key, owner="operator")
