"""The words that databases keep: rows of every version before have them, so none may change."""

from enum import StrEnum

import pytest

from shared.broadcast import Intake, RouteKind, SendMode, State
from shared.ledger import erasures
from shared.ledger.alerts import AlertKind
from shared.ledger.effects import Kind
from shared.ledger.leases import LeaseName
from shared.ledger.person import GivenBy
from shared.rejects import RejectReason
from shared.response_file import FileState

#: May grow; a word that is here stays.
STORED: dict[type[StrEnum], set[str]] = {
    State: {
        *("claimed", "staged", "prepared", "uploaded", "importing", "imported", "sending", "sent"),
        *("closed", "failed", "cancelled", "needs_operator"),
    },
    Intake: {"job", "channel", "file"},
    RouteKind: {"import job", "closed loop", "sending batch", "export file"},
    SendMode: {"verify then start", "after import", "at a time", "upload only"},
    Kind: {"copy", "upload", "start"},
    FileState: {"seen", "gathered", "loaded", "failed"},
    AlertKind: {"response-file-left", "no-response-file", "report-gap", "sent-short"},
    GivenBy: {"address", "urn", "communication-key"},
    RejectReason: {
        *("wrong-field-count", "control-character", "value-too-long", "broken-quote", "urn-missing"),
        *("communication-key-missing", "email-missing", "email-invalid", "duplicate-email"),
        *("duplicate-communication-key", "field-type", "field-missing", "not-encodable", "needs-quote"),
        *("unsubscribed", "bounced-out", "blocklisted", "type-missing", "recipient-missing", "date-invalid"),
        *("not-text",),
    },
}


@pytest.mark.parametrize("words", STORED)
def test_the_words_of_an_enumeration_stay(words: type[StrEnum]) -> None:
    assert STORED[words] <= {word.value for word in words}


def test_the_names_of_steps_of_an_erasure_stay() -> None:
    assert (erasures.WIPE, erasures.UNREAD) == ("optimizely", "unread")


def test_the_names_of_leases_stay() -> None:
    assert LeaseName.for_broadcast("J1-a") == "broadcast:J1-a"
    assert LeaseName.for_response_file("opens.csv") == "response-file:opens.csv"
    assert LeaseName.for_list(4711) == "list:4711"
    assert LeaseName.for_closed_loop() == "closed loop"
    assert LeaseName.for_chore("sweep") == "sweep"
