"""Logs: what is said of an unexpected error tells its place and nothing of a person."""

import logging
from collections.abc import Iterator

import pytest

from shared.telemetry import configure, log, place_of


def fail(depth: int) -> None:
    if depth:
        fail(depth - 1)
    message = "ann@example.com is no number"
    raise ValueError(message)


def failed(depth: int) -> ValueError:
    with pytest.raises(ValueError, match="ann@example") as caught:
        fail(depth)
    return caught.value


def test_the_place_of_an_error_is_told_without_its_message() -> None:
    place = place_of(failed(0))
    assert place.startswith("ValueError at test_telemetry.py:")
    assert "ann" not in place
    assert "/" not in place


def test_the_innermost_place_comes_first_and_no_more_than_four_are_told() -> None:
    error = failed(9)
    assert error.__traceback__ is not None
    places = place_of(error).removeprefix("ValueError at ").split(" < ")
    assert len(places) == 4
    assert places[0] == f"test_telemetry.py:{fail.__code__.co_firstlineno + 4}"
    assert places[1] == f"test_telemetry.py:{fail.__code__.co_firstlineno + 2}"


def test_an_error_that_was_never_raised_has_no_place() -> None:
    assert place_of(ValueError("ann@example.com")) == "ValueError at unknown"


@pytest.fixture
def levels() -> Iterator[None]:
    """Puts the levels back that a test sets."""
    loggers = [log, *map(logging.getLogger, ("azure", "paramiko", "urllib3", "sqlalchemy"))]
    before = [logger.level for logger in loggers]
    yield
    for logger, level in zip(loggers, before, strict=True):
        logger.setLevel(level)


@pytest.mark.usefixtures("levels")
@pytest.mark.parametrize("name", ["azure.core.pipeline", "paramiko.transport", "urllib3.connectionpool", "sqlalchemy"])
def test_libraries_that_would_log_addresses_are_quiet(name: str) -> None:
    configure()
    assert log.isEnabledFor(logging.INFO)
    assert not logging.getLogger(name).isEnabledFor(logging.INFO)
