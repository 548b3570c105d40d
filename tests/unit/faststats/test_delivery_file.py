"""Delivery files are read row by row, and every row is good or has a reason."""

import io
import tracemalloc
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.delivery_file_generator import write_delivery_file
from shared.broadcast import BroadcastRequest
from shared.errors import BridgeError, ColumnMissing, DeliveryFileEmpty, DeliveryFileNotText
from shared.faststats.delivery_file import DeliveryFile, is_address
from shared.rejects import RejectReason

REQUEST = BroadcastRequest(
    key="J1-00000000",
    job_id=1,
    system="Test",
    list_name="Customers",
    message_name="Spring",
    delivery_file="Optimizely_Customers_1.txt",
    urn_column="Urn",
    email_column="Email",
    communication_key_column="Communication Key",
)
HEADER = "Urn\tEmail\tCommunication Key\tName\n"


def read(
    content: str | bytes, request: BroadcastRequest = REQUEST
) -> list[tuple[int, tuple[str, ...], RejectReason | None]]:
    raw = content.encode() if isinstance(content, str) else content
    with DeliveryFile(io.BytesIO(raw), request) as file:
        rows = list(file.rows())
        assert file.rows_read == len(rows)
        return rows


def only(row: str) -> RejectReason | None:
    ((_number, _values, reason),) = read(HEADER + row)
    return reason


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("1\ta@example.org\tk\tAnna\n", None),
        ("1\ta@example.org\tk\t\n", None),
        ("1\ta@example.org\tk\tAnna", None),
        ("1\ta@example.org\tk\tAnna\r\n", None),
        (" 1 \t a@example.org \t k \t Anna \n", None),
        ('1\ta@example.org\tk\t"An"na"\n', None),
        ("1\ta@example.org\tk\n", RejectReason.WRONG_FIELD_COUNT),
        ("1\ta@example.org\tk\tAnna\tmore\n", RejectReason.WRONG_FIELD_COUNT),
        ("\ta@example.org\tk\tAnna\n", RejectReason.URN_MISSING),
        ("1\t\tk\tAnna\n", RejectReason.EMAIL_MISSING),
        ("1\t \tk\tAnna\n", RejectReason.EMAIL_MISSING),
        ("1\ta@example.org\t\tAnna\n", RejectReason.COMMUNICATION_KEY_MISSING),
        ("1\tnobody\tk\tAnna\n", RejectReason.EMAIL_INVALID),
        ("1\ta@example.org\tk\tAn\x07na\n", RejectReason.CONTROL_CHARACTER),
        ("1\ta@example.org\tk\tAn\u0085na\n", RejectReason.CONTROL_CHARACTER),
        ("1\ta@example.org\tk\t" + "x" * 4001 + "\n", RejectReason.VALUE_TOO_LONG),
        ("1\ta@example.org\tk\t" + "x" * 3_000_000 + "\n", RejectReason.VALUE_TOO_LONG),
    ],
)
def test_a_row_is_good_or_has_a_reason(row: str, reason: RejectReason | None) -> None:
    assert only(row) == reason


def test_a_row_beyond_every_length_does_not_stop_the_next() -> None:
    rows = read(HEADER + "x" * 5_000_000 + "\n1\ta@example.org\tk\tAnna\n")
    assert [(number, reason) for number, _, reason in rows] == [(2, RejectReason.VALUE_TOO_LONG), (3, None)]


def test_values_are_stripped_and_tabs_always_divide() -> None:
    ((number, values, _reason),) = read(HEADER + ' 1 \ta@example.org\tk\t "A;B" \n')
    assert (number, values) == (2, ("1", "a@example.org", "k", '"A;B"'))


def test_empty_lines_at_the_end_are_no_rows_but_one_in_between_is() -> None:
    good = "1\ta@example.org\tk\tAnna\n"
    assert len(read(HEADER + good + "\n\r\n\n")) == 1
    assert [(number, reason) for number, _, reason in read(HEADER + "\n" + good)] == [
        (2, RejectReason.WRONG_FIELD_COUNT),
        (3, None),
    ]


