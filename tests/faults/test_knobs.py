"""Every fault that the simulator can play: the broadcast ends in the right state with the right code.

The simulator's own records are the referee: nobody was mailed twice, and of a broadcast that failed nobody at all.
"""

from collections.abc import Callable
from typing import Any

import pytest

from shared.broadcast import Broadcast, RouteKind, SendMode, State
from shared.config.channels import SendingBatch
from shared.operations.broadcasts import resolve, retry
from shared.steps.gather_responses import gather_responses
from tests.flow.harness import Flow, channel, until

Knob = dict[str, Any]


def status(operation: str, code: int, when: str, **more: Any) -> Knob:
    return {"kind": "status", "operation": operation, "status": code, "when": when, **more}


def drop(operation: str, when: str, **more: Any) -> Knob:
    return {"kind": "drop", "operation": operation, "when": when, **more}


def page(operation: str, when: str, **more: Any) -> Knob:
    return {"kind": "page", "operation": operation, "when": when, **more}


def run(flow: Flow, knob: Knob, route: RouteKind = RouteKind.IMPORT_JOB, mode: SendMode | None = None) -> Broadcast:
    """Run a broadcast while the fault strikes."""
    flow.use(channel(route, send=mode, sending_batch=SendingBatch(chunk_rows=40)))
    flow.add_fault(knob)
    broadcast = flow.run(flow.order(recipients=150))
    assert flow.strikes() > 0, "the fault was never met"
    assert flow.simulator()["mailed_twice"] == 0
    return broadcast


def mails(flow: Flow, broadcast: Broadcast) -> int:
    return sum(copy["mails_sent"] for copy in flow.copies(broadcast))


def named(value: Any) -> str:
    return " ".join(str(part) for part in value.values()) if isinstance(value, dict) else str(value)


#: How an exchange goes wrong: a status, no answer at all, or the answer of a proxy.
WRONG: list[Callable[[str, str], Knob]] = [
    lambda operation, when: status(operation, 500, when, times=1),
    lambda operation, when: drop(operation, when, times=1),
    lambda operation, when: page(operation, when, times=1),
]
#: Faults that pass: the broadcast is carried to its end as if nothing had been.
PASSING: list[tuple[Knob, RouteKind, SendMode | None]] = [
    *(
        (wrong(operation, when), route, mode)
        for operation, route, mode in [
            ("createOrCopySmartCampaign", RouteKind.IMPORT_JOB, None),
            ("startSmartCampaign", RouteKind.IMPORT_JOB, None),
            ("createWaitNode", RouteKind.IMPORT_JOB, SendMode.AFTER_IMPORT),
            ("activateSmartCampaign", RouteKind.IMPORT_JOB, SendMode.AFTER_IMPORT),
            ("prepareNewBatch", RouteKind.SENDING_BATCH, None),
            ("addRecipients_1", RouteKind.SENDING_BATCH, None),
            ("importRecipientsAndSendBatch", RouteKind.SENDING_BATCH, None),
        ]
        for wrong in WRONG
        for when in ("before", "after")
    ),
    (status("countRecipients", 429, "before", times=2, retry_after=0), RouteKind.IMPORT_JOB, None),
    (status("*", 502, "before", times=3), RouteKind.IMPORT_JOB, None),
    (drop("*", "after", times=3), RouteKind.CLOSED_LOOP, None),
    *((page("*", "before", times=3), route, None) for route in (RouteKind.IMPORT_JOB, RouteKind.CLOSED_LOOP)),
    (page("*", "after", status=302, times=3), RouteKind.SENDING_BATCH, None),
    (page("getSmartCampaign", "before", status=404, times=1), RouteKind.IMPORT_JOB, None),
    (page("startSmartCampaign", "after", status=403, times=1), RouteKind.IMPORT_JOB, None),
    (page("startSmartCampaign", "before", status=404, times=1), RouteKind.IMPORT_JOB, None),
    (page("getReport_1", "before", times=6), RouteKind.IMPORT_JOB, None),
    ({"kind": "latency", "operation": "*", "seconds": 0.03}, RouteKind.IMPORT_JOB, None),
    ({"kind": "import-slow", "minutes": 600}, RouteKind.IMPORT_JOB, None),
    ({"kind": "break-upload", "after_bytes": 3000, "times": 1}, RouteKind.IMPORT_JOB, None),
    ({"kind": "break-upload", "after_bytes": 3000, "times": 1}, RouteKind.CLOSED_LOOP, None),
    ({"kind": "rename-unanswered", "times": 1}, RouteKind.IMPORT_JOB, None),
    ({"kind": "rename-unanswered", "times": 1}, RouteKind.CLOSED_LOOP, None),
]


