"""Delivery files in every layout: delimiters, quotes, encodings, headers that are none; all that is read back."""

import codecs
import csv
import io
import tracemalloc
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from shared.config.channels import DeliveryFileLayout
from shared.errors import (
    DeliveryFileColumnTwice,
    DeliveryFileEmpty,
    DeliveryFileHeaderBroken,
    DeliveryFileNotText,
    DeliveryFileTooWide,
)
from shared.faststats.delivery_file import DeliveryFile, Row
from shared.rejects import RejectReason
from tests.builders import make_request

COLUMNS = ("Urn", "Email", "Communication Key", "Name")
MIB = 1024 * 1024


class Trickle(io.BytesIO):
    """Gives a few bytes at a time, whatever is asked for."""

    def __init__(self, data: bytes, size: int) -> None:
        super().__init__(data)
        self.size = size

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(self.size if size is None or size < 0 else min(size, self.size))


def read(content: bytes, *, name: str = "file.txt", size: int = MIB, **layout: Any) -> list[Row]:
    with DeliveryFile(Trickle(content, size), make_request(delivery_file=name), DeliveryFileLayout(**layout)) as file:
        rows = list(file.rows())
        assert file.rows_read == len(rows)
    return rows


def file_of(*rows: str, delimiter: str = ";") -> str:
    return "".join(row + "\r\n" for row in (delimiter.join(COLUMNS), *rows))


def names(content: bytes, **layout: Any) -> list[str]:
    """The last value of every row; all of them are good."""
    rows = read(content, **layout)
    assert [reason for _, _, reason in rows] == [None] * len(rows)
    return [values[3] for _, values, _ in rows]


def reasons(*rows: str) -> list[RejectReason | None]:
    return [reason for _, _, reason in read(file_of(*rows).encode(), delimiter=";", quote='"')]


# Delimiters and quotes


@pytest.mark.parametrize("delimiter", ["\t", ";", ",", "|", "~", " ", "¦"])
def test_any_delimiter_splits(delimiter: str) -> None:
    columns = [column.replace(" ", "") for column in COLUMNS]
    content = delimiter.join(columns) + "\n" + delimiter.join(("1", "a@example.org", "k1", "Anna")) + "\n"
    assert names(content.encode(), delimiter=delimiter) == ["Anna"]


def test_without_quotes_a_quotation_mark_is_data() -> None:
    assert names(file_of('1;a@example.org;k1;"Anna').encode(), delimiter=";") == ['"Anna']


def test_quoted_values_hold_delimiters_quotes_and_line_breaks() -> None:
    content = file_of(
        '1;a@example.org;k1;" A;""n""\r\n\r\nna "', '"2";"b@example.org";"k2";"Bob"', '3;c@example.org;k3;5"'
    )
    assert read(content.encode(), delimiter=";", quote='"') == [
        (2, ("1", "a@example.org", "k1", 'A;"n"\n\nna'), None),
        (5, ("2", "b@example.org", "k2", "Bob"), None),
        (6, ("3", "c@example.org", "k3", '5"'), None),
    ]


def test_the_header_may_be_quoted() -> None:
    content = '"Urn","Email","CommunicationKey","Na""m,e"\n1,a@example.org,k1,Anna\n'
    stream = io.BytesIO(content.encode())
    with DeliveryFile(stream, make_request(delivery_file="x"), DeliveryFileLayout(delimiter=",", quote='"')) as file:
        assert file.columns == ("Urn", "Email", "CommunicationKey", 'Na"m,e')


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ('1;a@example.org;k1;"Anna" B', RejectReason.BROKEN_QUOTE),
        ('1;a@example.org;k1;"Anna', RejectReason.BROKEN_QUOTE),
        ('1;a@example.org;k1;"An\rna" B', RejectReason.CONTROL_CHARACTER),
        ("1;a@example.org;k1;An\rna", RejectReason.CONTROL_CHARACTER),
        ('1;a@example.org;k1;"An\x1bna"', RejectReason.CONTROL_CHARACTER),
        ('"1;a@example.org";k1;Anna', RejectReason.WRONG_FIELD_COUNT),
        ('1;"";k1;Anna', RejectReason.EMAIL_MISSING),
        ('1;a@example.org;k1;"' + "a" * 4001 + '"', RejectReason.VALUE_TOO_LONG),
        ('1;a@example.org;k1;"' + "a" * 200_000 + '"', RejectReason.VALUE_TOO_LONG),
        ('1;a@example.org;k1;"' + "a" * 2 * MIB + '"', RejectReason.VALUE_TOO_LONG),
        ("", RejectReason.WRONG_FIELD_COUNT),
    ],
    ids=range(11),
)
def test_a_bad_row_has_its_reason_and_the_next_is_read(row: str, reason: RejectReason) -> None:
    assert reasons(row, "2;b@example.org;k2;Bob") == [reason, None]


