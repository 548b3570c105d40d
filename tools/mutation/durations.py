"""A plug-in of pytest that writes how long each test took: `BRIDGE_TEST_DURATIONS` names the file."""

import json
import os
from collections import Counter
from pathlib import Path

import pytest

_seconds: Counter[str] = Counter()


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Add up set-up, call and tear-down."""
    _seconds[report.nodeid] += report.duration  # type: ignore[assignment]


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write them, in the process that has them all."""
    if not hasattr(session.config, "workerinput"):
        Path(os.environ["BRIDGE_TEST_DURATIONS"]).write_text(json.dumps(_seconds), encoding="utf-8")
