"""Logs: sentences with an `action`, and nothing of a person in them (rule 10).

A log line is a sentence for people; its `extra` fields (`action`, `broadcast`, …) are for queries.
"""

import logging
import traceback

#: Libraries that log addresses of blobs, headers or key exchanges when asked for more than warnings.
_QUIET = ("azure", "paramiko", "urllib3", "sqlalchemy")

log = logging.getLogger("bridge")


def configure() -> None:
    """Set the levels of the loggers; handlers are the host's business."""
    log.setLevel(logging.INFO)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)


def place_of(error: BaseException) -> str:
    """Type and place of an unexpected error, without its message: a message can carry a row's values."""
    frames = traceback.extract_tb(error.__traceback__)
    places = " < ".join(f"{frame.filename.rsplit('/', 1)[-1]}:{frame.lineno}" for frame in reversed(frames[-4:]))
    return f"{type(error).__name__} at {places or 'unknown'}"
