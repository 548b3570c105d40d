"""Delivery files: which rows are taken, which are not and why, and which files are no delivery files."""

import io
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.broadcast import BroadcastRequest
from shared.errors import BridgeError, ColumnMissing, DeliveryFileEmpty, DeliveryFileNotText
from shared.faststats.delivery_file import DeliveryFile, Row, SeenKeys, is_address
from shared.rejects import RejectReason

REQUEST = BroadcastRequest(
    key="J7-0123abcd",
    job_id=7,
    system="Holidays",
    list_name="Customers",
    message_name="Spring",
    delivery_file="Optimizely_Customers.txt",
    urn_column="Kunden ID",
    email_column="Email",
    communication_key_column="CommunicationKey",
)
HEADER = b"Kunden ID\tEmail\tCommunication Key\tName\n"
BOM = b"\xef\xbb\xbf"
#: A value as FastStats can write it: no tab, line end or control character, no blanks around it.
VALUES = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=30).map(lambda text: text.strip(" "))


def line(urn: str = "1", email: str = "a@example.org", key: str = "K1", name: str = "Zoë") -> bytes:
    return f"{urn}\t{email}\t{key}\t{name}\n".encode()


def read(content: bytes) -> list[Row]:
    with DeliveryFile(io.BytesIO(content), REQUEST) as delivery:
        rows = list(delivery.rows())
    assert delivery.rows_read == len(rows)
    return rows


def reasons(*lines: bytes) -> list[RejectReason | None]:
    return [reason for _number, _values, reason in read(HEADER + b"".join(lines))]


def taken(*lines: bytes) -> list[RejectReason | None]:
    """As the caller does it: only a row that nothing else speaks against is asked whether it repeats one."""
    with DeliveryFile(io.BytesIO(HEADER + b"".join(lines)), REQUEST) as delivery:
        return [reason or delivery.repetition(values) for _number, values, reason in delivery.rows()]


@pytest.mark.parametrize("bom", [b"", BOM])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("last", [b"", b"END", b"ENDENDEND"])
def test_marks_and_line_ends_make_no_difference(bom: bytes, end: bytes, last: bytes) -> None:
    content = bom + HEADER.replace(b"\n", end) + line().replace(b"\n", end)
    content += b"2\tb@example.org\tK2\tx" + last.replace(b"END", end)
    assert read(content) == [
        (2, ("1", "a@example.org", "K1", "Zoë"), None),
        (3, ("2", "b@example.org", "K2", "x"), None),
    ]


@given(st.lists(st.tuples(VALUES, VALUES)))
def test_every_row_comes_back_as_it_was_written(names: Sequence[tuple[str, str]]) -> None:
    content = HEADER.replace(b"Name", b"Name\tMore")
    for number, (name, more) in enumerate(names):
        content += f"{number}\tp{number}@example.org\tK{number}\t{name}\t{more}\r\n".encode()
    rows = read(content)
    assert [values[3:] for _number, values, _reason in rows] == list(names)
    assert [number for number, _values, _reason in rows] == list(range(2, len(names) + 2))
    assert all(reason is None for _number, _values, reason in rows)


@pytest.mark.parametrize("name", ["CommunicationKey", "communication_key", "COMMUNICATION KEY", " Communication Key "])
def test_columns_are_found_whatever_their_spelling(name: str) -> None:
    header = f"Name\t{name}\tE_MAIL\tkundenid\n".encode()
    with DeliveryFile(io.BytesIO(header), REQUEST) as delivery:
        assert (delivery.urn, delivery.email, delivery.communication_key) == (3, 2, 1)
        assert delivery.columns == ("Name", name.strip(), "E_MAIL", "kundenid")
        assert list(delivery.rows()) == []


@pytest.mark.parametrize("missing", [b"Kunden ID", b"Email", b"Communication Key"])
def test_a_column_that_is_needed_and_missing_is_named(missing: bytes) -> None:
    with pytest.raises(ColumnMissing) as raised:
        DeliveryFile(io.BytesIO(HEADER.replace(missing, b"Other")), REQUEST)
    assert raised.value.facts["file"] == REQUEST.delivery_file
    assert str(raised.value.facts["column"]).replace(" ", "") == missing.decode().replace(" ", "")


@pytest.mark.parametrize("content", [b"", BOM, b"\n", b"\r\n", b"  \r\n" + line()])
def test_a_file_without_header_is_empty(content: bytes) -> None:
    with pytest.raises(DeliveryFileEmpty):
        DeliveryFile(io.BytesIO(content), REQUEST)


