"""A message that its people were sent before is refused, whatever way it comes in, until an operator overrides it."""

import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from typer.testing import CliRunner

from cli.main import app
from local.faststats.peoplestage import upload_blob
from shared.broadcast import Broadcast, RouteKind, State
from shared.errors import DeliveryEnded
from shared.faststats.peoplestage_slots import Slot, UploadCall
from shared.ledger import recipients, repeats
from shared.operations import peoplestage
from shared.operations.broadcasts import cancel, resolve, retry
from shared.steps.broadcast_step import run_steps
from shared.steps.upload_list import _prepare, _transfer, upload_list
from shared.storage.blob_names import staged_list
from tests.flow.harness import Flow, channel, until

_HEADER = "Kunden ID\tEmail\tCommunication Key\n"


def deliver_file(flow: Flow, name: str, people: range, *, keys: str = "K") -> str:
    """Write a delivery file; returns its name."""
    rows = "".join(f"{number}\tperson.{number}@example.org\t{keys}{number}\n" for number in people)
    Path(flow.bridge.settings.delivery_files, name).write_text(_HEADER + rows)
    return name


def send(flow: Flow, name: str, **job: Any) -> Broadcast:
    """Let a job send a delivery file, as far as it goes."""
    return flow.run(flow.order(file_path=name, **job))


def mails(flow: Flow) -> int:
    """How many mails were sent in all: those of a closed broadcast are out, and no other may have sent any."""
    broadcasts = flow.bridge.ledger.broadcasts.newest(100)
    return sum(copy["mails_sent"] for broadcast in broadcasts for copy in flow.copies(broadcast))


def test_the_same_file_in_another_job_is_refused_until_an_operator_sends_it_again(flow: Flow) -> None:
    name = deliver_file(flow, "spring.txt", range(25))
    first = send(flow, name)
    assert first.state is State.CLOSED
    second = send(flow, name)
    assert (second.state, second.error_code, second.repeats_key) == (State.FAILED, "already-sent", first.key)
    assert first.key in str(second.error)
    assert mails(flow) == 25
    retry(flow.bridge, second.key, owner="operator")
    assert flow.run(second.request.job_id).error_code == "already-sent", "a retry alone is no decision"
    retry(flow.bridge, second.key, owner="operator", again=True)
    assert flow.run(second.request.job_id).state is State.CLOSED
    assert mails(flow) == 50


def test_half_of_the_keys_are_a_repeat_and_fewer_are_only_reported(flow: Flow) -> None:
    """The keys count that any earlier broadcast was sent; the one with most of them is named."""
    first = send(flow, deliver_file(flow, "first.txt", range(10)))
    few = send(flow, deliver_file(flow, "few.txt", range(6, 16)))
    assert few.state is State.CLOSED, "four of ten"
    notes = [change.note for change in flow.bridge.ledger.broadcasts.history(few)]
    assert (
        f"4 of the 10 Communication Keys were sent the message before, most of them by broadcast {first.key}" in notes
    )
    half = send(flow, deliver_file(flow, "half.txt", range(4, 24)))
    assert (half.error_code, half.repeats_key) == ("already-sent", few.key), "two of the first and ten of the second"
    assert "12 of the 20 Communication Keys" in str(half.error)
    assert send(flow, deliver_file(flow, "others.txt", range(10), keys="L")).state is State.CLOSED


def test_the_same_keys_are_no_repeat_for_another_message_or_list(flow: Flow) -> None:
    name = deliver_file(flow, "people.txt", range(10))
    assert send(flow, name).state is State.CLOSED
    assert send(flow, name, upload_only=True).state is State.CLOSED
    assert send(flow, name, upload_only=True).error_code == "already-sent", "the same list by the same channel"
    other = flow.run(flow.order(file_path=name, message_name="Welcome"))
    assert other.state is State.CLOSED


def test_the_same_bytes_are_a_repeat_when_the_keys_are_forgotten(flow: Flow) -> None:
    """The digest of the file stays; so files without keys are compared by it alone."""
    name = deliver_file(flow, "people.txt", range(10))
    first = send(flow, name)
    recipients.remove(flow.bridge.ledger.database, first.id)
    deliver_file(flow, "copy.txt", range(10))
    second = send(flow, "copy.txt")
    assert (second.error_code, second.repeats_key) == ("already-sent", first.key)
    assert "the same delivery file" in str(second.error)


