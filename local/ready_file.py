"""Ready files: a process writes one when it is ready, for the process that started it."""

import json
from collections.abc import Mapping
from pathlib import Path


def write_ready_file(file: Path, content: Mapping[str, object]) -> None:
    """Write a ready file atomically. Only its owner can read it, because it has keys."""
    partial = file.with_name(f"{file.name}.unfinished")
    partial.unlink(missing_ok=True)
    partial.touch(mode=0o600)
    partial.write_text(json.dumps(content))
    partial.rename(file)