def test_a_row_with_broken_quotes_is_kept_as_it_is() -> None:
    broken = '1;a@example.org;k1;"Anna" B'
    ((_, values, _),) = read(file_of(broken).encode(), delimiter=";", quote='"')
    assert values == (broken,)


@pytest.mark.parametrize("between", [0, 1, 1000])
def test_a_quote_that_is_never_closed_swallows_no_other_row(between: int) -> None:
    good = [f"{number};x{number}@example.org;k{number};X" for number in range(between)]
    found = reasons('1;a@example.org;k;"Anna', *good, '2;b@example.org;k;"B"')
    assert found == [RejectReason.BROKEN_QUOTE, *[None] * between, None]


def test_what_may_be_two_rows_or_one_goes_to_nobody() -> None:
    # Read as one row, Anna would be greeted with the address of Bob. Read as two, whoever can write a line break into
    # the name of Anna could add recipients.
    doubtful = '1;a@example.org;k1;"Anna\r\n2;b@example.org;k2;Bob\r\n3;c@example.org;k3;Carl"'
    rows = read(file_of(doubtful, "4;d@example.org;k4;Dora").encode(), delimiter=";", quote='"')
    assert rows == [
        (2, (doubtful.replace("\r", ""),), RejectReason.BROKEN_QUOTE),
        (5, ("4", "d@example.org", "k4", "Dora"), None),
    ]


# Encodings

ROW = "1;a@example.org;k1;Jörg €"


@pytest.mark.parametrize(
    ("said", "mark", "codec"),
    [
        ("utf-8", b"", "utf-8"),
        ("utf-8", codecs.BOM_UTF8, "utf-8"),
        ("utf-16", b"", "utf-16-le"),
        ("utf-16", codecs.BOM_UTF16_LE, "utf-16-le"),
        ("utf-16", codecs.BOM_UTF16_BE, "utf-16-be"),
        ("windows-1252", b"", "cp1252"),
        # A BOM wins over what the channel says.
        ("windows-1252", codecs.BOM_UTF8, "utf-8"),
        ("windows-1252", codecs.BOM_UTF16_LE, "utf-16-le"),
        ("utf-8", codecs.BOM_UTF16_BE, "utf-16-be"),
        ("utf-16", codecs.BOM_UTF8, "utf-8"),
    ],
)
@pytest.mark.parametrize("size", [1, 3, MIB])
def test_every_encoding_is_read(said: str, mark: bytes, codec: str, size: int) -> None:
    content = mark + file_of(ROW).encode(codec)
    assert names(content, encoding=said, delimiter=";", size=size) == ["Jörg €"]


@pytest.mark.parametrize("name", ["x.txt.converted", "X.TXT.CONVERTED", "x.txt.converted.zip", "x.txt.converted.gz"])
def test_what_faststats_has_converted_is_utf_8_whatever_the_channel_says(name: str) -> None:
    assert names(file_of(ROW).encode(), name=name, encoding="windows-1252", delimiter=";") == ["Jörg €"]


def test_a_converted_file_that_is_no_utf_8_is_refused() -> None:
    with pytest.raises(DeliveryFileNotText):
        read(file_of(ROW).encode("cp1252"), name="x.txt.converted", encoding="windows-1252", delimiter=";")


