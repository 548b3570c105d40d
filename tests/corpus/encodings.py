"""Encodings: each that can be set, byte order marks, undecodable bytes, concatenated files."""

import codecs

from tests.corpus.case import ANNA, BERT, CLEO, HEADER, SHORT_HEADER, Case, loaded, refused, written

#: Its detail has umlauts and the euro sign.
EURO = "1;Open;01.03.2026 12:30;Jörg süß 5 €"
EURO_HEADER = f"{SHORT_HEADER};Text"
EURO_FILE = f"{EURO_HEADER}\n{EURO}\n"
HALF_FILE = f"{EURO_HEADER}\n1;Open;01.03.2026 12:30;§\n{EURO.replace('1;', '2;', 1)}\n"
LAYOUT_CODE = "response-file-layout"


def euro(content: bytes, layout: str = "", text: str = "Jörg süß 5 €") -> Case:
    return Case(
        content=content, layout=layout, rows_read=1, rows_good=1, values=({"urn": "1", "details": {"Text": text}},)
    )


ENCODINGS: dict[str, Case] = {
    "UTF-8 with umlauts and the euro sign": euro(EURO_FILE.encode()),
    "UTF-16 without a BOM": euro(EURO_FILE.encode("utf-16-le"), 'encoding = "utf-16"'),
    "UTF-16 with the high bytes first, without a BOM": euro(EURO_FILE.encode("utf-16-be"), 'encoding = "utf-16-be"'),
    "windows-1252": euro(
        f"{EURO_HEADER}\n".encode() + b"1;Open;01.03.2026 12:30;J\xf6rg s\xfc\xdf 5 \x80\n",
        'encoding = "windows-1252"',
    ),
    "ISO-8859-15": euro(
        f"{EURO_HEADER}\n".encode() + b"1;Open;01.03.2026 12:30;J\xf6rg s\xfc\xdf 5 \xa4\n",
        'encoding = "iso-8859-15"',
    ),
    "ISO-8859-1, which has no euro sign": euro(
        f"{EURO_HEADER}\n".encode() + b"1;Open;01.03.2026 12:30;J\xf6rg s\xfc\xdf 5 \xa4\n",
        'encoding = "iso-8859-1"',
        "Jörg süß 5 ¤",
    ),
    "UTF-8 with a BOM": euro(codecs.BOM_UTF8 + EURO_FILE.encode()),
    "UTF-8 with a BOM where the layout says UTF-16": euro(codecs.BOM_UTF8 + EURO_FILE.encode(), 'encoding = "utf-16"'),
    "UTF-8 with a BOM where the layout says windows-1252": euro(
        codecs.BOM_UTF8 + EURO_FILE.encode(), 'encoding = "windows-1252"'
    ),
    "UTF-16 with a BOM where the layout says UTF-8": euro(codecs.BOM_UTF16_LE + EURO_FILE.encode("utf-16-le")),
    "UTF-16 with a BOM of the high bytes first where the layout says the low ones": euro(
        codecs.BOM_UTF16_BE + EURO_FILE.encode("utf-16-be"), 'encoding = "utf-16"'
    ),
    "a BOM and nothing else": refused(LAYOUT_CODE, codecs.BOM_UTF8),
    "a BOM of UTF-16 and nothing else": refused(LAYOUT_CODE, codecs.BOM_UTF16_LE),
    "UTF-16 without a BOM where the layout says UTF-8": refused(LAYOUT_CODE, EURO_FILE.encode("utf-16-le")),
    "UTF-8 where the layout says UTF-16": refused(LAYOUT_CODE, written(ANNA), layout='encoding = "utf-16"'),
    "UTF-32": refused(LAYOUT_CODE, EURO_FILE.encode("utf-32")),
    "windows-1252 where the layout says UTF-8: rows without umlauts are read": Case(
        content=f"{HEADER}\n{ANNA}\n2;K2;Click;01.03.2026 12:31;Jörg\n{CLEO}\n".encode("windows-1252"),
        rows_read=3,
        rows_good=2,
        rejects=((3, "not-text", ""),),
        values=({"urn": "1"}, {"urn": "3"}),
    ),
    "UTF-8 where the layout says windows-1252: every byte is a character of it": euro(
        f"{EURO_HEADER}\n1;Open;01.03.2026 12:30;Jörg\n".encode(), 'encoding = "windows-1252"', "JÃ¶rg"
    ),
    "a byte that windows-1252 has no character for": Case(
        content=written(ANNA)[:-1] + b"\x81\n" + f"{BERT}\n".encode(),
        layout='encoding = "windows-1252"',
        rows_read=2,
        rows_good=1,
        rejects=((2, "not-text", ""),),
    ),
    "the two halves of an emoji, each written as UTF-8 of its own": Case(
        content=written(CLEO)[:-1] + b"\xed\xa0\xbd\xed\xb8\x80\n" + f"{BERT}\n".encode(),
        rows_read=2,
        rows_good=1,
        rejects=((2, "not-text", ""),),
    ),
    "a letter of UTF-8 in more bytes than it needs": Case(
        content=written(CLEO)[:-1] + b"\xc1\x81\n" + f"{BERT}\n".encode(),
        rows_read=2,
        rows_good=1,
        rejects=((2, "not-text", ""),),
    ),
    "UTF-8 that is cut off within a character": Case(
        content=written(ANNA) + "2;K2;Click;01.03.2026 12:31;Jö".encode()[:-1],
        rows_read=2,
        rows_good=1,
        rejects=((3, "line-unfinished", ""),),
    ),
    "half a character of UTF-16": Case(
        content=HALF_FILE.encode("utf-16-le").replace("§".encode("utf-16-le"), b"\x3d\xd8"),
        layout='encoding = "utf-16"',
        rows_read=2,
        rows_good=1,
        rejects=((2, "not-text", ""),),
        values=({"urn": "2"},),
    ),
    "an odd number of bytes in UTF-16: the last row has lost half of its end": Case(
        content=f"{EURO_HEADER}\n{EURO}\n{EURO}\n".encode("utf-16-le")[:-1],
        layout='encoding = "utf-16"',
        rows_read=2,
        rows_good=1,
        rejects=((3, "line-unfinished", ""),),
    ),
    "an odd number of bytes in UTF-16: one too many after the last row": Case(
        content=EURO_FILE.encode("utf-16-le") + b"\n",
        layout='encoding = "utf-16"',
        rows_read=2,
        rows_good=1,
        rejects=((3, "line-unfinished", ""),),
    ),
    "UTF-16 whose last line is cut off": Case(
        content=f"{EURO_HEADER}\n{EURO}\n{EURO}".encode("utf-16-le"),
        layout='encoding = "utf-16"',
        rows_read=2,
        rows_good=1,
        rejects=((3, "line-unfinished", ""),),
    ),
    "two concatenated files with BOM and header": Case(
        content=codecs.BOM_UTF8 + written(ANNA) + codecs.BOM_UTF8 + written(BERT),
        rows_read=3,
        rows_good=2,
        rejects=((3, "date-invalid", "EventTriggeredDate"),),
        values=({"urn": "1"}, {"urn": "2"}),
    ),
    "three concatenated files with a BOM and without a header": loaded(
        b"".join(codecs.BOM_UTF8 + f"{row}\n".encode() for row in (ANNA, BERT, CLEO)),
        3,
        layout='columns = ["Urn", "CommunicationKey", "MessageType", "EventTriggeredDate", "Browser"]',
    ),
    "a quoted first column after a BOM": loaded(
        codecs.BOM_UTF8
        + written('"1";"K1";"Open";"01.03.2026 12:30";""', header=f'"{HEADER.replace(";", chr(34) + ";" + chr(34))}"'),
        1,
    ),
    "a file of UTF-16 after one of UTF-8": Case(
        content=written(ANNA) + f"{BERT}\n".encode("utf-16-le"),
        rows_read=3,
        rows_good=1,
        rejects=((3, "control-character", ""), (4, "line-unfinished", "")),
    ),
    "text from right to left, with marks of direction": euro(
        f"{EURO_HEADER}\n1;Open;01.03.2026 12:30;\u202eאבג\u202c שלום\n".encode(), "", "\u202eאבג\u202c שלום"
    ),
    "emoji, joined ones, and accents of their own": euro(
        f"{EURO_HEADER}\n1;Open;01.03.2026 12:30;👩\u200d👧 e\u0301 🇩🇪\n".encode(), "", "👩\u200d👧 e\u0301 🇩🇪"
    ),
    "Chinese, Japanese and Cyrillic": euro(
        f"{EURO_HEADER}\n1;Open;01.03.2026 12:30;浏览器 ブラウザ браузер\n".encode(), "", "浏览器 ブラウザ браузер"
    ),
}
