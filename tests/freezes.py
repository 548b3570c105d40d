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
    """Lets a function wait before or after its nth call until `meanwhile` has returned; nobody else waits."""

    def __init__(
        self, original: Callable[..., Any], meanwhile: Callable[[], object], *, call: int, after: bool
    ) -> None:
        self.original = original
        self.meanwhile = meanwhile
        self.calls_left = call
        self.after = after
        self.struck = False

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        self.calls_left -= 1
        if self.calls_left:
            return self.original(*arguments, **named)
        self.struck = True
        if not self.after:
            self.meanwhile()
            return self.original(*arguments, **named)
        result = self.original(*arguments, **named)
        self.meanwhile()
        return result


def let_freeze(
    monkeypatch: pytest.MonkeyPatch,
    where: Any,
    name: str,
    meanwhile: Callable[[], object],
    call: int = 1,
    *,
    after: bool = False,
) -> Freeze:
    """Let a function of a module, or a method of a class, freeze before or after its nth call, for `meanwhile`.

    The owner's lease must not be renewed meanwhile: let leases live so long that no heartbeat comes during the test,
    and move the clock past their end in `meanwhile`.
    """
    freeze = Freeze(getattr(where, name), meanwhile, call=call, after=after)
    # A function, so that it is bound as the method it stands for.
    monkeypatch.setattr(where, name, lambda *arguments, **named: freeze(*arguments, **named))  # noqa: PLW0108
    return freeze