@pytest.mark.parametrize(("knob", "route", "mode"), PASSING, ids=named)
def test_a_fault_that_passes_costs_time_and_mails_everybody_once(
    alone: Flow, knob: Knob, route: RouteKind, mode: SendMode | None
) -> None:
    broadcast = run(alone, knob, route, mode)
    assert (broadcast.state, broadcast.error) == (State.CLOSED, None)
    assert mails(alone, broadcast) == alone.campaign(broadcast)["mails_sent"] == broadcast.sent
    assert 0 < (broadcast.sent or 0) <= (broadcast.imported or 0)


#: Faults of the SFTP site that last.
REFUSING: list[tuple[Knob, str]] = [
    ({"kind": "refuse-login"}, "sftp-login-refused"),
    ({"kind": "disk-full", "after_bytes": 1000}, "sftp-refused"),
]
#: Faults that last, before anybody can have been mailed.
LASTING: list[tuple[Knob, RouteKind, SendMode | None, str]] = [
    (status("*", 503, "before"), RouteKind.IMPORT_JOB, None, "optimizely-unavailable"),
    (status("createOrCopySmartCampaign", 500, "before"), RouteKind.IMPORT_JOB, None, "optimizely-unavailable"),
    (drop("activateSmartCampaign", "before"), RouteKind.IMPORT_JOB, SendMode.AFTER_IMPORT, "optimizely-unavailable"),
    (drop("addRecipients_1", "before"), RouteKind.SENDING_BATCH, None, "optimizely-unavailable"),
    (status("countRecipients", 429, "before"), RouteKind.IMPORT_JOB, None, "optimizely-unavailable"),
    (page("*", "before"), RouteKind.IMPORT_JOB, None, "optimizely-answer-invalid"),
    (page("createOrCopySmartCampaign", "before", status=302), RouteKind.IMPORT_JOB, None, "optimizely-answer-invalid"),
    (page("addRecipients_1", "before"), RouteKind.SENDING_BATCH, None, "optimizely-answer-invalid"),
    ({"kind": "import-loses", "percent": 50}, RouteKind.IMPORT_JOB, None, "import-count-wrong"),
    ({"kind": "import-fails"}, RouteKind.IMPORT_JOB, None, "import-count-wrong"),
    ({"kind": "wrong-count", "by": -60}, RouteKind.IMPORT_JOB, None, "import-count-wrong"),
    ({"kind": "wrong-count", "by": 60}, RouteKind.IMPORT_JOB, None, "import-count-wrong"),
    ({"kind": "host-key-changed"}, RouteKind.IMPORT_JOB, None, "sftp-host-key-refused"),
    ({"kind": "host-key-changed"}, RouteKind.CLOSED_LOOP, None, "sftp-host-key-refused"),
    *(
        (knob, route, mode, code)
        for route, mode in [
            (RouteKind.IMPORT_JOB, None),
            (RouteKind.IMPORT_JOB, SendMode.AFTER_IMPORT),
            (RouteKind.CLOSED_LOOP, None),
        ]
        for knob, code in REFUSING
    ),
]


@pytest.mark.parametrize(("knob", "route", "mode", "code"), LASTING, ids=named)
def test_a_fault_that_lasts_fails_the_broadcast_mails_nobody_and_a_retry_goes_on(
    alone: Flow, knob: Knob, route: RouteKind, mode: SendMode | None, code: str
) -> None:
    broadcast = run(alone, knob, route, mode)
    assert broadcast.error_code == code
    assert mails(alone, broadcast) == 0
    assert broadcast.state is State.FAILED

    alone.clear_faults()
    retry(alone.bridge, broadcast.key, owner="a test")
    closed = alone.run(broadcast.request.job_id)
    assert (closed.state, closed.error) == (State.CLOSED, None)
    assert mails(alone, closed) == closed.sent
    assert alone.simulator()["mailed_twice"] == 0


