"""The import job of a list: known by its name, fired since the upload, and not running when the list is counted."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import Result

from shared.broadcast import RouteKind, State
from shared.config.channels import ImportJob
from shared.operations.broadcasts import retry
from shared.optimizely.rest.answers import ConfiguredJob, JobTrigger, RunningJob
from shared.optimizely.rest.client import OptimizelyRest
from shared.sftp.session import SftpSession
from shared.steps.housekeeping import housekeeping
from tests.deaths import Died
from tests.flow.harness import Flow, channel, until

WRONG = ImportJob(job_name="Import of {list}")
HIDDEN = {"kind": "status", "operation": "selectAllConfiguredJobs", "status": 403, "when": "before"}


def no_jobs(_rest: OptimizelyRest) -> Iterator[ConfiguredJob]:
    return iter(())


@pytest.mark.parametrize("upload_only", [False, True])
def test_a_job_that_rest_does_not_know_fails_the_broadcast_before_anything_is_done(
    flow: Flow, *, upload_only: bool
) -> None:
    flow.use(channel(RouteKind.IMPORT_JOB, import_job=WRONG, max_shortfall_percent=100))
    broadcast = flow.run(flow.order(recipients=20, upload_only=upload_only))
    assert (broadcast.state, broadcast.error_code) == (State.FAILED, "import-job-unknown")
    assert "'Import of Customers'" in (broadcast.error or "")
    assert "job_name" in (broadcast.error or "")
    assert flow.bridge.ledger.effects.of(broadcast) == []
    assert flow.copies(broadcast) == []

    flow.use(channel(RouteKind.IMPORT_JOB))
    retry(flow.bridge, broadcast.key, owner="a test")
    assert flow.run(broadcast.request.job_id).state is State.CLOSED


def test_jobs_that_the_address_may_not_see_are_another_error(alone: Flow, monkeypatch: pytest.MonkeyPatch) -> None:
    flow = alone
    flow.use(channel(RouteKind.IMPORT_JOB))
    flow.add_fault(HIDDEN)
    refused = flow.run(flow.order(recipients=20))
    flow.clear_faults()
    monkeypatch.setattr(OptimizelyRest, "select_all_configured_jobs", no_jobs)
    empty = flow.run(flow.order(recipients=20, seed=2))
    for broadcast in (refused, empty):
        assert (broadcast.state, broadcast.error_code) == (State.FAILED, "scheduled-jobs-hidden")
        assert "IP addresses" in (broadcast.error or "")
        assert flow.copies(broadcast) == []


def test_a_job_that_has_never_fired_never_counts_as_fired(slow_flow: Flow, monkeypatch: pytest.MonkeyPatch) -> None:
    flow = slow_flow
    listed = OptimizelyRest.select_all_configured_jobs
    fired = False

    def rarely(rest: OptimizelyRest) -> Iterator[ConfiguredJob]:
        return (job if fired else replace(job, triggers=(JobTrigger(),)) for job in listed(rest))

    monkeypatch.setattr(OptimizelyRest, "select_all_configured_jobs", rarely)
    flow.use(channel(RouteKind.IMPORT_JOB, max_shortfall_percent=100))
    job_id = flow.order(recipients=20)
    flow.poll()
    until(lambda: flow.broadcast(job_id).state is State.UPLOADED, "it is uploaded", between=flow.deliver)
    # Somebody changes the list while the file still waits for its job.
    flow.add_fault({"kind": "import-never"})
    other = flow.bridge.rest.get_recipient_list

    def changed(rest: OptimizelyRest, list_id: int) -> object:
        del rest
        return replace(other(list_id), modified=flow.simulated_time())

    monkeypatch.setattr(OptimizelyRest, "get_recipient_list", changed)
    for _ in range(3):
        flow.live()
        assert flow.broadcast(job_id).imported is None
    flow.clock.advance(minutes=flow.bridge.settings.import_timeout_minutes + 1)
    timed_out = flow.run(job_id)
    assert (timed_out.state, timed_out.error_code) == (State.FAILED, "import-not-seen")

    monkeypatch.setattr(OptimizelyRest, "get_recipient_list", lambda _rest, list_id: other(list_id))
    flow.clear_faults()
    retry(flow.bridge, timed_out.key, owner="a test")
    until(lambda: flow.broadcast(job_id).state is State.UPLOADED, "it is uploaded again", between=flow.deliver)
    fired = True  # for the first time, for this file
    flow.set_clock(speed=21600)
    assert flow.run(job_id).state is State.CLOSED


def test_a_file_that_was_not_renamed_is_not_taken_by_a_job_that_runs(
    slow_flow: Flow, monkeypatch: pytest.MonkeyPatch
) -> None:
    flow = slow_flow
    rename = SftpSession.rename
    renamed = []

    def dies_once(session: SftpSession, source: str, target: str, *, replace: bool) -> None:
        renamed.append(target)
        if len(renamed) == 1:
            raise Died
        rename(session, source, target, replace=replace)

    flow.use(channel(RouteKind.IMPORT_JOB))
    job_id = flow.order(recipients=20)
    flow.poll()
    flow.stop_at(job_id, State.PREPARED)
    monkeypatch.setattr(SftpSession, "rename", dies_once)
    with pytest.raises(Died):
        flow.deliver()
    running = RunningJob(name="Recipient import Customers")
    monkeypatch.setattr(OptimizelyRest, "select_all_running_jobs", lambda _rest: iter((running,)))

    def sweep() -> None:
        flow.clock.advance(seconds=flow.bridge.settings.lease_seconds)
        housekeeping(flow.bridge)
        flow.deliver()

    until(lambda: flow.broadcast(job_id).state is State.IMPORTING, "it is uploaded", between=sweep)
    assert len(renamed) == 2


CHANNELS = """
[channels.default.import_job]
job_name = "{default}"

