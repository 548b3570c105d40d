"""Characters that nobody sees: byte order marks, zero-width and no-break spaces, marks of direction, at every place."""

import codecs

from tests.corpus.case import ANNA, BERT, CLEO, HEADER, SHORT_HEADER, Case, loaded, written

MARK = codecs.BOM_UTF8
TIME = "01.03.2026 12:30"
KEYS = "Urn;CommunicationKey;MessageType;EventTriggeredDate;Email;BroadcastKey;MailingId;Text"
#: A zero-width space, a no-break space, a soft hyphen, a byte order mark, a mark of direction, a word joiner, a thin
#: space, an ideographic space, a filler that counts as a letter, a selector, and a tag beyond the first plane.
CHARACTERS = "\u200b\u00a0\u00ad\ufeff\u200f\u2060\u2009\u3000\u3164\ufe0f\U000e0061"

INVISIBLE: dict[str, Case] = {
    "two byte order marks": loaded(MARK * 2 + written(ANNA, BERT, CLEO), 3),
    "two byte order marks in UTF-16": loaded(
        codecs.BOM_UTF16_LE * 2 + written(ANNA, BERT, CLEO).decode().encode("utf-16-le"), 3
    ),
    "two byte order marks before a quoted header": loaded(
        MARK * 2 + b'"' + HEADER.replace(";", '";"').encode() + b'"\n' + written(ANNA, header=BERT)[len(BERT) + 1 :], 1
    ),
    "two byte order marks at a later line": loaded(written(ANNA) + MARK * 2 + f"{BERT}\n".encode(), 2),
    "a byte order mark of UTF-8 in a file of windows-1252": loaded(
        written(ANNA) + MARK + f"{BERT}\n{CLEO}\n".encode(), 3, layout='encoding = "windows-1252"'
    ),
    "nothing but a byte order mark after the last row": loaded(written(ANNA) + MARK, 1),
    "a byte order mark before a quoted row": loaded(
        written(ANNA) + MARK + b'"2";"K2";"Click";"01.03.2026 12:31";"Chrome"\n', 2
    ),
    "invisible characters in the header": Case(
        content=written(
            f"1;K1;Open;{TIME};x",
            header="\u200bUrn\u00a0;Communication\u00a0Key;Message\u00adType;\ufeffEventTriggered\u200dDate;\u2060Text\u200b",
        ),
        rows_read=1,
        rows_good=1,
        values=({"urn": "1", "communication_key": "K1", "message_type": "Open", "details": {"Text": "x"}},),
    ),
    "invisible characters around every value": Case(
        content=written(
            *(f"{c}1{c};{c}K1{c};{c}Open{c};{c}{TIME}{c};{c}a@example.org{c};{c}B1{c};{c}9{c};x" for c in CHARACTERS),
            header=KEYS,
        ),
        rows_read=len(CHARACTERS),
        rows_good=len(CHARACTERS),
        values=(
            {
                "urn": "1",
                "communication_key": "K1",
                "message_type": "Open",
                "email": "a@example.org",
                "broadcast_key": "B1",
                "mailing_id": "9",
            },
        )
        * len(CHARACTERS),
    ),
    **{
        f"U+{ord(c):04X} within every key and the address": Case(
            content=written(
                f"1{c}1;K1;Open;{TIME};a@example.org;B1;9;x",
                f"1;K{c}1;Open;{TIME};a@example.org;B1;9;x",
                f"1;K1;Open;{TIME};a@exam{c}ple.org;B1;9;x",
                f"1;K1;Open;{TIME};a@example.org;B{c}1;9;x",
                f"1;K1;Open;{TIME};a@example.org;B1;9{c}9;x",
                f"1;K1;Open;{TIME};a@example.org;B1;9;x{c}y",
                header=KEYS,
            ),
            rows_read=6,
            rows_good=1,
            rejects=(
                (2, "invisible-character", "Urn"),
                (3, "invisible-character", "CommunicationKey"),
                (4, "invisible-character", "Email"),
                (5, "invisible-character", "BroadcastKey"),
                (6, "invisible-character", "MailingId"),
            ),
            values=({"urn": "1", "details": {"Text": f"x{c}y"}},),
        )
        for c in CHARACTERS
    },
    "nothing but invisible characters as the keys": Case(
        content=written(f"\u200b;\u00a0;Open;{TIME};x"),
        rows_read=1,
        rows_good=0,
        rejects=((2, "recipient-missing", ""),),
    ),
    "a soft hyphen within a type": Case(
        content=written(f"1;Op\u00aden;{TIME}", header=SHORT_HEADER),
        rows_read=1,
        rows_good=1,
        values=({"message_type": "Open"},),
    ),
    "a byte order mark within a quoted key": Case(
        content=written(f'"\ufeff1";"K1";Open;{TIME};', f'1;"K\ufeff1";Open;{TIME};'),
        rows_read=2,
        rows_good=1,
        rejects=((3, "invisible-character", "CommunicationKey"),),
        values=({"urn": "1", "communication_key": "K1"},),
    ),
    "UTF-16 with the high bytes first after UTF-16 with the low ones first": Case(
        content=codecs.BOM_UTF16_LE
        + written(ANNA).decode().encode("utf-16-le")
        + codecs.BOM_UTF16_BE
        + f"{BERT}\n".encode("utf-16-be"),
        rows_read=2,
        rows_good=1,
        rejects=((3, "line-unfinished", ""),),
        values=({"urn": "1"},),
    ),
}