@pytest.mark.parametrize(
    ("route", "state", "code"),
    [
        (RouteKind.IMPORT_JOB, State.FAILED, "import-not-seen"),
        # The list file is still there: it is taken back, and nobody can have been mailed.
        (RouteKind.CLOSED_LOOP, State.FAILED, "copy-not-seen"),
    ],
)
def test_an_import_that_never_runs_ends_in_time_and_its_file_is_taken_back(
    alone: Flow, route: RouteKind, state: State, code: str
) -> None:
    alone.set(import_timeout_minutes=0.02)
    broadcast = run(alone, {"kind": "import-never"}, route)
    assert (broadcast.state, broadcast.error_code) == (state, code)
    alone.clear_faults()
    alone.pass_time(days=2)
    following = alone.run(alone.order(recipients=150, seed=2))
    assert following.state is State.CLOSED
    assert mails(alone, broadcast) == 0, "nor by a later import"


@pytest.mark.parametrize(
    ("route", "operation"),
    [(RouteKind.IMPORT_JOB, "startSmartCampaign"), (RouteKind.SENDING_BATCH, "importRecipientsAndSendBatch")],
)
@pytest.mark.parametrize("wrong", [drop, page])
def test_a_start_that_never_takes_effect_is_parked(
    alone: Flow, route: RouteKind, operation: str, wrong: Callable[[str, str], Knob]
) -> None:
    broadcast = run(alone, wrong(operation, "before"), route)
    assert (broadcast.state, broadcast.error_code) == (State.NEEDS_OPERATOR, "send-outcome-unknown")
    assert mails(alone, broadcast) == 0
    assert alone.strikes() == 3, "it was tried three times, each after a check"

    alone.clear_faults()
    resolve(alone.bridge, broadcast.key, started=False, owner="a test")
    closed = alone.run(broadcast.request.job_id)
    assert closed.state is State.CLOSED
    assert mails(alone, closed) == closed.sent


def test_a_send_that_cannot_be_followed_is_parked_and_followed_later(alone: Flow) -> None:
    broadcast = run(alone, status("getReport_1", 500, "before"))
    assert (broadcast.state, broadcast.error_code) == (State.NEEDS_OPERATOR, "optimizely-unavailable")
    alone.clear_faults()
    resolve(alone.bridge, broadcast.key, started=True, owner="a test")
    closed = alone.run(broadcast.request.job_id)
    assert closed.state is State.CLOSED
    assert mails(alone, closed) == closed.sent


@pytest.mark.parametrize(
    ("route", "mode"), [(RouteKind.IMPORT_JOB, SendMode.AFTER_IMPORT), (RouteKind.CLOSED_LOOP, None)]
)
def test_a_wrong_count_where_optimizely_sends_by_itself_is_left_to_an_operator(
    alone: Flow, route: RouteKind, mode: SendMode | None
) -> None:
    broadcast = run(alone, {"kind": "import-loses", "percent": 50}, route, mode)
    assert (broadcast.state, broadcast.error_code) == (State.NEEDS_OPERATOR, "import-count-wrong")
    assert broadcast.campaign_id is not None
    alone.clear_faults()
    resolve(alone.bridge, broadcast.key, started=True, owner="a test")
    closed = alone.run(broadcast.request.job_id)
    assert closed.state is State.CLOSED
    assert mails(alone, closed) == closed.sent
    assert alone.simulator()["mailed_twice"] == 0


def test_a_response_file_that_is_half_written_is_loaded_when_it_is_whole(alone: Flow) -> None:
    alone.use(channel())
    alone.add_fault({"kind": "half-written-response", "times": 1})
    broadcast = alone.run(alone.order(recipients=150))
    assert broadcast.state is State.CLOSED

    def sizes() -> dict[str, int]:
        with alone.bridge.site.connect() as session:
            return {file.name: file.size or 0 for file in session.list_files("/responses", "*")}

    until(lambda: alone.strikes() > 0 and len(sizes()) > 0, "a file is half written")
    name, half = min(sizes().items())
    gather_responses(alone.bridge)
    alone.clear_faults()
    until(lambda: sizes()[name] > half, "it is whole")
    alone.collect_responses()
    caused = alone.campaign(broadcast)["events_by_type"]
    with alone.bridge.rs_database.reading() as connection:
        assert alone.bridge.rs_db.count_by_type(connection) == caused