@pytest.mark.parametrize(
    ("said", "content", "called", "line"),
    [
        ("utf-8", file_of(ROW).encode("cp1252"), "UTF-8", 2),
        ("utf-8", file_of(ROW).encode("utf-16-le"), "UTF-8", 1),
        ("windows-1252", file_of(ROW).encode("cp1252") + b"1;b\x81\n", "windows-1252", 3),
        ("windows-1252", file_of(ROW).encode("utf-16-le"), "windows-1252", 1),
        ("utf-16", file_of(ROW).encode("utf-16-le") + b"\x00\xd8\x00\x00", "UTF-16", 3),
        ("utf-16", file_of(ROW).encode("utf-16-le") + b"\x00\xd8x\x00", "UTF-16", 3),
        ("utf-16", file_of(ROW).encode("utf-16-le") + "\0".encode("utf-16-le"), "UTF-16", 3),
        ("utf-8", codecs.BOM_UTF16_BE + file_of(ROW).encode("utf-16-be") + b"\xd8\x00\x00x", "UTF-16", 3),
        ("utf-8", codecs.BOM_UTF32_LE + file_of(ROW).encode("utf-32-le"), "UTF-16", 1),
    ],
    ids=range(9),
)
@pytest.mark.parametrize("size", [1, MIB])
def test_what_is_no_text_in_the_encoding_is_reported_with_its_line(
    said: str, content: bytes, called: str, line: int, size: int
) -> None:
    with pytest.raises(DeliveryFileNotText) as caught:
        read(content, encoding=said, delimiter=";", size=size)
    facts = caught.value.fields()
    assert (facts["encoding"], facts["line"]) == (called, line)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize("cut", [3, 4, 5, 8])
@pytest.mark.parametrize("size", [1, MIB])
def test_only_the_last_line_of_a_truncated_file_is_rejected(encoding: str, cut: int, size: int) -> None:
    content = file_of(ROW, ROW).encode("utf-8" if encoding == "utf-8" else "utf-16-le")[:-cut]
    reasons = [reason for _, _, reason in read(content, encoding=encoding, delimiter=";", size=size)]
    assert reasons == [None, RejectReason.LINE_UNFINISHED]


def test_both_lines_of_a_quoted_value_that_is_truncated_are_rejected() -> None:
    rows = read((file_of(ROW) + '2;b@example.org;k2;"B\nob').encode(), delimiter=";", quote='"')
    assert rows[1:] == [
        (3, ('2;b@example.org;k2;"B',), RejectReason.BROKEN_QUOTE),
        (4, ("ob",), RejectReason.LINE_UNFINISHED),
    ]


@pytest.mark.parametrize("mark", [b"", codecs.BOM_UTF8, codecs.BOM_UTF16_LE])
def test_a_file_of_a_bom_alone_is_empty(mark: bytes) -> None:
    with pytest.raises(DeliveryFileEmpty):
        read(mark)


# Headers that are none


def test_any_name_that_is_there_twice_is_reported_by_its_positions() -> None:
    with pytest.raises(DeliveryFileColumnTwice) as caught:
        read(b"Urn\tanna\tEmail\tCommunication Key\t anna \n")
    assert caught.value.fields() == {"file": "file.txt", "first": 2, "second": 5}
    assert "anna" not in str(caught.value)


def test_columns_without_a_name_are_not_the_same() -> None:
    assert read(b"Urn\tEmail\tCommunication Key\t\t\n1\ta@example.org\tk\t\t\n")[0][2] is None


def test_a_header_may_have_a_thousand_columns_and_no_more() -> None:
    more = "".join(f"\tc{number}" for number in range(997))
    assert read(f"Urn\tEmail\tCommunication Key{more}\n".encode()) == []
    with pytest.raises(DeliveryFileTooWide) as caught:
        read(f"Urn\tEmail\tCommunication Key{more}\tx\n".encode())
    assert caught.value.fields() == {"file": "file.txt", "columns": 1001, "most": 1000}


@pytest.mark.parametrize("header", ['Urn;Email;"Communication Key', 'Urn;Email;"Communication" Key'])
def test_a_header_with_broken_quotes_is_none(header: str) -> None:
    with pytest.raises(DeliveryFileHeaderBroken):
        read(f"{header}\n1;a@example.org;k\n".encode(), delimiter=";", quote='"')


# Properties

