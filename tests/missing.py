"""What a test needs and a machine may lack: root, a browser, a server. Skipped there; failed in CI, which has it."""

import os
from typing import NoReturn

import pytest


def missing(what: str) -> NoReturn:
    """End a test whose machine lacks something: fail it in CI, skip it elsewhere.

    Args:
        what: a sentence that says what is missing, and what installs it.
    """
    if os.environ.get("CI") == "true":
        pytest.fail(f"{what} (a failure, since CI=true)", pytrace=False)
    pytest.skip(what)
