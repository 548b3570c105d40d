"""Bad input: the broadcast fails with a code and a sentence, its job is done with that error, nothing else stops."""

import gzip
from pathlib import Path
from typing import Any

import pytest

from shared.broadcast import BroadcastRequest, State
from shared.faststats.job_command import Job, read_job_command
from shared.operations.broadcasts import retry
from shared.steps.poll_jobs import poll_jobs
from tests.flow.harness import Flow

HEADER = "Kunden ID\tEmail\tCommunication Key\n"
ROW = "1\tanna@example.org\tfd1b2f9e-6e40-4ee3-8f4c-9d3b6d0a5a11\n"
PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + bytes(range(256))

CASES: dict[str, tuple[dict[str, Any], bytes | None, str]] = {
    "no delivery file": ({}, None, "delivery-file-missing"),
    "an unknown list": ({"list_name": "Nowhere"}, (HEADER + ROW).encode(), "list-unknown"),
    "a list name that two lists have": (
        {"list_name": "Duplicate name"},
        (HEADER + ROW).encode(),
        "list-ambiguous",
    ),
    "an unknown message": ({"message_name": "Nothing"}, (HEADER + ROW).encode(), "message-unknown"),
    "a message name that two messages have": (
        {"message_name": "Same message"},
        (HEADER + ROW).encode(),
        "message-ambiguous",
    ),
    "no email column": ({}, b"Kunden ID\tCommunication Key\n1\tk\n", "delivery-file-column-missing"),
    "a file that is not text": ({}, PNG, "delivery-file-not-text"),
    "an empty file": ({}, b"", "delivery-file-empty"),
    "a gzip file that is cut off": ({}, gzip.compress((HEADER + ROW).encode())[:-4], "delivery-file-packed-broken"),
    "a column name that is there twice": ({}, b"Kunden ID\tEmail\tEmail\n", "delivery-file-column-twice"),
    "a header and no rows": ({}, HEADER.encode(), "no-recipients"),
    "only bad rows": ({}, (HEADER + "1\tnobody\tk\n").encode(), "no-recipients"),
}


@pytest.mark.parametrize("case", CASES)
def test_bad_input_fails_the_broadcast_and_says_what_to_do(flow: Flow, case: str) -> None:
    job, content, code = CASES[case]
    name = "Optimizely_Bad_55935023.txt"
    if content is not None:
        Path(flow.bridge.settings.delivery_files, name).write_bytes(content)
    bad = flow.order(file_path=rf"D:\Publish\Demo\{name}", **job)
    broadcast = flow.run(bad)
    assert broadcast.state is State.FAILED
    assert broadcast.error_code == code
    state, results = flow.job(bad)
    assert state == "done"
    assert results["ErrorCode"] == code
    assert results["Error"] == broadcast.error
    assert flow.copies(broadcast) == []


def test_when_no_recipient_is_left_the_rows_are_shown_by_reason(flow: Flow) -> None:
    name = "Optimizely_Bad_55935024.txt"
    rows = "1\tnobody\tk1\n2\tnobody\tk2\n3\tanna@exam\u200bple.org\tk3\n"
    Path(flow.bridge.settings.delivery_files, name).write_text(HEADER + rows, encoding="utf-8")
    broadcast = flow.run(flow.order(file_path=rf"D:\Publish\Demo\{name}"))
    assert broadcast.error_code == "no-recipients"
    assert "can be uploaded: email-invalid 2, invisible-character 1." in str(broadcast.error)
    shown = flow.bridge.ledger.broadcasts.rejects(broadcast)
    assert shown == {"email-invalid": 2, "invisible-character": 1}


@pytest.mark.parametrize(
    "command",
    [
        "<DeliveryCommand><BroadcastActionDetails><ListName>Customers</ListName></BroadcastActionDetails></DeliveryCommand>",
        "<DeliveryCommand>",
        "nothing",
    ],
)
def test_a_job_whose_command_cannot_be_used_is_done_with_an_error_and_the_next_goes_on(
    flow: Flow, command: str
) -> None:
    bad, good = flow.order(command=command), flow.order()
    assert poll_jobs(flow.bridge) == 1
    state, results = flow.job(bad)
    assert (state, results["ErrorCode"]) == ("done", "job-command-invalid")
    assert flow.run(good).state is State.CLOSED


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00"])
def test_a_job_with_a_time_out_of_range_ends_and_its_client_is_informed(flow: Flow, text: str) -> None:
    bad, good = flow.order(parameters=f"SendAt={text}"), flow.order()
    assert flow.run(good).state is State.CLOSED
    state, results = flow.job(bad)
    assert (state, results["State"], results["ErrorCode"]) == ("done", "failed", "job-command-invalid")
    assert "SendAt is not within the years 2000 to 2099" in results["Error"]
    assert flow.bridge.ledger.broadcasts.newest(10) == [flow.broadcast(good)]


def test_a_failed_broadcast_does_not_stop_another_and_can_be_retried(flow: Flow) -> None:
    name = "Optimizely_Late_1.txt"
    bad = flow.order(file_path=name)
    good = flow.order()
    assert flow.run(bad).state is State.FAILED
    assert flow.run(good).state is State.CLOSED

    Path(flow.bridge.settings.delivery_files, name).write_text(HEADER + ROW)
    retry(flow.bridge, flow.broadcast(bad).key, owner="a test")
    assert flow.run(bad).state is State.CLOSED
    assert flow.job(bad)[1]["State"] == "closed"


def test_a_job_that_cannot_be_taken_in_stops_no_other(flow: Flow, monkeypatch: pytest.MonkeyPatch) -> None:
    bad, good = flow.order(), flow.order(seed=2)

    def broken(job: Job, *rest: Any) -> BroadcastRequest:
        if job.id == bad:
            raise ZeroDivisionError
        return read_job_command(job, *rest)

    with monkeypatch.context() as patched:
        patched.setattr("shared.steps.poll_jobs.read_job_command", broken)
        assert flow.run(good).state is State.CLOSED
    assert flow.sweep_until_at_rest(bad).state is State.CLOSED, "it is taken up once it can be"
