"""Child processes that end with their parent."""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from typing import IO

_PR_SET_PDEATHSIG = 1
_STOP_SECONDS = 20


def start(
    command: list[str], output: IO[bytes], environment: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """Start a child process.

    Args:
        command: the program and its arguments.
        output: file for its output and its errors.
        environment: its environment; None: that of this process.
    """
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,  # Ctrl-C is for the parent, which then stops its children in order
        preexec_fn=_end_with_parent(),  # noqa: PLW1509 - it makes two system calls
        env=environment,
    )


def stop(process: subprocess.Popen[bytes], seconds: float = _STOP_SECONDS) -> None:
    """Terminate a child process; kill it when it does not end in time."""
    if process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _end_with_parent() -> Callable[[], None] | None:
    """A function for a child to run first, so that the kernel ends it when its parent dies (Linux only).

    To the kernel, the parent is the thread that starts the child: start it from a thread that lives as long.
    """
    if sys.platform != "linux":
        return None
    libc, parent = ctypes.CDLL(None), os.getpid()

    def request_signal() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it died before the request
            os.kill(os.getpid(), signal.SIGTERM)

    return request_signal
