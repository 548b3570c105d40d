"""List files: every value is readable in every layout, or its row is refused; and the names of the files."""

import codecs
import csv
import gzip
import io
from collections.abc import Sequence
from typing import Literal

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from shared.config.channels import ListFileLayout
from shared.errors import ListFileColumnsWrong
from shared.optimizely.lists.csv_file import CsvRows
from shared.rejects import RejectReason
from tests.unit.optimizely.lists.rows import KEY_VALUES, list_field, plan, plan_of_texts

type Encoding = Literal["utf-8", "utf-8-sig", "utf-16", "windows-1252", "iso-8859-1", "iso-8859-15"]

KEYS_WRITTEN = ["anna@example.org", "1", "k1", "J1-ab"]
ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]))
#: Text with many characters that are special in some layout.
TEXT = st.one_of(st.text(st.sampled_from("a;,|\t'\"\r\n äß€Ж")), ANY_TEXT)


@st.composite
def layouts(draw: st.DrawFn) -> ListFileLayout:
    quote: Literal['"', "'", ""] = draw(st.sampled_from(['"', "'", ""]))
    packed = draw(st.booleans())
    encoding: Encoding = draw(
        st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "windows-1252", "iso-8859-1", "iso-8859-15"])
    )
    return ListFileLayout(
        name="{broadcast}.csv.gz" if packed else "{broadcast}.csv",
        delimiter=draw(st.sampled_from(";,|\t^-]\\ a")),
        quote=quote,
        quote_all=draw(st.booleans()) and quote != "",
        encoding=encoding,
        line_end=draw(st.sampled_from(["LF", "CRLF"])),
        gzip=packed,
    )


def line(value: str, layout: ListFileLayout, name: str = "F0") -> bytes | RejectReason:
    """The line of a recipient with this value in a text field."""
    return CsvRows(plan([name], [list_field(name)]), layout).encode([*KEY_VALUES, value])


def read_back(content: bytes, layout: ListFileLayout) -> list[list[str]]:
    """The rows that Python's csv module reads from a file of this layout."""
    text = (gzip.decompress(content) if layout.gzip else content).decode(layout.encoding)
    lines = io.StringIO(text, newline="")
    if layout.quote:
        return list(csv.reader(lines, delimiter=layout.delimiter, quotechar=layout.quote, strict=True))
    return list(csv.reader(lines, delimiter=layout.delimiter, quoting=csv.QUOTE_NONE))


def expressible(values: Sequence[str], layout: ListFileLayout) -> RejectReason | None:
    """Why a layout cannot express these values, as simply as possible."""
    if not layout.quote and any(set(value) & {layout.delimiter, '"', "\r", "\n"} for value in values):
        return RejectReason.NEEDS_QUOTE
    try:
        "".join(values).encode(layout.encoding)
    except UnicodeEncodeError:
        return RejectReason.NOT_ENCODABLE
    return None


# Lines


def test_the_default_layout_is_utf_8_with_semicolons() -> None:
    rows = CsvRows(plan(), ListFileLayout())
    assert rows.header() == b"Email;Urn;CommunicationKey;BroadcastKey\n"
    assert rows.encode(KEY_VALUES) == b"anna@example.org;1;k1;J1-ab\n"
    assert rows.pack(b"as they are") == b"as they are"
    assert rows.finish() == b""


@pytest.mark.parametrize(
    ("value", "written"),
    [("a;b", '"a;b"'), ('a"b', '"a""b"'), ("a\nb", '"a\nb"'), ("a\rb", '"a\rb"'), ("a,b c'", "a,b c'"), ("", "")],
)
def test_a_value_is_quoted_only_where_needed(value: str, written: str) -> None:
    assert line(value, ListFileLayout()) == f"anna@example.org;1;k1;J1-ab;{written}\n".encode()


def test_every_value_can_be_quoted() -> None:
    layout = ListFileLayout(quote="'", quote_all=True, delimiter=",", line_end="CRLF")
    rows = CsvRows(plan_of_texts(1), layout)
    assert rows.header() == b"'Email','Urn','CommunicationKey','BroadcastKey','F0'\r\n"
    assert rows.encode([*KEY_VALUES, "O'Hara"]) == b"'anna@example.org','1','k1','J1-ab','O''Hara'\r\n"


@pytest.mark.parametrize("value", ["a|b", 'a"b', "a\nb", "a\rb"])
def test_without_quotes_a_value_that_needs_one_refuses_the_row(value: str) -> None:
    assert line(value, ListFileLayout(quote="", delimiter="|")) is RejectReason.NEEDS_QUOTE


