"""Logs: sentences with an `action`, and nothing of a person in them (rule 14).

A log line is a sentence for people; its `extra` fields (`action`, `broadcast`, …) are for queries.

In Azure the Python worker hands the host a line's text, level and category only (`on_logging` of its dispatcher): the
fields would be lost. So where Application Insights listens they stand at the end of the text, as an object of JSON
that nothing else in a line can be taken for (docs/how-to/watch.md).
"""

import copy
import json
import logging
import os
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from typing import Final

from shared.errors import BridgeError, UnexpectedError

#: Libraries that log addresses of blobs, headers or key exchanges when asked for more than warnings.
_QUIET = ("azure", "paramiko", "urllib3", "sqlalchemy")
#: The host has Application Insights by this setting.
_LISTENER: Final = "APPLICATIONINSIGHTS_CONNECTION_STRING"
#: What every record has; whatever else is there came as `extra`.
_OF_EVERY_RECORD: Final = frozenset({*logging.makeLogRecord({}).__dict__, "message", "asctime"})

type Field = str | int | float | bool | None

log = logging.getLogger("bridge")


def configure() -> None:
    """Set the levels of the loggers, and write fields where they are read; handlers are the host's business."""
    log.setLevel(logging.INFO)
    log.removeFilter(with_fields)
    if os.environ.get(_LISTENER):
        log.addFilter(with_fields)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)


def with_fields(record: logging.LogRecord) -> logging.LogRecord:
    """The record with its fields written at the end of its text. The record itself stays as it is."""
    fields = {name: value for name, value in record.__dict__.items() if name not in _OF_EVERY_RECORD}
    if not fields:
        return record
    written = copy.copy(record)
    written.msg, written.args = f"{record.getMessage()} {fields_text(fields)}", None
    return written


def fields_text(fields: Mapping[str, Field]) -> str:
    """Fields as JSON in one line and ASCII, with one brace at its beginning, one at its end and none between.

    So the last brace that opens in a line begins it, whatever the sentence before quotes.
    """
    inner = json.dumps(dict(fields), separators=(",", ":"))[1:-1]
    return "{" + inner.replace("{", "\\u007b").replace("}", "\\u007d") + "}"


def log_errors[**Given, Returned](function: Callable[Given, Returned]) -> Callable[Given, Returned]:
    """Log what ends an invocation with its code, which the host's own record of it has nowhere to be asked for by.

    The host writes the text of whatever is raised to Application Insights. So an error that the catalogue does not
    know, whose text may carry anything, is raised as one that it knows; the log has type and place.
    """

    @wraps(function)
    def logging_errors(*args: Given.args, **kwargs: Given.kwargs) -> Returned:
        name = function.__name__
        try:
            return function(*args, **kwargs)
        except BridgeError as error:
            ended, said = error, str(error)
        except Exception as error:  # noqa: BLE001 - it goes on, as an entry of the catalogue
            ended, said = UnexpectedError(step=name, kind=type(error).__name__), traceback_location(error)
        log.error("%s: %s", name, said, extra={"action": "failed", "function": name, "code": ended.code})
        raise ended

    return logging_errors


@dataclass(slots=True)
class Fence:
    """How a fenced block ended."""

    #: What ended the block; None when nothing did.
    error: BridgeError | None = None


@contextmanager
def fenced(subject: str, *let_through: type[BridgeError], action: str, **context: Field) -> Iterator[Fence]:
    """Run a block whose failure must not stop the others: the error is logged, kept, and goes no further.

    Args:
        subject: what did not happen, as the beginning of the sentence in the log; the error completes it.
        let_through: errors that end the work on the others as well, and are raised.
        action: the `action` of the log line for an error of the catalogue; any other error is `unexpected`.
        context: more fields of the log line, such as `broadcast.log_context()`.
    """
    fence = Fence()
    try:
        yield fence
    except let_through:
        raise
    except BridgeError as error:
        fence.error = error
        log.warning("%s: %s", subject, error, extra={"action": action, **context, "code": error.code})
    except Exception as error:  # noqa: BLE001 - its text may carry anything: the log has type and traceback
        fence.error = UnexpectedError(step=action, kind=type(error).__name__)
        extra = {"action": "unexpected", **context, "code": UnexpectedError.code}
        log.error("%s: unexpected %s", subject, traceback_location(error), extra=extra)  # noqa: TRY400 - a trace carries values


def traceback_location(error: BaseException) -> str:
    """Type and place of an unexpected error, without its message: a message can carry a row's values."""
    frames = traceback.extract_tb(error.__traceback__)
    places = " < ".join(f"{frame.filename.rsplit('/', 1)[-1]}:{frame.lineno}" for frame in reversed(frames[-4:]))
    return f"{type(error).__name__} at {places or 'unknown'}"
