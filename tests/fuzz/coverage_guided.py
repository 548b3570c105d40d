"""Fuzz a target, guided by the coverage of the bridge's own code: `python -m tests.fuzz.coverage_guided TARGET FOLDER`.

The folder has the inputs to begin with, and gets those that reach new code. Options of libFuzzer may follow, such as
`-max_total_time=60`. Needs atheris (requirements-fuzz.txt).
"""

import logging
import sys

import atheris

with atheris.instrument_imports(include=["shared"]):
    from tests.fuzz.targets import TARGETS


def main() -> None:
    """Run until the time is over, or until an input is found that a target does not stand."""
    logging.disable(logging.CRITICAL)
    target = TARGETS[sys.argv[1]]
    atheris.Setup([sys.argv[0], *sys.argv[2:]], target)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
