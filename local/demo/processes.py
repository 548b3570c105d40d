"""The processes of the demo: Azurite, the Optimizely Campaign simulator, the Functions host.

Each keeps its state in the demo's folder, so that any of them can be killed and the demo gone on with.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from local.child import end_with_parent

#: Seconds a process has to get ready, or to stop when asked.
_READY_SECONDS = 60
_STOP_SECONDS = 20


class NotReadyError(Exception):
    """A process of the demo did not get ready."""


class Process:
    """A Python module run as a process that says in a ready file when it is ready.

    Args:
        name: what messages call it.
        arguments: of `python -m`, without the ready file.
        folder: where its ready file and its log go.
        environment: added to that of the demo.
    """

    def __init__(
        self, name: str, arguments: list[str], folder: Path, environment: dict[str, str] | None = None
    ) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        self._ready_file = folder / f"{name}.json"
        self._ready_file.unlink(missing_ok=True)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", *arguments, "--ready-file", str(self._ready_file)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # Ctrl-C is for the demo, which then stops its processes in order.
                start_new_session=True,
                preexec_fn=end_with_parent(),  # noqa: PLW1509 - it makes one system call
                env={**os.environ, **(environment or {})},
            )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def wait_ready(self) -> dict[str, Any]:
        """Wait until it is ready.

        Returns:
            What its ready file says.

        Raises:
            NotReadyError: it ended, or took too long.
        """
        deadline = time.monotonic() + _READY_SECONDS
        while time.monotonic() < deadline:
            if self._ready_file.exists():
                ready: dict[str, Any] = json.loads(self._ready_file.read_text())
                return ready
            if self.ended() is not None:
                break
            time.sleep(0.05)
        msg = f"{self.name} did not get ready; its log is {self.log}"
        raise NotReadyError(msg)

    def ended(self) -> str | None:
        """How it ended; None while it runs."""
        code = self._process.poll()
        if code is None:
            return None
        return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"

    def peak_memory(self) -> int | None:
        """Most bytes of memory it ever held (Linux: VmHWM); None when that cannot be told."""
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) * 1024
        return None

    def stop(self) -> None:
        """Ask it to stop; after a while make it."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
