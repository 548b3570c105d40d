"""What waits for a database is tried within seconds of its return."""

import json
from datetime import timedelta
from pathlib import Path

import pytest

from shared.errors import BridgeError, DatabaseLoginRefused, DatabaseMissing, DatabaseUnavailable, LeaseLost
from shared.steps.patience import DATABASE_PAUSE, patiently

ROOT = Path(__file__).parents[3]
GONE = DatabaseUnavailable(database="RS_DB", reason="SQLSTATE 08S01, error 10054")
#: A server that starts knows its databases only a moment later.
RECOVERING = DatabaseMissing(database="RS_DB", number=4060)


class Work:
    """Raises these errors one after the other; then it is done."""

    def __init__(self, *errors: BridgeError) -> None:
        self.errors = list(errors)
        self.begun = 0

    def __call__(self) -> str:
        self.begun += 1
        if self.errors:
            raise self.errors.pop(0)
        return "done"


def test_work_begins_again_every_few_seconds_until_its_database_answers() -> None:
    pauses: list[float] = []
    work = Work(GONE, GONE, RECOVERING)
    assert patiently(work, wait=pauses.append) == "done"
    assert work.begun == 4
    assert pauses == [5, 5, 5]


def test_after_minutes_the_invocation_fails_and_its_message_comes_again() -> None:
    pauses: list[float] = []
    with pytest.raises(DatabaseUnavailable):
        patiently(Work(*[GONE] * 1000), wait=pauses.append)
    assert sum(pauses) == 300
    queues = json.loads((ROOT / "host.json").read_text())["extensions"]["queues"]
    assert queues["visibilityTimeout"] == "00:00:05"
    assert queues["maxDequeueCount"] * (sum(pauses) + 5) > 8 * 3600, "a night without the database loses no message"
    assert timedelta(seconds=10) > DATABASE_PAUSE + timedelta(seconds=2)


@pytest.mark.parametrize("error", [DatabaseLoginRefused(database="RS_DB", number=18456), LeaseLost(lease="x")])
def test_other_errors_are_not_waited_for(error: BridgeError) -> None:
    with pytest.raises(type(error)):
        patiently(Work(error), wait=lambda _: pytest.fail("it waits"))
