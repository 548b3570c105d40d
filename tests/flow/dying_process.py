"""A process of its own that its step kills: `python -m tests.flow.dying_process broadcast <key>`, or `file <id>`.

It dies as a process without memory does: nothing is unwound, so the attempt stays counted and the lease stays behind.
"""

import os
import signal
import sys

import shared.steps.load_responses as load_step
import shared.steps.upload_list as upload_step
import tests.databases  # noqa: F401 - there the server of the tests is accepted
from shared.bridge import Bridge
from shared.config.settings import Settings


def die(*_: object, **__: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    what, name = sys.argv[1:]
    bridge = Bridge.from_settings(Settings.load())
    if what == "broadcast":
        setattr(upload_step, "stage", die)  # noqa: B010 - mypy does not see what is imported there
        upload_step.upload_list(bridge, name, bridge.ledger.broadcasts.get(name).version)
    else:
        setattr(load_step, "load", die)  # noqa: B010
        load_step.load_responses(bridge, int(name))


if __name__ == "__main__":
    main()