def test_keys_count_for_the_days_that_they_are_kept(flow: Flow) -> None:
    assert send(flow, deliver_file(flow, "first.txt", range(10))).state is State.CLOSED
    flow.clock.advance(days=flow.bridge.settings.keep_recipient_keys_days + 1)
    assert send(flow, deliver_file(flow, "second.txt", range(9))).state is State.CLOSED


def test_a_broadcast_that_mailed_nobody_does_not_count(flow: Flow) -> None:
    name = deliver_file(flow, "people.txt", range(10))
    cancelled = flow.order(file_path=name)
    flow.poll()
    flow.stop_at(cancelled, State.PREPARED)
    cancel(flow.bridge, flow.broadcast(cancelled).key, owner="operator")
    assert flow.run(cancelled).state is State.CANCELLED
    assert send(flow, name).state is State.CLOSED
    assert mails(flow) == 10


@pytest.mark.parametrize("state", [State.CLAIMED, State.STAGED, State.PREPARED, State.UPLOADED])
def test_of_two_that_arrive_at_once_exactly_one_is_sent(flow: Flow, state: State) -> None:
    name = deliver_file(flow, "people.txt", range(10))
    jobs = [flow.order(file_path=name), flow.order(file_path=name)]
    flow.poll()
    flow.stop_at(jobs[0], state)
    ended = [flow.run(job) for job in reversed(jobs)]
    assert {broadcast.state for broadcast in ended} == {State.CLOSED, State.FAILED}
    assert mails(flow) == 10


def test_of_many_that_are_compared_at_once_exactly_one_is_sent(flow: Flow) -> None:
    name = deliver_file(flow, "people.txt", range(10))
    jobs = [flow.order(file_path=name) for _ in range(6)]
    flow.poll()
    for job in jobs:
        flow.stop_at(job, State.STAGED)
    start = Barrier(len(jobs))

    def prepare(job: int) -> None:
        broadcast = flow.broadcast(job)
        start.wait()
        run_steps(flow.bridge, broadcast.key, broadcast.version, {State.STAGED: _prepare})

    with ThreadPoolExecutor(len(jobs)) as pool:
        list(pool.map(prepare, jobs))
    assert Counter(flow.run(job).state for job in jobs) == {State.CLOSED: 1, State.FAILED: len(jobs) - 1}
    assert mails(flow) == 10


