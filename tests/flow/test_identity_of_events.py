"""Which events of response files are one, from the file to the row (rule 6)."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from sqlalchemy import func, select

from shared.config.response_layouts import ResponseLayout
from shared.faststats.schema_map.names import RsDbSchema
from shared.ledger import tables
from shared.ledger.person import GivenBy
from shared.operations.erasure.erase import erase
from shared.operations.responses import add_file, load_again
from shared.response_file import LoadCounts
from tests.databases import ZONE
from tests.flow.harness import Flow

SCHEMA = RsDbSchema(ZONE)
PLAIN = "Urn;MailingId;MessageType;EventTriggeredDate\n"
#: Two files of each kind, and how many of the rows are new: of the first, of the second after it, and the reverse.
CASES = {
    "the second export overlaps, and has a Communication Key": (
        PLAIN + "501;900;Open;05.03.2026 10:00:01\n502;900;Click;05.03.2026 10:00:02\n",
        (
            "Urn;CommunicationKey;MailingId;MessageType;EventTriggeredDate\n"
            "501;CK501;900;Open;05.03.2026 10:00:01\n502;CK502;900;Click;05.03.2026 10:00:02\n"
            "503;CK503;900;Open;06.03.2026 10:00:02\n"
        ),
        (2, 1),
        (3, 0),
    ),
    "a soft and a hard bounce of one minute": (
        PLAIN + "901;900;softbounce;05.03.2026 10:00\n",
        PLAIN + "901;900;hardbounce;05.03.2026 10:00\n",
        (1, 1),
        (1, 1),
    ),
    "two opens of one minute are one": (
        PLAIN + "701;900;Open;05.03.2026 23:59\n",
        PLAIN + "701;900;Open;05.03.2026 23:59\n702;900;Open;06.03.2026 00:10\n",
        (1, 1),
        (2, 0),
    ),
}


def loaded(flow: Flow, folder: Path, name: str, content: str) -> LoadCounts:
    path = folder / f"Response-{name}.csv"
    path.write_text(content)
    return load_again(flow.bridge, add_file(flow.bridge, path).id)


def responses(flow: Flow) -> list[Mapping[str, Any]]:
    """The rows of `Response`; each has its event in the ledger."""
    with flow.bridge.rs_database.reading() as connection:
        rows = connection.execute(select(SCHEMA.response).order_by(SCHEMA.response.c.urn)).all()
        events = connection.scalar(select(func.count()).select_from(tables.response_event))
    assert events == len(rows)
    return [dict(zip(SCHEMA.response.c.keys(), row, strict=True)) for row in rows]


@pytest.mark.parametrize("is_swapped", [False, True], ids=["", "swapped"])
@pytest.mark.parametrize(("first", "second", "new", "new_swapped"), CASES.values(), ids=CASES)
def test_an_event_that_two_files_state_is_one_row(
    flow: Flow,
    tmp_path: Path,
    *,
    first: str,
    second: str,
    new: tuple[int, int],
    new_swapped: tuple[int, int],
    is_swapped: bool,
) -> None:
    files = (second, first) if is_swapped else (first, second)
    counts = [loaded(flow, tmp_path, str(number), content) for number, content in enumerate(files)]
    assert tuple(one.loaded for one in counts) == (new_swapped if is_swapped else new)
    rows = responses(flow)
    assert len(rows) == sum(new)
    if "CommunicationKey" in second:
        assert [row["communication_key"] for row in rows] == ["CK501", "CK502", "CK503"]
    assert loaded(flow, tmp_path, "again", files[0]).loaded == 0


def test_a_file_whose_layout_was_corrected_corrects_its_rows(flow: Flow, tmp_path: Path) -> None:
    content = (
        "Kunde;Ref;Mail;Event;EventTriggeredDate;Link\n501;CK501;ann@example.com;Geklickt;05.03.2026 10:00;https://a/\n"
    )
    wrong = {"Email": ("Mail",), "MessageType": ("Event",)}
    right = {**wrong, "Urn": ("Kunde",), "CommunicationKey": ("Ref",), "ClickUrl": ("Link",)}
    for fields, types in ((wrong, {}), (right, {"geklickt": "Click"})):
        layout = ResponseLayout.model_validate({"fields": fields, "types": types})
        flow.bridge.channels.responses = MappingProxyType({"default": layout})
        counts = loaded(flow, tmp_path, "corrected", content)
        assert (counts.read, counts.rejected) == (1, 0)
    assert (counts.loaded, counts.known) == (0, 1)
    (row,) = responses(flow)
    assert (row["urn"], row["communication_key"], row["message_type"]) == ("501", "CK501", "Click")
    assert row["click_url"] == "https://a/"


def test_nothing_is_added_to_the_row_of_an_erased_person(flow: Flow, tmp_path: Path) -> None:
    first, second, *_ = CASES["the second export overlaps, and has a Communication Key"]
    loaded(flow, tmp_path, "first", first)
    erase(flow.bridge, GivenBy.URN, "501", operator="operator test")
    assert loaded(flow, tmp_path, "second", second).known == 2
    assert [(row["urn"], row["communication_key"]) for row in responses(flow)] == [
        ("", ""),
        ("502", "CK502"),
        ("503", "CK503"),
    ]
