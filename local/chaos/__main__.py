"""`make chaos`: CHAOS_BROADCASTS broadcasts (1,000), faults chosen by CHAOS_SEED; 1 if the books do not balance."""

import os
import secrets
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from random import Random
from threading import Thread
from typing import Final

import requests

from local.chaos.books import Books, close_books, progress, responses, unfinished
from local.chaos.faults import Faults, resolve_parked
from local.chaos.installation import Installation
from local.chaos.intake import Intake
from shared.broadcast import State
from shared.errors import BridgeError
from shared.operations import broadcasts as operations

#: Broadcasts under way at a time: of more, most would only wait for a list.
_MOST_UNDER_WAY: Final = 40
#: Faults at least, however few broadcasts there are.
_FEWEST_FAULTS: Final = 30
#: Seconds between two lines of figures.
_SHOWN: Final = 30
#: Seconds without any progress after which something counts as stuck.
_PATIENCE: Final = 300
#: Simulated seconds per second while only responses are still to come.
_FAST: Final = 40_000


def main() -> int:
    """Run it; 0 if everything balances."""
    broadcasts = int(os.environ.get("CHAOS_BROADCASTS") or 1000)
    seed = int(os.environ.get("CHAOS_SEED") or secrets.randbelow(10**6))
    folder = Path(tempfile.mkdtemp(prefix="chaos-"))
    print(f"{broadcasts} broadcasts through two hosts; CHAOS_SEED={seed}; logs in {folder / 'logs'}.", flush=True)
    began = time.monotonic()
    with Installation(folder, seed) as installation:
        books, intake, faults = _run(installation, broadcasts, seed)
    _report(books, intake, faults, time.monotonic() - began)
    if books.balance():
        shutil.rmtree(folder, ignore_errors=True)
    print(books.verdict(), flush=True)
    return 0 if books.balance() else 1


def _run(installation: Installation, broadcasts: int, seed: int) -> tuple[Books, Intake, Faults]:
    intake, faults = Intake(installation, Random(seed)), Faults(installation, Random(seed + 1))
    asking = Thread(target=_ask, args=(installation, intake, broadcasts), name="intake", daemon=True)
    asking.start()
    show = _Figures(installation)
    # In this thread: a host ends with the thread that started it.
    while asking.is_alive() or faults.played.total() < min(_FEWEST_FAULTS, broadcasts):
        faults.play()
        time.sleep(1)
        show(f"{intake.asked.total()} asked for, {faults.played.total()} faults")
    faults.stop()
    if intake.asked.total() < broadcasts:
        raise SystemExit("The intake stopped; its error is above.")
    print("Every fault has stopped; everything drains.", flush=True)
    intake.finish()
    _resume_paused(installation)
    _wait(lambda: _ended(installation, broadcasts), lambda: progress(installation), show)
    url = f"{installation.optimizely['control_url']}/clock"
    requests.post(url, json={"speed": _FAST}, timeout=60).raise_for_status()
    _wait(lambda: _loaded(installation), installation.bridge.ledger.response_files.totals, show)
    return close_books(installation, intake), intake, faults


class _Figures:
    """Prints figures now and then."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        self._shown = time.monotonic()

    def __call__(self, what: str) -> None:
        if time.monotonic() - self._shown > _SHOWN:
            self._shown = time.monotonic()
            print(f"{what}; {_figures(progress(self._installation))}", flush=True)


def _ask(installation: Installation, intake: Intake, broadcasts: int) -> None:
    while intake.asked.total() < broadcasts:
        states = progress(installation)
        if intake.asked.total() - states.total() + unfinished(states) < _MOST_UNDER_WAY:
            intake.ask()
        else:
            time.sleep(0.2)


def _resume_paused(installation: Installation) -> None:
    """An operator whose command got no answer repeats it."""
    for broadcast in installation.bridge.ledger.broadcasts.newest(100_000):
        if broadcast.state is State.SENDING:
            with suppress(BridgeError):  # it is not paused
                operations.resume(installation.bridge, broadcast.key, owner="chaos")


def _ended(installation: Installation, broadcasts: int) -> bool:
    states = progress(installation)
    if unfinished(states) and unfinished(states) <= states["staged"] and states["needs_operator"]:
        # A parked broadcast keeps its list: the next one waits until an operator has settled it.
        resolve_parked(installation)
    return states.total() >= broadcasts and not unfinished(states)


def _loaded(installation: Installation) -> bool:
    """Whether Optimizely has nothing left to do, and every response is loaded."""
    state = requests.get(f"{installation.optimizely['control_url']}/state", timeout=120).json()
    events, rows = responses(installation)
    return bool(state["idle"]) and events == rows


def _wait(condition: Callable[[], bool], watched: Callable[[], object], show: _Figures) -> None:
    """Wait until the condition holds, or nothing changes any more: then the books show what is missing."""
    last, changed = watched(), time.monotonic()
    while not condition() and time.monotonic() - changed < _PATIENCE:
        time.sleep(1)
        show("Draining")
        now = watched()
        if now != last:
            last, changed = now, time.monotonic()


def _figures(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))


def _report(books: Books, intake: Intake, faults: Faults, seconds: float) -> None:
    print(f"\n{intake.asked.total()} broadcasts in {seconds:.0f} s: {_figures(intake.asked)}.")
    print(f"{faults.played.total()} faults: {_figures(faults.played)}.")
    print(f"{books.mails} mails, {books.events} responses. States: {_figures(books.states)}.")
    print(f"Codes: {_figures(books.codes) or 'none'}.")
    for what in (*books.mailed_twice, *books.lost, *books.doubled, *books.leases_left):
        print(f"  - {what}")


if __name__ == "__main__":
    sys.exit(main())
