"""A file that was gathered half-written, and the complete one of the same name: each row once, no reject is left."""

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from shared.bridge import Bridge
from shared.operations.responses import add_file, load_again
from shared.rejects import RejectReason
from shared.response_file import FileState, ResponseFile
from shared.steps.load_responses import load_responses
from shared.storage import blob_names
from tests.flow.harness import Flow
from tests.flow.test_corpus import counted_rejects, loaded_rows, told_rejects

HEADER = "CommunicationKey;MessageType;EventTriggeredDate;ClickUrl;Urn\n"
ROWS = [
    f"K{number};Click;01.03.2026 12:{number + 29};https://example.org/spring;{number + 100000}\n"
    for number in range(1, 5)
]
WHOLE = HEADER + "".join(ROWS)
HALF = HEADER + ROWS[0] + ROWS[1] + ROWS[2][:-3]
#: Half a character of the last line, in a file of UTF-16.
HALF_16, WHOLE_16 = ("\ufeff" + HALF).encode("utf-16-le")[:-1], ("\ufeff" + WHOLE).encode("utf-16-le")


def load(flow: Flow, folder: Path, content: bytes) -> ResponseFile:
    """Load a file of this content as a later state of the same file."""
    path = folder / "Response1.csv"
    path.write_bytes(content)
    later = len(flow.bridge.ledger.response_files.named(path.name)) * 10
    os.utime(path, (1_770_000_000 + later, 1_770_000_000 + later))
    file = add_file(flow.bridge, path)
    load_responses(flow.bridge, file.id)
    return flow.bridge.ledger.response_files.get(file.id)


def urns(bridge: Bridge) -> Sequence[str]:
    return [row["urn"] for row in loaded_rows(bridge)]


def check_withdrawn(bridge: Bridge, file: ResponseFile) -> None:
    """The file says that its two complete rows are all of its rows."""
    found = bridge.ledger.response_files.get(file.id)
    assert found.counts is not None
    assert (found.state, found.error_code, found.error) == (FileState.LOADED, None, None)
    assert (found.counts.read, found.counts.loaded + found.counts.known, found.counts.rejected) == (2, 2, 0)
    assert (told_rejects(bridge, file), counted_rejects(bridge, file)) == (None, {})


def test_a_line_that_is_cut_off_is_not_believed_and_says_what_may_help(flow: Flow, tmp_path: Path) -> None:
    half = load(flow, tmp_path, HALF.encode())
    assert urns(flow.bridge) == ["100001", "100002"]
    assert told_rejects(flow.bridge, half) == ((4, "line-unfinished", ""),)
    assert half.error_code == "response-file-rows"
    assert 'line-unfinished 1 (the last line has no end; if its writer never ends it, set last_line = "may-end' in str(
        half.error
    )


@pytest.mark.parametrize(("first", "then"), [(HALF.encode(), WHOLE.encode()), (HALF_16, WHOLE_16)], ids=["8", "16"])
def test_the_complete_file_brings_the_row_and_withdraws_the_reject(
    flow: Flow, tmp_path: Path, first: bytes, then: bytes
) -> None:
    half = load(flow, tmp_path, first)
    whole = load(flow, tmp_path, then)
    assert urns(flow.bridge) == ["100001", "100002", "100003", "100004"]
    assert whole.counts is not None
    assert (whole.counts.read, whole.counts.loaded, whole.counts.known, whole.counts.rejected) == (4, 2, 2, 0)
    check_withdrawn(flow.bridge, half)
    (note,) = [row.note for row in flow.bridge.ledger.response_files.history(half) if "withdrawn" in row.note]
    assert f"response file {whole.id}" in note


def test_loaded_again_the_reject_stays_withdrawn(flow: Flow, tmp_path: Path) -> None:
    half = load(flow, tmp_path, HALF.encode())
    whole = load(flow, tmp_path, WHOLE.encode())
    check_withdrawn(flow.bridge, half)
    for file in (half, whole, half):
        assert load_again(flow.bridge, file.id).rejected == 0
        check_withdrawn(flow.bridge, half)
    assert urns(flow.bridge) == ["100001", "100002", "100003", "100004"]


def test_other_rejects_stay(flow: Flow, tmp_path: Path) -> None:
    broken = "K9;Click;someday;https://example.org/spring;9\n"
    half = load(flow, tmp_path, (HEADER + broken + ROWS[0] + ROWS[1][:-4]).encode())
    assert half.counts is not None
    assert half.counts.rejected == 2
    load(flow, tmp_path, (HEADER + broken + ROWS[0] + ROWS[1]).encode())
    left = flow.bridge.ledger.response_files.get(half.id)
    assert left.counts is not None
    assert (left.counts.read, left.counts.rejected, left.error_code) == (2, 1, "response-file-rows")
    assert (left.error or "").startswith(
        "1 of 2 rows of the response file Response1.csv were rejected (date-invalid 1)"
    )
    assert told_rejects(flow.bridge, half) == ((2, "date-invalid", "EventTriggeredDate"),)
    assert counted_rejects(flow.bridge, half) == {"date-invalid": 1}


def test_still_half_or_other_content_withdraws_nothing(flow: Flow, tmp_path: Path) -> None:
    half = load(flow, tmp_path, HALF.encode())
    longer = load(flow, tmp_path, (HEADER + ROWS[0] + ROWS[1] + ROWS[2][:-1]).encode())
    load(flow, tmp_path, (HEADER + ROWS[3] + ROWS[2]).encode())
    load(flow, tmp_path, (HEADER + ROWS[2] + ROWS[1] + ROWS[3]).encode())
    for file in (half, longer):
        assert counted_rejects(flow.bridge, file) == {RejectReason.LINE_UNFINISHED: 1}
        assert told_rejects(flow.bridge, file) == ((4, "line-unfinished", ""),)
    load(flow, tmp_path, WHOLE.encode())
    check_withdrawn(flow.bridge, half)
    check_withdrawn(flow.bridge, longer)


def test_a_removed_file_withdraws_nothing(flow: Flow, tmp_path: Path) -> None:
    half = load(flow, tmp_path, HALF.encode())
    flow.bridge.responses.remove(blob_names.response_file(half))
    load(flow, tmp_path, WHOLE.encode())
    assert told_rejects(flow.bridge, half) == ((4, "line-unfinished", ""),)
