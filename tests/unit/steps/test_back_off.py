"""The pause between two attempts."""

from datetime import timedelta

import pytest

from shared.steps.runner import LONGEST_PAUSE, back_off


def test_the_pause_doubles_with_every_failed_attempt_up_to_the_longest() -> None:
    pauses = [back_off(10, attempts).total_seconds() for attempts in range(1, 9)]
    assert pauses == [10, 20, 40, 80, 160, 320, 600, 600]


@pytest.mark.parametrize("attempts", [44, 100, 10_000])
@pytest.mark.parametrize("retry_seconds", [0.1, 10, 1e12])
def test_no_number_of_attempts_is_too_many(attempts: int, retry_seconds: float) -> None:
    assert back_off(retry_seconds, attempts) == LONGEST_PAUSE


def test_the_first_pause_is_never_longer_than_the_longest() -> None:
    assert back_off(3600, 1) == timedelta(minutes=10)
