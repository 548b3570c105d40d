"""Logs: sentences with an `action`, without personal data (rule 14).

A log line is a sentence for people; its `extra` fields (`action`, `broadcast`, …) are for queries.

In Azure the Python worker passes only the text, level and category of a line to the host (`on_logging` of its
dispatcher): the fields would be lost. So where Application Insights is configured they are appended to the text, as a
JSON object that cannot be confused with anything else in the line (docs/how-to/watch.md).
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

#: Libraries that log addresses of blobs, headers or key exchanges below the level of warnings.
_QUIET = ("azure", "paramiko", "urllib3", "sqlalchemy")
#: The setting that configures Application Insights.
_APPLICATION_INSIGHTS: Final = "APPLICATIONINSIGHTS_CONNECTION_STRING"
#: Attributes of every log record; all others were given as `extra`.
_RECORD_ATTRIBUTES: Final = frozenset({*logging.makeLogRecord({}).__dict__, "message", "asctime"})

type Field = str | int | float | bool | None

log = logging.getLogger("bridge")


def configure() -> None:
    """Set the levels of the loggers, and append the fields where they are queried. Handlers are the host's."""
    log.setLevel(logging.INFO)
    log.removeFilter(with_fields)
    if os.environ.get(_APPLICATION_INSIGHTS):
        log.addFilter(with_fields)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)


def with_fields(record: logging.LogRecord) -> logging.LogRecord:
    """A copy of the record with its fields appended to its text."""
    fields = {name: value for name, value in record.__dict__.items() if name not in _RECORD_ATTRIBUTES}
    if not fields:
        return record
    written = copy.copy(record)
    written.msg, written.args = f"{record.getMessage()} {fields_text(fields)}", None
    return written


def fields_text(fields: Mapping[str, Field]) -> str:
    """Fields as JSON in one line of ASCII, with one brace at its beginning, one at its end and none between.

    So the last opening brace of a line begins it, whatever the sentence before it quotes.
    """
    inner = json.dumps(dict(fields), separators=(",", ":"))[1:-1]
    return "{" + inner.replace("{", "\\u007b").replace("}", "\\u007d") + "}"


def log_errors[**Params, Result](function: Callable[Params, Result]) -> Callable[Params, Result]:
    """Log the error that ends an invocation with its code, which the host's own record of it lacks.

    The host writes the text of every exception to Application Insights. An error outside the catalogue, whose text may
    carry anything, is therefore raised as `UnexpectedError`; the log has its type and traceback.
    """

    @wraps(function)
    def logging_errors(*args: Params.args, **kwargs: Params.kwargs) -> Result:
        name = function.__name__
        try:
            return function(*args, **kwargs)
        except BridgeError as error:
            failure, text = error, str(error)
        except Exception as error:  # noqa: BLE001 - it is raised again, as an entry of the catalogue
            failure, text = UnexpectedError(step=name, kind=type(error).__name__), traceback_location(error)
        log.error("%s: %s", name, text, extra={"action": "failed", "function": name, **failure.log_context()})
        raise failure

    return logging_errors


@dataclass(slots=True)
class Fence:
    """How a fenced block ended."""

    #: The error that ended the block, if any.
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
        log.warning("%s: %s", subject, error, extra={"action": action, **context, **error.log_context()})
    except Exception as error:  # noqa: BLE001 - its text may carry anything: the log has type and traceback
        fence.error = UnexpectedError(step=action, kind=type(error).__name__)
        extra = {"action": "unexpected", **context, "code": UnexpectedError.code}
        log.error("%s: unexpected %s", subject, traceback_location(error), extra=extra)  # noqa: TRY400 - a trace carries values


def traceback_location(error: BaseException) -> str:
    """Type and traceback of an unexpected error, without its message, which can carry a row's values."""
    frames = traceback.extract_tb(error.__traceback__)
    locations = " < ".join(f"{frame.filename.rsplit('/', 1)[-1]}:{frame.lineno}" for frame in reversed(frames[-4:]))
    return f"{type(error).__name__} at {locations or 'unknown'}"