@pytest.mark.parametrize("value", ["O'Hara", "a;b", ""])
def test_without_quotes_every_other_value_is_written_unchanged(value: str) -> None:
    assert line(value, ListFileLayout(quote="", delimiter="|")) == f"anna@example.org|1|k1|J1-ab|{value}\n".encode()


@pytest.mark.parametrize(
    ("encoding", "value"),
    [("windows-1252", "Ж"), ("iso-8859-1", "€"), ("iso-8859-15", "¤"), ("utf-8", "\ud800"), ("utf-16", "\ud800")],
)
def test_a_character_that_the_encoding_lacks_refuses_the_row(encoding: Encoding, value: str) -> None:
    assert line(value, ListFileLayout(encoding=encoding)) is RejectReason.NOT_ENCODABLE


@pytest.mark.parametrize(
    ("encoding", "head", "codec"),
    [
        ("utf-8", b"", "utf-8"),
        ("utf-8-sig", codecs.BOM_UTF8, "utf-8"),
        ("utf-16", codecs.BOM_UTF16_LE, "utf-16-le"),
        ("windows-1252", b"", "cp1252"),
        ("iso-8859-15", b"", "latin9"),
    ],
)
def test_the_byte_order_mark_is_written_once_at_the_beginning(encoding: Encoding, head: bytes, codec: str) -> None:
    rows = CsvRows(plan(), ListFileLayout(encoding=encoding))
    assert rows.header() == head + "Email;Urn;CommunicationKey;BroadcastKey\n".encode(codec)
    assert rows.encode(KEY_VALUES) == "anna@example.org;1;k1;J1-ab\n".encode(codec)


def test_a_row_that_does_not_fit_its_list_is_refused_before_its_layout_is_checked() -> None:
    rows = CsvRows(plan(["Points"], [list_field("Points", "LONG")]), ListFileLayout(quote=""))
    assert rows.encode([*KEY_VALUES, "a;b"]) is RejectReason.FIELD_TYPE


@pytest.mark.parametrize(
    ("name", "layout"),
    [("Städte", ListFileLayout(quote="", delimiter="d")), ("Города", ListFileLayout(encoding="windows-1252"))],
)
def test_names_of_columns_that_the_layout_cannot_express_are_refused(name: str, layout: ListFileLayout) -> None:
    with pytest.raises(ListFileColumnsWrong, match="the layout cannot express one of their names"):
        CsvRows(plan([name], [list_field(name)]), layout).header()


def test_the_same_lines_give_the_same_gzip_file() -> None:
    layout = ListFileLayout(name="{broadcast}.csv.gz", gzip=True)

    def written(pieces: Sequence[bytes]) -> bytes:
        rows = CsvRows(plan(), layout)
        return b"".join([*map(rows.pack, pieces), rows.finish()])

    once = written([b"a;b\n", b"c;d\n"])
    assert written([b"a;b\n", b"c;d\n"]) == once
    assert once[:4] == b"\x1f\x8b\x08\x00"  # no name and nothing else optional
    assert once[4:8] == bytes(4)  # no time
    assert gzip.decompress(once) == b"a;b\nc;d\n"


def test_gzip_does_not_keep_the_file_in_memory() -> None:
    rows = CsvRows(plan_of_texts(1), ListFileLayout(name="{broadcast}.csv.gz", gzip=True))
    lines = (rows.encode([str(n), f"p{n * 7919}@example.org", f"k{n * 104729}", str(n**5)]) for n in range(20_000))
    packed = [rows.pack(line) for line in lines if isinstance(line, bytes)]
    assert len(rows.finish()) < sum(map(len, packed)) / 4


@given(layouts(), st.integers(1, 4).flatmap(lambda width: st.lists(st.lists(TEXT, min_size=width, max_size=width))))
def test_every_value_is_readable_or_its_row_is_refused(layout: ListFileLayout, recipients: list[list[str]]) -> None:
    rows = CsvRows(plan_of_texts(len(recipients[0]) if recipients else 1), layout)
    assume(layout.quote or layout.delimiter != "a")  # in the names of fields
    assume(layout.quote or layout.delimiter != "-")  # in the broadcast's key
    content = rows.pack(rows.header())
    expected = []
    for values in recipients:
        row = rows.encode([*KEY_VALUES, *values])
        fault = expressible([*KEYS_WRITTEN, *values], layout)
        if fault is not None:
            assert row is fault
        else:
            assert isinstance(row, bytes)
            content += rows.pack(row)
            expected.append([*KEYS_WRITTEN, *values])
    header, *recipients_read = read_back(content + rows.finish(), layout)
    assert header[:4] == ["Email", "Urn", "CommunicationKey", "BroadcastKey"]
    assert recipients_read == expected