[channels.news.import_job]
job_name = "Recipient import {{list}}"

[channels.news.drop]
place = "{place}"
list_name = "{list}"
message_name = "Spring Newsletter"
"""


@pytest.mark.parametrize(
    ("default", "list_name", "missing"),
    [
        ("Recipient import {list}", "Customers", []),
        ("Recipient import Customers", "Customers", []),
        (
            "Import of {list}",
            "Customers",
            ["channel default: Optimizely Campaign has no import job 'Import of {list}'"],
        ),
        ("Import of all", "Customers", ["channel default: Optimizely Campaign has no import job 'Import of all'"]),
        (
            "Recipient import {list}",
            "Nobody",
            ["channel news: Optimizely Campaign has no import job 'Recipient import Nobody'"],
        ),
    ],
)
def test_the_doctor_looks_for_the_import_jobs(
    command: Callable[..., Result], tmp_path: Path, default: str, list_name: str, missing: list[str]
) -> None:
    channels = tmp_path / "channels.toml"
    channels.write_text(CHANNELS.format(default=default, list=list_name, place=tmp_path))
    lines = command("doctor", CHANNELS_FILE=str(channels)).stdout.splitlines()
    found = [line for line in lines if line[6:].startswith("import jobs: ")]
    assert [line.startswith("FAIL") for line in found] == [bool(missing)]
    assert all(text in found[0] for text in missing)


def test_the_doctor_asks_for_an_allowed_address(
    flow: Flow, command: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    flow.use(channel(RouteKind.IMPORT_JOB))
    monkeypatch.setattr(OptimizelyRest, "select_all_configured_jobs", no_jobs)
    (line,) = [line for line in command("doctor").stdout.splitlines() if "import jobs" in line]
    assert line.startswith("FAIL  import jobs: ")
    assert "IP addresses" in line


def test_the_doctor_leaves_import_jobs_alone_where_no_channel_has_the_route(
    command: Callable[..., Result], tmp_path: Path
) -> None:
    channels = tmp_path / "channels.toml"
    channels.write_text('[channels.news]\nroute = "sending batch"\n')
    assert "import jobs" not in command("doctor", CHANNELS_FILE=str(channels)).stdout
