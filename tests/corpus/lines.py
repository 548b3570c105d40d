"""Lines: line ends, truncated files, blank lines, lines without end, control characters."""

from tests.corpus.case import ANNA, BERT, CLEO, HEADER, SHORT_HEADER, Case, loaded, refused, written

#: A megabyte and no line end.
LONG = "M" * 1_000_000
LAYOUT_CODE = "response-file-layout"
#: Twenty details, and the beginning of a row: 24 characters, which 19 delimiters follow.
MANY_HEADER = ";".join((SHORT_HEADER, *(f"Detail {number}" for number in range(20))))
MANY_BEGIN = "1;Open;01.03.2026 12:30;"


def many(length: int) -> str:
    """A row of this length in which no value is too long."""
    values = ["x" * 4000] * 16 + ["x" * (length - 64_000 - 24 - 19)] + [""] * 3
    return MANY_BEGIN + ";".join(values)


LINES: dict[str, Case] = {
    "a file as it should be": Case(
        content=written(ANNA, BERT, CLEO),
        rows_read=3,
        rows_good=3,
        values=(
            {"urn": "1", "communication_key": "K1", "message_type": "Open", "details": {"Browser": "Firefox"}},
            {"urn": "2", "communication_key": "K2", "message_type": "Click", "details": {"Browser": "Chrome"}},
            {"urn": "3", "communication_key": "K3", "message_type": "Bounce", "details": {}},
        ),
    ),
    "the last line is cut off, so that fields are missing": Case(
        content=written(ANNA, BERT) + b"3;K3;Bounce;02.03.20",
        rows_read=3,
        rows_good=2,
        rejects=((4, "line-unfinished", ""),),
    ),
    "the last line is cut off within its date, the last field": Case(
        content=written("1;Open;01.03.2026 12:30", header=SHORT_HEADER) + b"2;Click;01.03.2026 12:",
        rows_read=2,
        rows_good=1,
        rejects=((3, "line-unfinished", ""),),
    ),
    "the last line has no end": Case(
        content=written(ANNA, BERT, CLEO)[:-1],
        rows_read=3,
        rows_good=2,
        rejects=((4, "line-unfinished", ""),),
        values=({"urn": "1"}, {"urn": "2"}),
    ),
    "the last line has no end, and need not have one": loaded(
        written(ANNA, BERT, CLEO)[:-1], 3, layout='last_line = "may-end-without"'
    ),
    "the last line is cut off within its date, and need not have an end": Case(
        content=written("1;Open;01.03.2026 12:30", header=SHORT_HEADER) + b"2;Click;01.03.2026 12:",
        layout='last_line = "may-end-without"',
        rows_read=2,
        rows_good=1,
        rejects=((3, "date-invalid", "EventTriggeredDate"),),
    ),
    "the last line is cut off within a number, so that it looks like another one": Case(
        content=(
            b"CommunicationKey;MessageType;EventTriggeredDate;ClickUrl;Urn\n"
            b"K1;Click;01.03.2026 12:30;https://example.org/spring;100001\n"
            b"K2;Click;01.03.2026 12:31;https://example.org/spring;100002\n"
            b"K3;Click;01.03.2026 12:32;https://example.org/spring;1000"
        ),
        rows_read=3,
        rows_good=2,
        rejects=((4, "line-unfinished", ""),),
        values=({"urn": "100001"}, {"urn": "100002"}),
    ),
    "the last line is cut off within a quoted value of two lines": Case(
        content=written(ANNA) + b'2;K2;Click;01.03.2026 12:31;"Chrome\nand mo',
        rows_read=2,
        rows_good=1,
        rejects=((3, "line-unfinished", ""),),
    ),
    "the last line is cut off after a quote that may be doubled": Case(
        content=written(ANNA) + b'2;K2;Click;01.03.2026 12:31;"Chrome"',
        rows_read=2,
        rows_good=1,
        rejects=((3, "line-unfinished", ""),),
    ),
    "the only line of a file without a header has no end": Case(
        content=b"1;Open;01.03.2026 12:30",
        layout='columns = ["Urn", "MessageType", "EventTriggeredDate"]',
        rows_read=1,
        rows_good=0,
        rejects=((1, "line-unfinished", ""),),
    ),
    "a last line of spaces without an end": Case(
        content=written(ANNA) + b"  ", rows_read=2, rows_good=1, rejects=((3, "line-unfinished", ""),)
    ),
    "line ends of Windows": loaded(written(ANNA, BERT, CLEO, end="\r\n"), 3),
    "the last line ends in a carriage return only": loaded(written(ANNA, BERT, CLEO)[:-1] + b"\r", 3),
    "line ends of Windows and of Unix mixed": loaded(f"{HEADER}\r\n{ANNA}\n{BERT}\r\n{CLEO}\n".encode(), 3),
    "line ends of old Macintoshes": refused(LAYOUT_CODE, written(ANNA, BERT, end="\r")),
    "one line ends in a bare carriage return": Case(
        content=f"{HEADER}\n{ANNA}\r{BERT}\n{CLEO}\n".encode(),
        rows_read=2,
        rows_good=1,
        rejects=((2, "control-character", ""),),
        values=({"urn": "3"},),
    ),
    "every line end comes twice as a carriage return": Case(
        content=f"{HEADER}\r\n{ANNA}\r\r\n{BERT}\r\n".encode(),
        rows_read=2,
        rows_good=1,
        rejects=((2, "control-character", ""),),
        values=({"urn": "2"},),
    ),
    "NUL bytes in a value": Case(
        content=written(ANNA, "2;K\x002;Click;01.03.2026 12:31;Chrome", CLEO),
        rows_read=3,
        rows_good=2,
        rejects=((3, "control-character", ""),),
        values=({"urn": "1"}, {"urn": "3"}),
    ),
    "a block of NUL bytes after the last row, as after a crash": Case(
        content=written(ANNA, BERT) + bytes(4096),
        rows_read=3,
        rows_good=2,
        rejects=((4, "line-unfinished", ""),),
    ),
    "escapes, form feeds and a delete in values": Case(
        content=written(ANNA + "\x1b[2J", BERT + "\x0c", ANNA + "\x7f", CLEO + "\x1a"),
        rows_read=4,
        rows_good=0,
        rejects=tuple((line, "control-character", "") for line in (2, 3, 4, 5)),
    ),
    "a tab within a value": Case(
        content=written(CLEO + "Fire\tfox"), rows_read=1, rows_good=1, values=({"details": {"Browser": "Fire\tfox"}},)
    ),
    "separators of Unicode, which end no line": Case(
        content=written(CLEO + "a\u2028b\u2029c", BERT),
        rows_read=2,
        rows_good=2,
        values=({"details": {"Browser": "a\u2028b\u2029c"}}, {"urn": "2"}),
    ),
    "the next-line character of mainframes": Case(
        content=written(CLEO + "a\x85b", BERT), rows_read=2, rows_good=1, rejects=((2, "control-character", ""),)
    ),
    "blank lines in the middle": Case(
        content=written(ANNA, "", "", BERT),
        rows_read=4,
        rows_good=2,
        rejects=((3, "wrong-field-count", ""), (4, "wrong-field-count", "")),
        values=({"urn": "1"}, {"urn": "2"}),
    ),
    "blank lines of Windows in the middle": Case(
        content=written(ANNA, "", BERT, end="\r\n"), rows_read=3, rows_good=2, rejects=((3, "wrong-field-count", ""),)
    ),
    "blank lines at the end": loaded(written(ANNA, BERT, "", "", ""), 2),
    "a line of spaces in the middle": Case(
        content=written(ANNA, "   ", BERT), rows_read=3, rows_good=2, rejects=((3, "wrong-field-count", ""),)
    ),
    "a line of delimiters only": Case(
        content=written(ANNA, ";;;;", BERT), rows_read=3, rows_good=2, rejects=((3, "type-missing", "MessageType"),)
    ),
    "a line with the number of rows after the last row": Case(
        content=written(ANNA, BERT, "2 rows"), rows_read=3, rows_good=2, rejects=((4, "wrong-field-count", ""),)
    ),
    "a value of a megabyte": Case(
        content=written(CLEO + LONG, BERT),
        rows_read=2,
        rows_good=1,
        rejects=((2, "value-too-long", ""),),
        values=({"urn": "2"},),
    ),
    "a line of a megabyte without a delimiter": Case(
        content=written(ANNA, LONG, BERT),
        rows_read=3,
        rows_good=2,
        rejects=((3, "value-too-long", ""),),
        values=({"urn": "1"}, {"urn": "2"}),
    ),
    "a line of a megabyte at the end, without an end": Case(
        content=written(ANNA) + LONG.encode(), rows_read=2, rows_good=1, rejects=((3, "value-too-long", ""),)
    ),
    "rows of many values, as long as a line may be and one character longer": Case(
        content=written(many(65_536), many(65_537), many(65_536), header=MANY_HEADER, end="\r\n"),
        rows_read=3,
        rows_good=2,
        rejects=((3, "value-too-long", ""),),
    ),
    "a megabyte without any line end": refused(LAYOUT_CODE, LONG.encode()),
    "an empty file": refused(LAYOUT_CODE, b""),
    "nothing but spaces": refused(LAYOUT_CODE, b"  \n   \n\t\n"),
    "nothing but line ends": refused(LAYOUT_CODE, b"\r\n\r\n\r\n"),
    "a blank line before the header": refused(LAYOUT_CODE, b"\n" + written(ANNA)),
    "a header and nothing else": Case(content=written()),
    "a header without an end and nothing else": Case(content=HEADER.encode()),
    "a header and blank lines": Case(content=written("", "")),
}
