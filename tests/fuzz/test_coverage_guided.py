"""Every night, each target gets a minute of a fuzzer that looks for inputs which reach new code (atheris)."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import pytest

from tests.fuzz.targets import TARGETS
from tests.missing import missing

_SECONDS: Final = os.environ.get("FUZZ_SECONDS", "60")
_LIMITS: Final = (
    f"-max_total_time={_SECONDS}",
    "-max_len=20000",
    "-timeout=60",  # seconds for one input: a hang, even on a busy machine
    "-rss_limit_mb=1500",
    "-malloc_limit_mb=500",
    "-print_final_stats=1",
)


@pytest.mark.nightly
@pytest.mark.parametrize("name", TARGETS)
def test_no_input_that_reaches_new_code_breaks_a_target(name: str, tmp_path: Path) -> None:
    if find_spec("atheris") is None:
        missing("atheris is not installed: see requirements-fuzz.txt")
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    for number, seed in enumerate(TARGETS[name].seeds):
        (corpus / f"seed-{number}").write_bytes(seed)
    command = [sys.executable, "-m", "tests.fuzz.coverage_guided", name, str(corpus), *_LIMITS]
    run = subprocess.run(
        [*command, f"-artifact_prefix={tmp_path}/"],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )

    found = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    assert run.returncode == 0, f"{found}\n{run.stdout[-2000:]}\n{run.stderr[-6000:]}"
    assert "stat::number_of_executed_units" in run.stderr
