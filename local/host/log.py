"""The host's own log: a sentence a line, with the time in UTC."""

import logging
import sys
from datetime import UTC, datetime


def log(sentence: str) -> None:
    """Print a line."""
    print(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S}Z  {sentence}", flush=True)


class _Formatter(logging.Formatter):
    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802 - its name
        del datefmt
        return f"{datetime.fromtimestamp(record.created, UTC):%Y-%m-%d %H:%M:%S}Z"


def show_function_logs() -> None:
    """Print what the functions log: information of ours, warnings of libraries."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(_Formatter("%(asctime)s    %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    # The worker logs what it indexes and every exception with its text: the host says so itself.
    logging.getLogger("azure.functions").setLevel(logging.CRITICAL)
