"""Logs: what is said of an unexpected error names its place and nothing of a person."""

import json
import logging
import re
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis.strategies import booleans, dictionaries, floats, integers, none, text

from shared.errors import DatabaseUnavailable, LeaseLost, UnexpectedError
from shared.telemetry import configure, fenced, fields_text, log, log_errors, traceback_location

#: As the queries have it.
FIELDS = re.compile(r" (\{[^{}]*\})$")
LINES_KQL = Path(__file__).parents[2] / "infra" / "watching" / "lines.kql"


def test_the_fields_are_searched_for_here_as_the_queries_do() -> None:
    (pattern,) = re.findall(r'extract\(@"([^"]+)", 1, message\)', LINES_KQL.read_text())
    assert pattern == FIELDS.pattern


def fail(depth: int) -> None:
    if depth:
        fail(depth - 1)
    message = "ann@example.com is no number"
    raise ValueError(message)


def failed(depth: int) -> ValueError:
    with pytest.raises(ValueError, match="ann@example") as caught:
        fail(depth)
    return caught.value


def test_the_place_of_an_error_is_reported_without_its_message() -> None:
    place = traceback_location(failed(0))
    assert place.startswith("ValueError at test_telemetry.py:")
    assert "ann" not in place
    assert "/" not in place


def test_the_innermost_place_comes_first_and_no_more_than_four_are_reported() -> None:
    error = failed(9)
    assert error.__traceback__ is not None
    places = traceback_location(error).removeprefix("ValueError at ").split(" < ")
    assert len(places) == 4
    assert places[0] == f"test_telemetry.py:{fail.__code__.co_firstlineno + 4}"
    assert places[1] == f"test_telemetry.py:{fail.__code__.co_firstlineno + 2}"


def test_an_error_that_was_never_raised_has_no_place() -> None:
    assert traceback_location(ValueError("ann@example.com")) == "ValueError at unknown"


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


# Fields


@pytest.fixture
def logged(levels: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What a handler with a plain formatter makes of the lines, as the worker's own does, where somebody listens."""
    del levels
    monkeypatch.setenv("APPLICATIONINSIGHTS_CONNECTION_STRING", "InstrumentationKey=none")
    lines: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(handler.format(record))  # type: ignore[method-assign]
    logging.getLogger().addHandler(handler)
    configure()
    yield lines
    logging.getLogger().removeHandler(handler)
    monkeypatch.undo()
    configure()


def fields_in(line: str) -> Any:
    """The fields of a line, found as the queries find them."""
    found = FIELDS.search(line)
    return None if found is None else json.loads(found[1])


def test_where_application_insights_listens_the_fields_follow_the_sentence(logged: list[str]) -> None:
    log.error("Broadcast %s is %s.", "J1", "failed", extra={"action": "fail", "broadcast": "J1", "rows": 3, "at": None})
    assert logged == ['Broadcast J1 is failed. {"action":"fail","broadcast":"J1","rows":3,"at":null}']


def test_a_line_without_fields_stays_as_it_is(logged: list[str]) -> None:
    log.info("Nothing %s.", "happened")
    assert logged == ["Nothing happened."]


def test_other_loggers_are_left_alone(logged: list[str]) -> None:
    logging.getLogger("another").warning("A line.", extra={"action": "x"})
    assert logged == ["A line."]


def test_configured_twice_fields_are_written_once(logged: list[str]) -> None:
    configure()
    log.info("A line.", extra={"action": "x"})
    assert logged == ['A line. {"action":"x"}']


def test_where_nobody_listens_a_line_is_for_people_only(levels: None, caplog: pytest.LogCaptureFixture) -> None:
    del levels
    configure()
    log.info("A line.", extra={"action": "x"})
    assert [record.getMessage() for record in caplog.records] == ["A line."]


def test_other_handlers_see_the_fields_as_they_were(logged: list[str], caplog: pytest.LogCaptureFixture) -> None:
    del logged
    log.info("A line.", extra={"action": "x"})
    assert [record.__dict__["action"] for record in caplog.records] == ["x"]


@given(
    sentence=text(),
    fields=dictionaries(text(), text() | integers() | booleans() | none() | floats(allow_nan=False), min_size=1),
)
def test_whatever_a_sentence_and_its_fields_say_the_fields_are_found(sentence: str, fields: dict[str, Any]) -> None:
    line = f"{sentence} {fields_text(fields)}"
    assert fields_in(line) == fields
    assert "\n" not in fields_text(fields)


def test_a_sentence_cannot_pass_for_fields(logged: list[str]) -> None:
    log.info("File %s is odd.", ' {"action":"alert"}', extra={"action": "x"})
    assert fields_in(logged[0]) == {"action": "x"}


# Errors that end an invocation


def test_an_error_of_the_catalogue_is_reported_with_its_code_and_goes_on(logged: list[str]) -> None:
    @log_errors
    def poll_jobs() -> None:
        raise DatabaseUnavailable(database="RS_DB", reason="OperationalError")

    with pytest.raises(DatabaseUnavailable):
        poll_jobs()
    assert fields_in(logged[0]) == {"action": "failed", "function": "poll_jobs", "code": "database-unavailable"}


def test_of_an_unexpected_error_only_type_and_place_reach_the_log_and_the_host(logged: list[str]) -> None:
    @log_errors
    def poll_jobs() -> None:
        fail(0)

    with pytest.raises(UnexpectedError) as caught:
        poll_jobs()
    assert "ann" not in "".join([*logged, *traceback.format_exception(caught.value)])
    assert "ValueError at test_telemetry.py:" in logged[0]
    assert fields_in(logged[0])["code"] == "unexpected-error"


def test_what_a_function_returns_is_passed_on() -> None:
    @log_errors
    def double(number: int) -> int:
        """Twice as much."""
        return number * 2

    assert double(4) == 8
    assert (double.__name__, double.__doc__) == ("double", "Twice as much.")


# Nothing may stop the others


def give_up(error: Exception) -> None:
    raise error


def test_a_fence_logs_an_error_of_the_catalogue_and_keeps_it(logged: list[str]) -> None:
    with fenced("File a.csv is not delivered yet", action="put-later", file="a.csv") as fence:
        give_up(DatabaseUnavailable(database="RS_DB", reason="OperationalError"))
    assert isinstance(fence.error, DatabaseUnavailable)
    (line,) = logged
    assert line.startswith("File a.csv is not delivered yet: The database RS_DB")
    assert fields_in(line) == {"action": "put-later", "file": "a.csv", "code": "database-unavailable"}


def test_a_fence_logs_type_and_traceback_of_any_other_error(logged: list[str]) -> None:
    with fenced("File a.csv is not delivered yet", action="put-later", file="a.csv") as fence:
        fail(0)
    assert isinstance(fence.error, UnexpectedError)
    (line,) = logged
    assert "ValueError at test_telemetry.py:" in line
    assert "ann" not in line
    assert fields_in(line) == {"action": "unexpected", "file": "a.csv", "code": "unexpected-error"}


def test_a_fence_lets_through_what_ends_the_work_on_the_others_as_well(logged: list[str]) -> None:
    with pytest.raises(LeaseLost), fenced("It is done later", LeaseLost, action="put-later"):
        give_up(LeaseLost(lease="suppressions"))
    assert logged == []


def test_a_fence_around_a_block_that_succeeds_logs_nothing(logged: list[str]) -> None:
    with fenced("It is done later", action="put-later") as fence:
        pass
    assert (fence.error, logged) == (None, [])
