"""A wrong or missing field of an error fails mypy, as it does in `make lint`."""

import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).parents[3]
RAISES = """\
from shared.errors import DatabaseUnavailable, DeliveryFileMissing, ImportNotSeen, ListUnknown

ListUnknown(list="News")
DatabaseUnavailable(database="WS_DB", reason="x", number=1205, undone=True)
reveal_type(ImportNotSeen(minutes=5).minutes)
ListUnknown()
ListUnknown("News")
ListUnknown(list="News", attempt=3)
ListUnknown(name="News")
DeliveryFileMissing(file="list.txt")
ImportNotSeen(minutes="5")
ListUnknown(list="News").attempt
"""
#: By line: what mypy says.
EXPECTED = {
    5: 'Revealed type is "int"',
    6: 'Missing named argument "list" for "ListUnknown"',
    7: 'Too many positional arguments for "ListUnknown"',
    8: 'Unexpected keyword argument "attempt" for "ListUnknown"',
    9: 'Unexpected keyword argument "name" for "ListUnknown"',
    10: 'Missing named argument "location" for "DeliveryFileMissing"',
    11: 'Argument "minutes" to "ImportNotSeen" has incompatible type "str"; expected "int"',
    12: '"ListUnknown" has no attribute "attempt"',
}


def test_a_wrong_or_missing_field_fails_mypy(tmp_path: Path) -> None:
    snippet = tmp_path / "raises.py"
    snippet.write_text(RAISES)
    command = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "--cache-dir", str(tmp_path / "cache")]
    checked = subprocess.run(
        [*command, "--follow-imports=silent", str(snippet)],
        capture_output=True,
        text=True,
        check=False,
        cwd=PROJECT,
        timeout=300,
    )
    said: dict[int, list[str]] = {}
    for line in checked.stdout.splitlines():
        if line.startswith(str(snippet)):
            said.setdefault(int(line.split(":")[1]), []).append(line)
    assert set(said) == set(EXPECTED), checked.stdout + checked.stderr
    for number, expected in EXPECTED.items():
        assert any(expected in line for line in said[number]), said[number]
