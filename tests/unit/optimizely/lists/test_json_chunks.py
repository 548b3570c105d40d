"""The list of a sending batch: every recipient is readable from its JSON, and is in one chunk."""

import json
import re
from collections.abc import Iterator
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from shared.optimizely.lists.json_chunks import JsonRows, batch_chunks
from shared.rejects import RejectReason
from tests.unit.optimizely.lists.rows import KEY_VALUES, KEYS, list_field, plan, plan_of_texts

TEXT = st.text(st.one_of(st.sampled_from('"\\\n\r\t\x00\u2028é'), st.characters(exclude_categories=["Cs"])))


def test_a_recipient_has_its_address_as_id_and_every_field_as_text() -> None:
    rows = JsonRows(plan(["Points", "City"], [list_field("Points", "LONG"), list_field("City")]))
    row = rows.encode([*KEY_VALUES, "", "Köln"])
    assert isinstance(row, bytes)
    assert json.loads(row) == {
        "id": "anna@example.org",
        "data": {
            "Email": "anna@example.org",
            "Urn": "1",
            "CommunicationKey": "k1",
            "BroadcastKey": "J1-ab",
            "Points": "0",
            "City": "Köln",
        },
    }
    assert rows.header() + rows.pack(row) + rows.finish() == row


def test_the_id_is_the_address_in_any_field() -> None:
    rows = JsonRows(
        plan(
            keys=[list_field("mail"), *KEYS[1:]],
            field_map={"Email": "mail"},
            order=["Urn", "CommunicationKey", "BroadcastKey", "mail"],
        )
    )
    row = rows.encode(KEY_VALUES)
    assert isinstance(row, bytes)
    assert json.loads(row)["id"] == "anna@example.org"


def test_a_row_that_does_not_fit_its_list_is_refused() -> None:
    rows = JsonRows(plan(["Points"], [list_field("Points", "LONG")]))
    assert rows.encode([*KEY_VALUES, "many"]) is RejectReason.FIELD_TYPE


def test_a_value_that_is_not_unicode_text_refuses_the_row() -> None:
    assert JsonRows(plan_of_texts(1)).encode([*KEY_VALUES, "\ud800"]) is RejectReason.NOT_ENCODABLE


@given(st.lists(TEXT, min_size=1, max_size=5))
def test_every_value_is_readable_and_a_recipient_is_one_line(values: list[str]) -> None:
    row = JsonRows(plan_of_texts(len(values))).encode([*KEY_VALUES, *values])
    assert isinstance(row, bytes)
    assert row.count(b"\n") == 1
    assert row.endswith(b"\n")
    assert list(json.loads(row)["data"].values())[4:] == values


# Chunks


def test_a_chunk_is_named_by_its_rows() -> None:
    chunks = list(batch_chunks([b"1\n2\n3\n", b"4\n5\n"], 2))
    assert chunks == [
        ("rows-00000001-00000002", [b"1", b"2"]),
        ("rows-00000003-00000004", [b"3", b"4"]),
        ("rows-00000005-00000005", [b"5"]),
    ]


def test_a_full_last_chunk_is_not_followed_by_an_empty_one() -> None:
    assert [name for name, _ in batch_chunks([b"1\n2\n"], 2)] == ["rows-00000001-00000002"]
    assert list(batch_chunks([], 2)) == []


def test_a_recipient_without_a_line_feed_at_the_end_is_one() -> None:
    assert list(batch_chunks([b"1\n", b"2"], 2)) == [("rows-00000001-00000002", [b"1", b"2"])]


def test_chunks_are_yielded_while_the_file_is_read() -> None:
    read = []

    def content() -> Iterator[bytes]:
        for piece in (b"1\n", b"2\n", b"3\n"):
            read.append(piece)
            yield piece

    next(batch_chunks(content(), 1))
    assert read == [b"1\n"]


@given(
    st.lists(st.binary(min_size=1).map(lambda row: row.replace(b"\n", b" ")), max_size=60),
    st.lists(st.integers(0, 300), max_size=20),
    st.integers(1, 20),
)
def test_every_recipient_is_in_one_chunk_in_order_for_any_pieces(
    rows: list[bytes], cuts: list[int], rows_per_chunk: int
) -> None:
    content = b"".join(row + b"\n" for row in rows)
    ends = [0, *sorted(min(cut, len(content)) for cut in cuts), len(content)]
    chunks = list(batch_chunks((content[start:end] for start, end in pairwise(ends)), rows_per_chunk))
    assert [row for _, chunk in chunks for row in chunk] == rows
    assert [len(chunk) for _, chunk in chunks[:-1]] == [rows_per_chunk] * (len(chunks) - 1)
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{1,250}", name) for name, _ in chunks)
    assert len({name for name, _ in chunks}) == len(chunks)
    assert chunks == list(batch_chunks([content], rows_per_chunk))
