"""Random schedules: whatever happens in whatever order, nobody is mailed twice and nobody forgotten.

`SCHEDULES_SEED` repeats a night: every run prints its seeds. docs/why/chaos.md says what the schedules show.
"""

import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from shared.telemetry import log
from tests.schedules.machine import Schedules

#: Steps of one schedule.
_STEPS = 20
#: Seeds and schedules of each: of every push, and of a night.
_PUSH, _NIGHT = (4, 50), (50, 200)


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """Without the log lines of the bridge, of which a schedule writes hundreds."""
    log.disabled = True
    yield
    log.disabled = False


def _run(number: int, schedules: int) -> None:
    run_state_machine_as_test(
        seed(number)(Schedules),
        settings=settings(
            max_examples=schedules,
            stateful_step_count=_STEPS,
            deadline=None,
            database=None,
            print_blob=True,
            # To reduce a failing schedule takes many minutes: `@reproduce_failure` does it for whoever needs it.
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.slow
@pytest.mark.parametrize("number", range(1, _PUSH[0] + 1))
def test_whatever_happens_nobody_is_mailed_twice_and_nobody_forgotten(number: int) -> None:
    _run(number, _PUSH[1])


@pytest.mark.nightly
@pytest.mark.parametrize("number", range(_NIGHT[0]))
def test_each_night_nobody_is_mailed_twice_in_other_schedules(
    number: int, record_property: Callable[[str, object], None]
) -> None:
    first = int(os.environ.get("SCHEDULES_SEED") or f"{datetime.now(UTC):%Y%m%d}00")
    record_property("schedules", f"seed {first + number}: {_NIGHT[1]} schedules")
    _run(first + number, _NIGHT[1])
