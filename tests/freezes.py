"""An owner that freezes: it stops right before a chosen call, others go on, then it wakes and makes the call.

A freeze point is whatever a step calls before it acts: `Effects.trying` before a send or a transfer is tried,
`Effects.add_evidence` before a file is opened or renamed and before each chunk, `HeldLease.renew` before every other
request that changes something. A process that freezes later, between such a call and its request, acts when it wakes:
docs/why/leases.md says for how long.
"""

from collections.abc import Callable
from typing import Any

import pytest


class Freeze:
    """Lets a function wait at its nth call until `meanwhile` has returned; nobody else waits."""

    def __init__(self, original: Callable[..., Any], meanwhile: Callable[[], object], *, call: int) -> None:
        self.original = original
        self.meanwhile = meanwhile
        self.calls_left = call
        self.struck = False

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        self.calls_left -= 1
        if not self.calls_left:
            self.struck = True
            self.meanwhile()
        return self.original(*arguments, **named)


def let_freeze(
    monkeypatch: pytest.MonkeyPatch, where: Any, name: str, meanwhile: Callable[[], object], call: int = 1
) -> Freeze:
    """Let a function of a module, or a method of a class, freeze before its nth call until `meanwhile` has returned.

    The owner's lease must not be renewed meanwhile: let leases live so long that no heartbeat comes during the test,
    and move the clock past their end in `meanwhile`.
    """
    freeze = Freeze(getattr(where, name), meanwhile, call=call)
    # A function, so that it is bound as the method it stands for.
    monkeypatch.setattr(where, name, lambda *arguments, **named: freeze(*arguments, **named))  # noqa: PLW0108
    return freeze
