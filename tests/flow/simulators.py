"""Simulators of Optimizely Campaign, all those of a pytest worker in one process: starting one for each takes longer.

`python -m tests.flow.simulators` is that process. It reads a line for each simulator to start or to stop, and answers
with a line.
"""

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from local.simulator.simulator import Simulator

_ROOT = Path(__file__).parents[2]


class Simulators:
    """The process, from the side of the tests.

    Args:
        log: file for what it prints, errors above all.
    """

    def __init__(self, log: Path) -> None:
        self._log = log

    def __enter__(self) -> Self:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.flow.simulators"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                cwd=_ROOT,
                start_new_session=True,  # Ctrl-C is for the tests; this process ends with its standard input
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate(timeout=60)

    @contextmanager
    def new(self, folder: Path, *, reactions: bool = True) -> Iterator[dict[str, Any]]:
        """A simulator with its data in a new folder; its addresses and credentials, as in a ready file.

        Args:
            folder: the folder.
            reactions: whether recipients react to their mails.
        """
        addresses = self._request("start", folder, reactions)
        try:
            yield addresses
        finally:
            self._request("stop", folder, reactions)

    def _request(self, action: str, folder: Path, reactions: bool) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps([action, str(folder), reactions]), file=self._process.stdin, flush=True)
        line = self._process.stdout.readline()
        assert line, f"the simulators ended; see {self._log}"
        answer: dict[str, Any] = json.loads(line)
        return answer


async def _serve() -> None:
    running: dict[str, Simulator] = {}
    while line := await asyncio.to_thread(sys.stdin.readline):
        action, folder, reactions = json.loads(line)
        if action == "start":
            running[folder] = await Simulator(Path(folder), reactions=reactions).start()
            answer = running[folder].addresses()
        else:
            await running.pop(folder).stop()
            answer = {}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
    for simulator in running.values():
        await simulator.stop()


if __name__ == "__main__":
    asyncio.run(_serve())