@pytest.mark.parametrize(
    ("content", "number"),
    [
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", 1),
        ((HEADER + line()).decode().encode("utf-16"), 1),
        ((HEADER + line()).decode().encode("utf-16-le"), 1),
        (HEADER + line() + line(name="Größmann").decode().encode("latin-1"), 3),
        (HEADER + line() + line() + line(name="nu\x00ll"), 4),
        (HEADER + line(name="\x00"), 2),
    ],
)
def test_what_is_no_utf8_text_is_refused_with_its_line_and_without_its_data(content: bytes, number: int) -> None:
    with pytest.raises(DeliveryFileNotText) as raised:
        read(content)
    assert raised.value.facts == {"file": REQUEST.delivery_file, "encoding": "UTF-8", "line": number}
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__ or raised.value.__context__ is None


def test_no_data_is_in_the_text_of_an_error() -> None:
    with pytest.raises(BridgeError) as raised:
        read(HEADER + line(email="secret@example.org", name="Geheim").replace(b"Geheim", b"Gehe\xffim"))
    assert "secret" not in str(raised.value)
    assert "Gehe" not in str(raised.value)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (line(), None),
        (line(name='5" pipe; "x'), None),
        (line(name="x" * 4000), None),
        (line(name="\u2028\u00a0\u200f"), None),
        (b"1\ta@example.org\tK1\n", RejectReason.WRONG_FIELD_COUNT),
        (line(name="a\tb"), RejectReason.WRONG_FIELD_COUNT),
        (line(urn=" "), RejectReason.URN_MISSING),
        (line(key="  "), RejectReason.COMMUNICATION_KEY_MISSING),
        (line(email=""), RejectReason.EMAIL_MISSING),
        (line(email="nobody"), RejectReason.EMAIL_INVALID),
        (line(name="x" * 4001), RejectReason.VALUE_TOO_LONG),
        *[(line(name=f"a{sign}b"), RejectReason.CONTROL_CHARACTER) for sign in "\x01\x07\x0b\x1f\x7f\x85\x9f"],
        (line(name="a\rb"), RejectReason.CONTROL_CHARACTER),
    ],
)
def test_every_reason(row: bytes, reason: RejectReason | None) -> None:
    assert reasons(row) == [reason]


def test_surrounding_blanks_are_no_part_of_a_value() -> None:
    assert read(HEADER + line(email="  a@example.org ", name=" x y "))[0][1] == ("1", "a@example.org", "K1", "x y")


@pytest.mark.parametrize("size", [1024 * 1024 - 25, 1024 * 1024, 3 * 1024 * 1024 + 17])
def test_a_huge_row_is_rejected_and_the_next_one_read(size: int) -> None:
    number, _values, reason = read(HEADER + line(name="x" * size) + line(key="K2"))[0]
    assert (number, reason) == (2, RejectReason.VALUE_TOO_LONG)
    assert read(HEADER + line(name="x" * size) + line(key="K2"))[1:] == [(3, ("1", "a@example.org", "K2", "Zoë"), None)]


def test_a_huge_last_row_is_one_row_without_values() -> None:
    assert read(HEADER + b"x" * 2_500_000) == [(2, (), RejectReason.VALUE_TOO_LONG)]


def test_a_huge_row_is_not_kept_in_memory() -> None:
    class Endless(io.RawIOBase):
        """A header, then 64 MiB without a line end."""

        left = 64 * 1024 * 1024

        def readable(self) -> bool:
            return True

        def readinto(self, buffer: bytearray) -> int:  # type: ignore[override] # memoryview and such as well
            if self.left == 64 * 1024 * 1024:
                self.left -= 1
                buffer[: len(HEADER)] = HEADER
                return len(HEADER)
            size = min(len(buffer), self.left)
            self.left -= size
            buffer[:size] = b"x" * size
            return size

    stream = io.BufferedReader(cast("io.RawIOBase", Endless()))
    tracemalloc.start()
    try:
        with DeliveryFile(stream, REQUEST) as delivery:
            assert [reason for _number, _values, reason in delivery.rows()] == [RejectReason.VALUE_TOO_LONG]
        assert tracemalloc.get_traced_memory()[1] < 6 * 1024 * 1024
    finally:
        tracemalloc.stop()


def test_an_empty_line_is_a_row_unless_only_such_follow() -> None:
    rows = read(HEADER + b"\n\r\n" + line() + b"\n\r\n\n")
    assert [(number, reason) for number, _values, reason in rows] == [
        (2, RejectReason.WRONG_FIELD_COUNT),
        (3, RejectReason.WRONG_FIELD_COUNT),
        (4, None),
    ]