@pytest.mark.parametrize(
    "header",
    ["Urn\tEmail\tCommunicationKey\n", "urn\tEMAIL\tcommunication_key\r\n", "\ufeffUrn\tEmail\tCommunication Key\n"],
)
def test_columns_are_found_whatever_their_capitals_and_blanks(header: str) -> None:
    assert [reason for _, _, reason in read(header + "1\ta@example.org\tk\n")] == [None]


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"", DeliveryFileEmpty),
        (b"\n", DeliveryFileEmpty),
        (b"\xef\xbb\xbf", DeliveryFileEmpty),
        (b"Urn\tCommunication Key\n1\tk\n", ColumnMissing),
        (b"Email\tCommunication Key\n1\tk\n", ColumnMissing),
        (b"Urn\tEmail\n1\ta@example.org\n", ColumnMissing),
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", DeliveryFileNotText),
        (HEADER.encode("utf-16"), DeliveryFileNotText),
        (HEADER.encode() + "1\ta@example.org\tk\tJ\xf6rg\n".encode("latin-1"), DeliveryFileNotText),
        (HEADER.encode() + b"1\ta@example.org\tk\tAn\x00na\n", DeliveryFileNotText),
    ],
)
def test_a_file_that_cannot_be_read_says_why_and_nothing_of_its_content(
    content: bytes, error: type[BridgeError]
) -> None:
    with pytest.raises(error) as raised:
        read(content)
    assert "example.org" not in str(raised.value)
    assert raised.value.__cause__ is None


def test_the_line_that_is_no_text_is_named() -> None:
    with pytest.raises(DeliveryFileNotText) as raised:
        read(HEADER.encode() + b"1\ta@example.org\tk\tAnna\n\xff\n")
    assert raised.value.facts["line"] == 3


def test_the_first_row_that_is_taken_is_the_one_that_others_repeat() -> None:
    with DeliveryFile(io.BytesIO(HEADER.encode()), REQUEST) as file:
        assert file.repetition(("1", "a@example.org", "K1", "")) is None
        assert file.repetition(("2", "A@Example.org", "k2", "")) is RejectReason.DUPLICATE_EMAIL
        assert file.repetition(("3", "b@example.org", "k1", "")) is RejectReason.DUPLICATE_COMMUNICATION_KEY
        # What was not taken hides nothing: neither key 2 nor address b was used.
        assert file.repetition(("4", "b@example.org", "k2", "")) is None


@pytest.mark.parametrize(
    "address",
    [
        "a@example.org",
        "a.b+c@mail.example.org",
        "o'neill@example.org",
        "a@bücher.example",
        "a@例え.example",
        "a" * 64 + "@example.org",
    ],
)
def test_what_is_an_address(address: str) -> None:
    assert is_address(address)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "a",
        "@example.org",
        "a@",
        "a@example",
        "a@@example.org",
        "a b@example.org",
        "a@exa mple.org",
        ".a@example.org",
        "a..b@example.org",
        "a@-example.org",
        "a@example..org",
        "a@127.0.0.1",
        "ä@example.org",
        "a" * 65 + "@example.org",
        "a@" + "b" * 250 + ".org",
    ],
)
def test_what_is_no_address(address: str) -> None:
    assert not is_address(address)


@given(st.lists(st.text(st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="\t\r\n"), max_size=20)))
def test_whatever_the_names_every_row_is_accounted_for(names: list[str]) -> None:
    rows = "".join(f"{number}\tp{number}@example.org\tk{number}\t{name}\n" for number, name in enumerate(names))
    found = read(HEADER + rows)
    assert [values[3] for _, values, reason in found if reason is None] == [name.strip(" ") for name in names]


def test_memory_does_not_grow_with_rows(tmp_path: Path) -> None:
    peaks = []
    for rows in (5_000, 50_000):
        write_delivery_file(tmp_path / "file.txt", rows, 1)
        request = BroadcastRequest(
            **{name: getattr(REQUEST, name) for name in REQUEST.__slots__} | {"urn_column": "Kunden ID"}
        )
        tracemalloc.start()
        with (tmp_path / "file.txt").open("rb") as stream, DeliveryFile(stream, request) as file:
            counted = Counter(reason or file.repetition(values) for _, values, reason in file.rows())
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert counted.total() == rows
    assert peaks[1] < peaks[0] * 1.2 + 100_000
