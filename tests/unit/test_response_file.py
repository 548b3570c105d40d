"""A response file, its states and its legal transitions."""

from itertools import product

import pytest

from shared.response_file import TRANSITIONS, FileState
from tests.response_files import make_response_file

#: Written out by hand.
LEGAL = {
    FileState.SEEN: "gathered failed",
    FileState.GATHERED: "loaded failed",
    FileState.LOADED: "gathered",
    FileState.FAILED: "seen gathered",
}


@pytest.mark.parametrize(("was", "to"), list(product(FileState, FileState)))
def test_exactly_these_transitions_are_legal(was: FileState, to: FileState) -> None:
    file = make_response_file(state=was)
    if to in LEGAL[was].split():
        file.check_transition(to)
    else:
        with pytest.raises(ValueError, match=f"{was} cannot become {to}"):
            file.check_transition(to)


def test_every_state_can_be_left_and_every_state_but_the_first_is_reached() -> None:
    assert TRANSITIONS.keys() == set(FileState)
    assert all(TRANSITIONS.values())
    assert set().union(*TRANSITIONS.values()) == set(FileState)


@pytest.mark.parametrize("state", FileState)
def test_only_a_file_that_failed_before_it_was_gathered_has_vanished(state: FileState) -> None:
    assert not make_response_file(state=state).has_vanished
    assert make_response_file(state=state, sha256=None).has_vanished is (state is FileState.FAILED)


def test_a_log_line_names_the_file() -> None:
    assert make_response_file().log_context() == {"file": "Response1.csv"}
