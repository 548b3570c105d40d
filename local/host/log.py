"""The log of the host: one sentence per line, with the time in UTC."""

import logging
import sys
from datetime import UTC, datetime


def log(sentence: str) -> None:
    """Print a line."""
    print(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S}Z  {sentence}", flush=True)


class _Formatter(logging.Formatter):
    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802 - overrides
        del datefmt
        return f"{datetime.fromtimestamp(record.created, UTC):%Y-%m-%d %H:%M:%S}Z"


def show_function_logs() -> None:
    """Print the log of the functions: our information, and warnings of libraries."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(_Formatter("%(asctime)s    %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    # The worker logs the indexed functions and all exceptions with their texts. The host logs both itself.
    logging.getLogger("azure.functions").setLevel(logging.CRITICAL)
