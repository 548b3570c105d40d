"""Quotes: values with delimiters, line ends and quotes; quotes that are never closed, or much later."""

from tests.corpus.case import ANNA, BERT, CLEO, HEADER, SHORT_HEADER, Case, loaded, refused, written

#: A row whose detail begins a quoted value and does not close it.
OPEN_QUOTE = '1;K1;Open;01.03.2026 12:30;"Fire'


def detail(text: str, value: str, layout: str = "") -> Case:
    """A row with this text as its last cell and its value, then another row."""
    return Case(
        content=written(f"1;K1;Open;01.03.2026 12:30;{text}", BERT),
        layout=layout,
        rows_read=2,
        rows_good=2,
        values=({"urn": "1", "details": {"Browser": value} if value else {}}, {"urn": "2"}),
    )


def broken(*rows: str, line: int) -> Case:
    """Three rows; the one at this line is refused."""
    return Case(content=written(*rows), rows_read=3, rows_good=2, rejects=((line, "broken-quote", ""),))


QUOTES: dict[str, Case] = {
    "every value is quoted": loaded(written(*('"' + row.replace(";", '";"') + '"' for row in (ANNA, BERT, CLEO))), 3),
    "an invisible character before quotes of a key": Case(
        content=written('1;\u200b"K1";Open;01.03.2026 12:30;"Fire;fox"', BERT),
        rows_read=2,
        rows_good=2,
        values=({"communication_key": "K1"}, {"urn": "2"}),
    ),
    "an invisible character before a quote that is data": detail('"\u200b""Firefox"""', '\u200b"Firefox"'),
    "doubled quotes": detail('"the ""best"" one"', 'the "best" one'),
    "a delimiter in quotes": detail('"Mozilla/5.0 (X11; Linux; U)"', "Mozilla/5.0 (X11; Linux; U)"),
    "a line end in quotes": Case(
        content=written('1;K1;Bounce;01.03.2026 12:30;"550\nno such\nuser"', BERT, "3"),
        rows_read=3,
        rows_good=2,
        rejects=((6, "wrong-field-count", ""),),
        values=({"details": {"Browser": "550\nno such\nuser"}}, {"urn": "2"}),
    ),
    "a line end of Windows and a blank line in quotes": Case(
        content=written('1;K1;Bounce;01.03.2026 12:30;"550\r\n\r\nno such user"', BERT, end="\r\n"),
        rows_read=2,
        rows_good=2,
        values=({"details": {"Browser": "550\n\nno such user"}}, {"urn": "2"}),
    ),
    "a quote is closed 300 lines later": Case(
        content=written(f'1;K1;Bounce;01.03.2026 12:30;"{"12345678\n" * 300}"', BERT, "3"),
        rows_read=3,
        rows_good=2,
        rejects=((304, "wrong-field-count", ""),),
        values=({"urn": "1", "details": {"Browser": ("12345678\n" * 300).strip()}}, {"urn": "2"}),
    ),
    "a quote is closed 2,000 lines and 200 KB later": Case(
        content=written(f'1;K1;Bounce;01.03.2026 12:30;"{"x" * 99}', *["x" * 99] * 2000, '"', BERT),
        rows_read=2003,
        rows_good=1,
        rejects=(
            (2, "broken-quote", ""),
            *((line, "wrong-field-count", "") for line in range(3, 2003)),
            (2003, "broken-quote", ""),
        ),
        values=({"urn": "2"},),
    ),
    "a quote is closed after another row": Case(
        content=written(OPEN_QUOTE, BERT, 'fox"', CLEO),
        rows_read=4,
        rows_good=2,
        rejects=((2, "broken-quote", ""), (4, "wrong-field-count", "")),
        values=({"urn": "2"}, {"urn": "3"}),
    ),
    "a quote that is never closed, in the first row": broken(OPEN_QUOTE, BERT, CLEO, line=2),
    "a quote that is never closed, in the middle": broken(BERT, OPEN_QUOTE, CLEO, line=3),
    "a quote that is never closed, in the last row": broken(BERT, CLEO, OPEN_QUOTE, line=4),
    "a quote that is never closed, in every row": Case(
        content=written(*[OPEN_QUOTE] * 3),
        rows_read=3,
        rows_good=0,
        rejects=tuple((n, "broken-quote", "") for n in (2, 3, 4)),
    ),
    "a quote that is never closed, and 70,000 characters after it": Case(
        content=written(OPEN_QUOTE + "x" * 70_000, BERT),
        rows_read=2,
        rows_good=1,
        rejects=((2, "value-too-long", ""),),
        values=({"urn": "2"},),
    ),
    "a quote that is never closed, in the header": refused(
        "response-file-layout", written(ANNA, header=HEADER.replace("Browser", '"Browser'))
    ),
    "a value continues after its closing quote": broken(BERT, '1;K1;Open;01.03.2026 12:30;"Fire"fox', CLEO, line=3),
    "quotes that are escaped by a backslash": broken(BERT, '1;K1;Open;01.03.2026 12:30;"5\\" disk"', CLEO, line=3),
    "a quote within a value is data": detail('5" disk', '5" disk'),
    "two quotes within a value are data": detail('the "best" one', 'the "best" one'),
    "an empty quoted value": detail('""', ""),
    "quoted spaces": detail('"   "', ""),
    "a space before the quote makes data of it": detail(' "Firefox"', '"Firefox"'),
    "curly quotes are data": detail("“Firefox”", "“Firefox”"),
    "single quotes": detail("'O''Brien; \"Inc\"'", 'O\'Brien; "Inc"', 'quote = "\'"'),
    "single quotes are data where the layout says double ones": detail("'Firefox'", "'Firefox'"),
    "without quotes, all of them are data": Case(
        content=written('1;Open;01.03.2026 12:30;"', '2;Open;01.03.2026 12:30;""', header=f"{SHORT_HEADER};Text"),
        layout='quote = ""',
        rows_read=2,
        rows_good=2,
        values=({"urn": "1", "details": {"Text": '"'}}, {"urn": "2", "details": {"Text": '""'}}),
    ),
    "without quotes, a delimiter is one everywhere": Case(
        content=written('1;Open;01.03.2026 12:30;"a;b"', header=f"{SHORT_HEADER};Text"),
        layout='quote = ""',
        rows_read=1,
        rows_good=0,
        rejects=((2, "wrong-field-count", ""),),
    ),
}