LAYOUTS = st.builds(
    DeliveryFileLayout,
    delimiter=st.sampled_from("\t;,|"),
    quote=st.sampled_from(['"', ""]),
    encoding=st.sampled_from(["utf-8", "utf-16", "windows-1252"]),
)
#: Characters that windows-1252 has, those that mean something among them, and every one that others have.
NARROW = st.text(st.sampled_from("ab ÄßŸ€'\";,|~\t\n"), max_size=12)
WIDE = st.text(st.characters(exclude_categories=["Cs", "Cc"]) | st.sampled_from('\n\t";,|'), max_size=12)


def written(table: Sequence[Sequence[str]], layout: DeliveryFileLayout, quoting: Any, end: str) -> str:
    file = io.StringIO()
    if layout.quote:
        csv.writer(file, delimiter=layout.delimiter, lineterminator=end, quoting=quoting).writerows(table)
    else:
        file.writelines(layout.delimiter.join(values) + end for values in table)
    return file.getvalue()


@settings(deadline=None)
@given(data=st.data(), layout=LAYOUTS, mark=st.booleans(), size=st.integers(1, 99))
def test_a_file_in_any_layout_reads_back_the_same_rows_however_its_bytes_come(
    data: st.DataObject, layout: DeliveryFileLayout, mark: bool, size: int
) -> None:
    quoting = data.draw(st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]))
    end = data.draw(st.sampled_from(["\n", "\r\n"]))
    found = data.draw(st.lists(NARROW if layout.encoding == "windows-1252" and not mark else WIDE, max_size=8))
    if layout.quote:
        # As many delimiters in one line of a value as a row has make it doubtful.
        assume(all(line.count(layout.delimiter) < 2 for one in found for line in one.split("\n")))
    else:
        found = [one.replace(layout.delimiter, "").replace("\n", "") for one in found]
    table = [(str(number), f"x{number}@example.org", f"k{number}", name) for number, name in enumerate(found)]
    content = written([COLUMNS, *table], layout, quoting, end)
    codec = {"utf-16": "utf-16-le"}.get(layout.encoding, layout.encoding)
    if mark and layout.encoding == "windows-1252":
        codec = "utf-8"
    data_bytes = ("\ufeff" * mark + content).encode(codec)
    rows = read(data_bytes, size=size, **layout.model_dump())
    assert [(values, reason) for _, values, reason in rows] == [
        (tuple(value.strip(" ") for value in values), None) for values in table
    ]


@settings(deadline=None)
@given(st.text(st.sampled_from('a1;"\r\n\x1bß@.'), max_size=60), st.integers(1, 9), st.sampled_from(['"', ""]))
def test_any_split_of_reads_gives_the_same_rows(content: str, size: int, quote: str) -> None:
    data = file_of(content).encode()
    assert read(data, size=size, delimiter=";", quote=quote) == read(data, delimiter=";", quote=quote)


@settings(deadline=None)
@given(st.text(st.sampled_from('a1;"\r\n'), max_size=60))
def test_no_line_of_a_file_with_quotes_is_lost(content: str) -> None:
    data = file_of(content, "1;z@example.org;z;Z").encode()
    rows = read(data, delimiter=";", quote='"')
    assert rows[-1][1][-1].endswith("Z")
    assert [line for line, _, _ in rows] == sorted({line for line, _, _ in rows})


def generated(rows: int) -> Iterator[bytes]:
    yield file_of().encode("utf-16-le")
    for number in range(rows):
        yield f'{number};x{number}@example.org;k{number};"line\nbreak"\r\n'.encode("utf-16-le")


class Stream:
    """A file that is made while it is read."""

    def __init__(self, rows: int) -> None:
        self._pieces = generated(rows)

    def read(self, size: int = -1, /) -> bytes:
        del size
        return next(self._pieces, b"")


def test_memory_does_not_grow_with_rows_in_a_layout_with_quotes() -> None:
    layout = DeliveryFileLayout(delimiter=";", quote='"', encoding="utf-16")
    peaks = []
    for rows in (2_000, 20_000):
        tracemalloc.start()
        try:
            with DeliveryFile(Stream(rows), make_request(delivery_file="x"), layout) as file:
                assert sum(reason is None for _, _, reason in file.rows()) == rows
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
    assert peaks[1] <= 1.2 * peaks[0]
