"""The processes of the demo: Azurite, the Optimizely Campaign simulator, the Functions host.

Each keeps its state in the demo's folder, so that any of them can be killed and the demo resumed.
"""

import contextlib
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from local.child import start, stop

#: Seconds until a process must be ready.
_READY_SECONDS = 60


class NotReadyError(Exception):
    """A process of the demo did not become ready."""


class Process:
    """A Python module that runs as a process and writes a ready file.

    Args:
        name: name in messages and of its files.
        arguments: arguments of `python -m`, without the ready file.
        folder: folder of its ready file and log.
        environment: variables in addition to those of the demo.
    """

    def __init__(
        self, name: str, arguments: list[str], folder: Path, environment: dict[str, str] | None = None
    ) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        self._ready_file = folder / f"{name}.json"
        self._ready_file.unlink(missing_ok=True)
        with self.log.open("ab") as log:
            self._process = start(
                [sys.executable, "-m", *arguments, "--ready-file", str(self._ready_file)],
                log,
                {**os.environ, **(environment or {})},
            )

    @property
    def pid(self) -> int:
        """The process ID."""
        return self._process.pid

    def wait_ready(self) -> dict[str, Any]:
        """Wait until the process is ready.

        Returns:
            The content of its ready file.

        Raises:
            NotReadyError: the process ended, or took too long.
        """
        deadline = time.monotonic() + _READY_SECONDS
        while time.monotonic() < deadline:
            if self._ready_file.exists():
                ready: dict[str, Any] = json.loads(self._ready_file.read_text())
                return ready
            if self.ended() is not None:
                break
            time.sleep(0.05)
        msg = f"the {self.name} did not become ready; see its log {self.log}"
        raise NotReadyError(msg)

    def ended(self) -> str | None:
        """How the process ended; None while it is running."""
        code = self._process.poll()
        if code is None:
            return None
        return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"

    def peak_memory(self) -> int | None:
        """Peak memory in bytes (Linux: VmHWM); None when unknown."""
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) * 1024
        return None

    def stop(self) -> None:
        """Terminate the process; kill it when it does not end in time."""
        stop(self._process)
