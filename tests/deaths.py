"""The death of a process, at a chosen call of a function."""

from collections.abc import Callable
from typing import Any

import pytest


class Died(BaseException):
    """Stands for the end of a process: no `except Exception` sees it."""


class Interruption:
    """Lets a function die at its nth call, before or after it has done its work; then it works."""

    def __init__(self, original: Callable[..., Any], *, call: int, after: bool) -> None:
        self.original = original
        self.calls_left = call
        self.after = after
        self.struck = False

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        self.calls_left -= 1
        if self.calls_left or self.struck:
            return self.original(*arguments, **named)
        self.struck = True
        if self.after:
            self.original(*arguments, **named)
        raise Died


def let_die(
    monkeypatch: pytest.MonkeyPatch, where: Any, name: str, call: int = 1, *, after: bool = False
) -> Interruption:
    """Let a function of a module, or a method of a class, die at its nth call."""
    interruption = Interruption(getattr(where, name), call=call, after=after)
    # A function, so that it is bound as the method it stands for.
    monkeypatch.setattr(where, name, lambda *arguments, **named: interruption(*arguments, **named))  # noqa: PLW0108
    return interruption