@pytest.mark.parametrize(
    "address",
    [
        "a@b.co",
        "first.last+tag@mail.example.org",
        "o'neill@example.org",
        "x" * 64 + "@example.org",
        "a@bücher.example",
        "a@例え.テスト",
        "a@xn--bcher-kva.example",
        "A@EXAMPLE.ORG",
        "1@2.example",
        "a@" + "x" * 63 + ".org",
    ],
)
def test_addresses(address: str) -> None:
    assert is_address(address)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "a",
        "@",
        "a@",
        "@example.org",
        "a@@example.org",
        "a@b@example.org",
        "a b@example.org",
        "a@exa mple.org",
        "a@example",
        "a@example.",
        "a@.example.org",
        "a@example..org",
        "a@-example.org",
        "a@example-.org",
        "a@exam_ple.org",
        "a@example.123",
        ".a@example.org",
        "a.@example.org",
        "a..b@example.org",
        "ä@example.org",
        "x" * 65 + "@example.org",
        "a@" + "x" * 64 + ".org",
        "a@" + "ü" * 63 + ".example",
        "a@" + ".".join(["x" * 60] * 5),
        "a@" + ".".join(["ü" * 40] * 6) + ".example",
        "a@example.org\n",
        "a;b@example.org",
        '"a b"@example.org',
    ],
)
def test_no_addresses(address: str) -> None:
    assert not is_address(address)


@given(st.text(max_size=80), st.text(max_size=80))
def test_no_text_breaks_the_check_of_addresses(local: str, domain: str) -> None:
    assert is_address(f"{local}@{domain}") in {True, False}


def test_the_first_good_row_wins_over_later_ones() -> None:
    assert taken(
        line(urn="", key="K1"),  # is not taken, hides nobody
        line(email="a@example.org", key="K1"),
        line(email="A@Example.ORG", key="K2"),
        line(email="b@example.org", key="k1"),
        line(email="b@example.org", key="K2"),  # both are free: the rows that had them were not taken
        line(email="B@example.org", key="K2"),
    ) == [
        RejectReason.URN_MISSING,
        None,
        RejectReason.DUPLICATE_EMAIL,
        RejectReason.DUPLICATE_COMMUNICATION_KEY,
        None,
        RejectReason.DUPLICATE_EMAIL,
    ]


def test_an_address_is_no_repetition_of_a_key() -> None:
    assert taken(
        line(email="a@example.org", key="b@example.org"), line(email="b@example.org", key="a@example.org")
    ) == [
        None,
        None,
    ]


@given(st.lists(st.tuples(st.sampled_from("xy"), st.text(max_size=2))))
def test_seen_keys_are_those_that_were_added(values: Sequence[tuple[str, str]]) -> None:
    seen, expected = SeenKeys(), set[tuple[str, str]]()
    try:
        for kind, value in values:
            assert seen.has(kind, value) == ((kind, value) in expected)
            assert seen.add(kind, value) == ((kind, value) not in expected)
            expected.add((kind, value))
    finally:
        seen.close()


def test_the_stream_stays_open_for_who_opened_it() -> None:
    stream = io.BytesIO(HEADER + line())
    with DeliveryFile(stream, REQUEST) as delivery:
        list(delivery.rows())
    assert not stream.closed


class Lines(io.RawIOBase):
    """A delivery file of any size that exists nowhere."""

    def __init__(self, lines: Iterator[bytes]) -> None:
        self._lines = lines
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override] # memoryview and such as well
        self._rest = self._rest or next(self._lines, b"")
        size = min(len(buffer), len(self._rest))
        buffer[:size], self._rest = self._rest[:size], self._rest[size:]
        return size


def peak(lines: Iterator[bytes]) -> int:
    stream = io.BufferedReader(cast("io.RawIOBase", Lines(lines)))
    tracemalloc.start()
    try:
        with DeliveryFile(stream, REQUEST) as delivery:
            for _number, values, reason in delivery.rows():
                if reason is None:
                    delivery.repetition(values)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def good(rows: int) -> Iterator[bytes]:
    yield HEADER
    for number in range(rows):
        yield line(urn=str(number), email=f"p{number}@example.org", key=f"K{number}")


def empty(rows: int) -> Iterator[bytes]:
    yield HEADER
    for _number in range(rows):
        yield b"\r\n"
    yield line()


@pytest.mark.parametrize("lines", [good, empty])
def test_memory_does_not_grow_with_rows(lines: Callable[[int], Iterator[bytes]]) -> None:
    peak(lines(10_000))  # what is built once
    assert peak(lines(60_000)) <= 1.2 * peak(lines(6_000))
