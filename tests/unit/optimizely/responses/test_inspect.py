"""`bridge responses inspect`: how a file would be read, and why a row is refused."""

import gzip
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from cli.main import app


def inspect(file: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["responses", "inspect", str(file), *arguments])


def test_it_shows_layout_columns_types_and_every_refused_row(tmp_path: Path) -> None:
    channels = tmp_path / "channels.toml"
    channels.write_text('[responses.bounces]\nnames = ["B*"]\nDELIMITER = "TAB"\nmessage_type = "Bounce"\n')
    file = tmp_path / "B1.csv"
    file.write_text(
        "Urn\tEventTriggeredDate\tReason\n7\t01.03.2026 12:30\tfull\n8\t03/01/2026\tfull\n9\n10\t02.03.2026 12:30\t\n"
    )
    result = inspect(file, "--channels", str(channels))
    assert result.exit_code == 1
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert lines[0] == "B1.csv is read by the layout “bounces”."
    assert lines[1] == "It is not packed; its text is utf-8, as the layout says."
    assert "Reason a detail" in lines
    assert "line 3: date-invalid (EventTriggeredDate)" in lines
    assert "line 4: wrong-field-count" in lines
    assert "4 rows: 2 can be loaded, 2 refused." in lines
    assert "Bounce 2" in lines
    assert "Events from 2026-03-01 11:30 to 2026-03-02 11:30 UTC." in lines


def test_a_good_file_ends_with_success_and_only_so_many_refused_rows_are_listed(tmp_path: Path) -> None:
    file = tmp_path / "Response.csv"
    file.write_text("Urn;MessageType;EventTriggeredDate\n7;Open;01.03.2026 12:30\n")
    assert inspect(file).exit_code == 0
    file.write_text(file.read_text() + "x\n" * 5)
    result = inspect(file, "--refused", "2")
    assert (result.exit_code, result.stdout.count("  line "), "and 3 more" in result.stdout) == (1, 2, True)


def test_a_last_line_without_an_end_is_shown_with_what_may_help(tmp_path: Path) -> None:
    file = tmp_path / "Response.csv"
    file.write_text("Urn;MessageType;EventTriggeredDate\n7;Open;01.03.2026 12:30\n8;Open;01.03.2026 12:30")
    result = inspect(file)
    assert result.exit_code == 1
    assert "line 3: line-unfinished" in result.stdout
    assert (
        'line-unfinished: 1 (the last line has no end; if its writer never ends it, set last_line = "may-end-without")'
        in (result.stdout)
    )
    channels = tmp_path / "channels.toml"
    channels.write_text("[responses.default]\nlast_line = 'may-end-without'\n")
    assert inspect(file, "--channels", str(channels)).exit_code == 0


def test_a_packed_file_is_inspected(tmp_path: Path) -> None:
    rows = "\ufeffUrn;MessageType;Zeit\n7;Open;01.03.2026 12:30\n8;Open;soon\n".encode("utf-16-le")
    channels = tmp_path / "channels.toml"
    channels.write_text('[responses.default.fields]\nEventTriggeredDate = ["Zeit"]\n')
    file = tmp_path / "Response.csv.gz"
    file.write_bytes(gzip.compress(rows))
    result = inspect(file, "--channels", str(channels))
    assert result.exit_code == 1
    assert "It is packed by gzip; its text is utf-16-le, as its byte-order mark says.\n" in result.stdout
    assert "line 3: date-invalid (Zeit)" in result.stdout
    file.write_bytes(file.read_bytes()[:-9])
    result = inspect(file, "--channels", str(channels))
    assert (result.exit_code, "response-file-packed-broken" in result.stderr) == (1, True)


@pytest.mark.parametrize(("name", "content"), [("Response.csv", "no;header\n"), ("other.csv", "")])
def test_a_file_that_cannot_be_read_says_why(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content)
    result = inspect(tmp_path / name)
    assert result.exit_code == 1
    assert ("no column MessageType" if content else "matches no layout") in result.stderr