def test_one_that_is_compared_while_another_passes_is_compared_again(
    flow: Flow, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = deliver_file(flow, "people.txt", range(10))
    jobs = [flow.order(file_path=name), flow.order(file_path=name)]
    flow.poll()
    for job in jobs:
        flow.stop_at(job, State.STAGED)
    earlier, calls = repeats.earlier, []

    def pass_between(*args: Any) -> Any:
        calls.append(args)
        found = earlier(*args)
        if len(calls) == 1:  # the second has been compared with nothing when the first goes on
            flow.stop_at(jobs[0], State.PREPARED)
        return found

    monkeypatch.setattr(repeats, "earlier", pass_between)
    second = flow.broadcast(jobs[1])
    upload_list(flow.bridge, second.key, second.version)
    assert flow.broadcast(jobs[1]).error_code == "already-sent"
    assert flow.run(jobs[0]).state is State.CLOSED
    assert mails(flow) == 10


def test_a_list_waits_for_one_of_its_message_that_is_staged_again(flow: Flow) -> None:
    """Only then are the keys of that one known."""
    jobs = [flow.order(file_path=deliver_file(flow, f"{last}.txt", range(last))) for last in (10, 9)]
    flow.poll()
    first = flow.broadcast(jobs[0])
    flow.stop_at(jobs[0], State.PREPARED)
    flow.bridge.lists.remove(staged_list(first.key))
    first = flow.broadcast(jobs[0])
    run_steps(flow.bridge, first.key, first.version, {State.PREPARED: _transfer})
    assert flow.broadcast(jobs[0]).state is State.CLAIMED
    second = flow.broadcast(jobs[1])
    upload_list(flow.bridge, second.key, second.version)
    assert str(flow.broadcast(jobs[1]).waiting_for).startswith(f"broadcast {first.key} of the same message")
    assert flow.run(jobs[0]).state is State.CLOSED
    assert flow.run(jobs[1]).repeats_key == first.key
    assert mails(flow) == 10


def test_a_failed_one_is_compared_again_when_it_is_retried(flow: Flow, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its copy may have been sent since."""
    name = deliver_file(flow, "people.txt", range(10))
    with monkeypatch.context() as patch:
        patch.setattr(type(flow.bridge.routes[RouteKind.IMPORT_JOB]), "prepare", lambda *_: 1 / 0)
        patch.setitem(flow.bridge.settings.__dict__, "max_attempts", 1)
        first = send(flow, name)
    assert (first.state, first.ended_in) == (State.FAILED, State.STAGED)
    copy = send(flow, name)
    assert copy.state is State.CLOSED
    retry(flow.bridge, first.key, owner="operator")
    again = flow.run(first.request.job_id)
    assert (again.error_code, again.repeats_key) == ("already-sent", copy.key)
    assert mails(flow) == 10


def test_a_parked_one_counts(flow: Flow, monkeypatch: pytest.MonkeyPatch) -> None:
    name = deliver_file(flow, "people.txt", range(10))
    with monkeypatch.context() as patch:
        patch.setattr(type(flow.bridge.routes[RouteKind.IMPORT_JOB]), "withdraw", lambda *_, **__: False)
        patch.setattr(type(flow.bridge.routes[RouteKind.IMPORT_JOB]), "transfer", lambda *_: 1 / 0)
        patch.setitem(flow.bridge.settings.__dict__, "max_attempts", 1)
        first = send(flow, name)
    assert first.state is State.NEEDS_OPERATOR
    copy = send(flow, name)
    assert (copy.error_code, copy.repeats_key) == ("already-sent", first.key)
    retry(flow.bridge, copy.key, owner="operator", again=True)
    resolve(flow.bridge, first.key, started=False, owner="operator")
    resolved = flow.run(first.request.job_id)
    assert (resolved.error_code, resolved.repeats_key) == ("already-sent", copy.key), "an operator sent the copy"
    assert flow.run(copy.request.job_id).state is State.CLOSED
    assert mails(flow) == 10


def test_a_channel_whose_keys_repeat_by_design_says_so(flow: Flow) -> None:
    name = deliver_file(flow, "people.txt", range(10))
    flow.use(channel(repeats="allow"))
    assert [send(flow, name).state for _ in range(2)] == [State.CLOSED, State.CLOSED]


def test_another_way_in_is_compared_too(flow: Flow, tmp_path: Path) -> None:
    """PeopleStage's delivery of what a job sent: its Upload slot says so, and does not retry it."""
    file = tmp_path / f"PowerShell_Customers_{uuid.uuid4()}.txt"
    first = send(flow, deliver_file(flow, "people.txt", range(10)))
    file.write_bytes(Path(flow.bridge.settings.delivery_files, "people.txt").read_bytes())
    call = UploadCall.read(
        Slot.UPLOAD,
        {
            "Path": file.name,
            "Size": str(file.stat().st_size),
            "ListName": "Customers",
            "MessageName": "Spring Newsletter",
            "UrnFieldName": "Kunden ID",
            "EmailFieldName": "Email",
            "CommunicationKeyFieldName": "Communication Key",
        },
    )
    upload_blob(file, str(peoplestage.upload(flow.bridge, call)["UploadUrl"]))
    assert not peoplestage.upload(flow.bridge, call)["Done"]
    failed = flow.run(None)
    assert (failed.error_code, failed.repeats_key) == ("already-sent", first.key)
    with pytest.raises(DeliveryEnded, match="already-sent"):
        peoplestage.upload(flow.bridge, call)
    retry(flow.bridge, failed.key, owner="operator", hold=True, again=True)
    until(lambda: bool(peoplestage.upload(flow.bridge, call)["Done"]), "a staged delivery", between=flow.deliver)
    assert flow.broadcast(None).state is State.STAGED, "it waits for the Broadcast slot"


def test_the_command_names_the_broadcast_and_sends_it_again(flow: Flow, monkeypatch: pytest.MonkeyPatch) -> None:
    name = deliver_file(flow, "people.txt", range(10))
    first, second = send(flow, name), send(flow, name)
    monkeypatch.setattr("cli.broadcasts.open_bridge", lambda _settings: nullcontext(flow.bridge))
    shown = CliRunner().invoke(app, ["broadcast", "show", second.key]).output
    assert f"Broadcast {first.key}, which is closed, has the same message and the same delivery file" in shown.replace(
        "\n", " "
    )
    assert f"retry {second.key} --again" in shown.replace("\n", " ")
    assert CliRunner().invoke(app, ["broadcast", "retry", second.key, "--again"]).exit_code == 0
    assert flow.run(second.request.job_id).state is State.CLOSED
