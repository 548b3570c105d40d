"""Names of files that are still being written."""

import pytest

from shared.config.unfinished_names import is_unfinished


@pytest.mark.parametrize(
    "name",
    [
        *("Response1.csv.part", "Response1.csv.FILEPART", "Response1.csv.crdownload", "x.tmp", "x.partial"),
        *(".in.Response1.csv.", ".Response1.csv.aB3xYz", "~$list.txt", "x.uploading"),
    ],
)
def test_usual_names_of_unfinished_uploads_are_known(name: str) -> None:
    assert is_unfinished(name)


@pytest.mark.parametrize("name", ["Response1.csv", "part.csv", "tmp", "Response.partner.csv", "filepart", "LIST.TXT"])
def test_other_names_are_finished(name: str) -> None:
    assert not is_unfinished(name)


@pytest.mark.parametrize("more", ["*.busy", "x*, *.BUSY", "a;*.busy ;"])
def test_more_patterns_can_be_added(more: str) -> None:
    assert not is_unfinished("Response1.csv.busy")
    assert is_unfinished("Response1.csv.Busy", more)
    assert not is_unfinished("Response1.csv", more)
    assert is_unfinished("Response1.csv.part", more)
