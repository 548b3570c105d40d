"""Every file of the corpus through the reader, and as `bridge responses inspect` shows it."""

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cli.main import app
from shared.errors import TerminalError
from shared.optimizely.responses.reader import ResponseReader
from shared.response import Response
from tests.corpus.case import Case, Reject
from tests.corpus.files import FILES, ROOMS

#: Minimum number of files in the corpus.
FEWEST = 60
#: Small enough to cut quotes, characters of several bytes and line ends; and large enough to cut none.
SIZES = (7, 1 << 20)


def reader_of(case: Case, size: int) -> ResponseReader:
    content = case.content
    pieces = (content[start : start + size] for start in range(0, len(content), size))
    return ResponseReader(pieces, case.response_layout, name=case.name)


def as_objects(values: dict[str, Any]) -> dict[str, Any]:
    """The same values with times as `datetime`."""
    times = {"event_time", "delivery_date", "click_date"}
    return {
        name: datetime.fromisoformat(value) if name in times and value is not None else value
        for name, value in values.items()
    }


def test_the_corpus_has_its_size_and_no_two_files_have_one_name() -> None:
    assert len(FILES) >= FEWEST
    assert len(FILES) == sum(map(len, ROOMS.values()))


def test_the_expected_counts_of_every_file_add_up() -> None:
    for name, case in FILES.items():
        assert case.rows_read == case.rows_good + len(case.rejects), name
        assert len(case.values) in {0, case.rows_good}, name
        assert not (case.code and case.rows_read), name


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", FILES)
def test_it_is_read_as_expected(name: str, size: int) -> None:
    case = FILES[name]
    if len(case.content) > 100_000:
        size = max(size, 4096)
    if case.code:
        with pytest.raises(TerminalError) as caught:
            list(reader_of(case, size).rows())
        assert caught.value.code == case.code
        assert caught.value.fields()["file"] == case.name
        return
    reader = reader_of(case, size)
    good: list[Response] = []
    rejects: list[Reject] = []
    for line, row in reader.rows():
        if isinstance(row, Response):
            good.append(row)
        else:
            rejects.append((line, str(row), reader.refused_field))
    assert tuple(rejects) == case.rejects
    assert (reader.rows_read, reader.rows_good, reader.rejects.total()) == (
        case.rows_read,
        case.rows_good,
        len(case.rejects),
    )
    for response, values in zip(good, case.values, strict=False):
        assert {name: getattr(response, name) for name in values} == as_objects(dict(values))
    assert len(good) == case.rows_good


@pytest.mark.parametrize("name", FILES)
def test_it_is_shown_how_it_would_be_read(name: str, tmp_path: Path) -> None:
    case = FILES[name]
    path, channels = tmp_path / case.name, tmp_path / "channels.toml"
    path.write_bytes(case.content)
    channels.write_text(case.channels, encoding="utf-8")
    listed = len(case.rejects) + 1
    result = CliRunner().invoke(
        app, ["responses", "inspect", str(path), "--channels", str(channels), "--refused", str(listed)]
    )
    assert result.exit_code == (1 if case.code or case.rejects else 0)
    assert result.exception is None or isinstance(result.exception, SystemExit)
    if case.code:
        assert f"[{case.code}]" in result.stderr
        return
    rows = [text for text in result.stdout.splitlines() if text.startswith("  line ")]
    assert rows == [
        f"  line {line}: {reason}{f' ({column})' if column else ''}" for line, reason, column in case.rejects
    ]
    total = f"{case.rows_read:,} rows: {case.rows_good:,} can be loaded, {len(case.rejects):,} refused."
    assert total in result.stdout
