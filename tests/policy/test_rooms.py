"""The rooms stay rooms: few entries at the top, no long module."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
SHARED = ROOT / "shared"
MAX_ENTRIES = 20
MAX_LINES = 400


def test_the_top_of_shared_has_few_entries() -> None:
    entries = [path for path in SHARED.iterdir() if path.name not in {"__init__.py", "__pycache__"}]
    assert len(entries) <= MAX_ENTRIES


def test_every_folder_of_shared_is_a_package() -> None:
    folders = [path.parent for path in SHARED.rglob("*.py")]
    assert [folder for folder in folders if not (folder / "__init__.py").exists()] == []


def test_no_module_is_long() -> None:
    modules = (path for room in ("shared", "cli", "local", "tools") for path in (ROOT / room).rglob("*.py"))
    lines = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in modules}
    assert {path: count for path, count in lines.items() if count > MAX_LINES} == {}
