"""Generates delivery files like those of FastStats: of any size, reproducible from a seed, with some bad rows."""

import re
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

from shared.rejects import DUPLICATES, RejectReason

HEADER = (
    "Kunden ID",
    "Email",
    "Communication Key",
    "Title",
    "First Name",
    "Last Name",
    "Company",
    "City",
    "Postcode",
    "Country",
    "Language",
    "Customer Since",
    "Loyalty Points",
    "Segment",
    "Last Store",
    "Voucher Code",
)
_EMAIL, _KEY, _POINTS = HEADER.index("Email"), HEADER.index("Communication Key"), HEADER.index("Loyalty Points")

#: Title, first name, last name, city, country, language: people from many countries.
_PEOPLE = (
    ("Frau", "Jörg-Anna", "Größmann-Müller", "Köln", "DE", "de"),
    ("Herr", "Björn", "Straßer", "Münster", "DE", "de"),
    ("Madame", "Zoë", "d'Aubigné", "Besançon", "FR", "fr"),
    ("Señora", "Begoña", "Núñez", "A Coruña", "ES", "es"),
    ("Pan", "Łukasz", "Wójcik", "Łódź", "PL", "pl"),
    ("Bay", "İbrahim", "Çağlayan", "İstanbul", "TR", "tr"),
    ("Pán", "Dvořák", "Řehoř", "Plzeň", "CZ", "cs"),
    ("Κυρία", "Ελένη", "Παπαδοπούλου", "Θεσσαλονίκη", "GR", "el"),
    ("Г-жа", "Юлия", "Щербакова", "София", "BG", "bg"),
    ("מר", "יעקב", "כהן", "חיפה", "IL", "he"),
    ("السيدة", "فاطمة", "الزهراء", "القاهرة", "EG", "ar"),
    ("先生", "伟", "张", "上海", "CN", "zh"),
    ("様", "さくら", "髙橋", "横浜市", "JP", "ja"),
    ("씨", "민준", "김", "서울", "KR", "ko"),
    ("श्री", "अर्जुन", "शर्मा", "दिल्ली", "IN", "hi"),
    ("Ms", "Siobhán", "O'Neill", "Dún Laoghaire", "IE", "en"),
)
_COMPANIES = ("", "", "", 'Bäckerei "Zum Löwen"', "Müller; Söhne", "Smith & Co.", "O'Reilly", "Фирма Ромашка")
_SEGMENTS = ("New", "Loyal", "At risk", "Lapsed; win back")
_STORES = ("Centre", "Nord-Süd", 'The "Old" Mill', "Online")
_DOMAINS = ("example.org", "example.com", "example.net", "mail.example.org", "bücher.example")

#: One row in this number is of the kind.
_BAD_ONE_IN = 100
_DUPLICATE_EMAIL_ONE_IN, _DUPLICATE_KEY_ONE_IN = 100, 500
_BLOCKLISTED_ONE_IN = _UNSUBSCRIBED_ONE_IN = 200
_BAD = (
    RejectReason.WRONG_FIELD_COUNT,
    RejectReason.EMAIL_MISSING,
    RejectReason.EMAIL_INVALID,
    RejectReason.CONTROL_CHARACTER,
    RejectReason.VALUE_TOO_LONG,
    RejectReason.URN_MISSING,
    RejectReason.COMMUNICATION_KEY_MISSING,
    RejectReason.FIELD_TYPE,
)
_BAD_ADDRESSES = (
    "nobody",
    "two@@example.org",
    "blank in@example.org",
    "no-dot@example",
    "@example.org",
    "ä@example.org",
    "two..dots@example.org",
    "score@under_score.example.org",
    "dot.@example.org",
    f"{'long' * 17}@example.org",
)
#: Number of good rows that later rows may repeat, so that also rows far apart repeat each other.
_REMEMBERED = 1000


@dataclass(frozen=True, slots=True)
class GeneratedFile:
    """Content of a generated delivery file: `rows` is the sum of the good, the rejected and the duplicates."""

    rows: int
    good: int
    #: Rows by reason; `field-type` applies only if the list field of `Loyalty Points` is a number.
    rejected: dict[RejectReason, int]
    duplicates: dict[RejectReason, int]
    #: Good rows that Optimizely's import skips.
    blocklisted: int
    unsubscribed: int


def delivery_file_name(list_name: str, seed: int) -> str:
    """Name of a delivery file: broadcaster, list name, GUID (docs/why/sources.md, Apteco 6.2)."""
    allowed = re.sub(r'[<>:"/\\|?*\x00-\x1f]', "", list_name)
    return f"Optimizely_{allowed}_{uuid.UUID(int=Random(f'file {seed}').getrandbits(128), version=4)}.txt"


def write_delivery_file(path: Path, recipients: int, seed: int, *, first: int = 1) -> GeneratedFile:
    """Write a delivery file: tab-delimited, UTF-8, with a header.

    Args:
        path: path of the file; an existing one is replaced.
        recipients: number of data rows.
        seed: the same seed gives the same file.
        first: number of the first recipient: other files have other people from other numbers on.
    """
    kinds: Counter[RejectReason | str] = Counter()
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write("\t".join(HEADER) + "\r\n")
        for kind, line in _rows(range(first, first + recipients), Random(seed)):
            kinds[kind] += 1
            file.write(line)
    reasons = {kind: rows for kind, rows in kinds.items() if isinstance(kind, RejectReason)}
    return GeneratedFile(
        rows=recipients,
        good=recipients - sum(reasons.values()),
        rejected={reason: rows for reason, rows in reasons.items() if reason not in DUPLICATES},
        duplicates={reason: rows for reason, rows in reasons.items() if reason in DUPLICATES},
        blocklisted=kinds["blocklisted"],
        unsubscribed=kinds["unsubscribed"],
    )


def _rows(recipients: range, chance: Random) -> Iterator[tuple[RejectReason | str, str]]:
    """All rows with their kind: the reason why a row will not be uploaded, or its fate at Optimizely."""
    earlier_rows: list[list[str]] = []
    for number in recipients:
        row = _good_row(number, chance)
        kind: RejectReason | str = "good"
        earlier = chance.choice(earlier_rows) if earlier_rows else None
        if earlier and chance.randrange(_DUPLICATE_EMAIL_ONE_IN) == 0:
            kind = RejectReason.DUPLICATE_EMAIL
            row[_EMAIL] = earlier[_EMAIL].upper() if earlier[_EMAIL].isascii() else earlier[_EMAIL]
        elif earlier and chance.randrange(_DUPLICATE_KEY_ONE_IN) == 0:
            kind = RejectReason.DUPLICATE_COMMUNICATION_KEY
            row[_KEY] = earlier[_KEY]
        elif chance.randrange(_BAD_ONE_IN) == 0:
            kind = chance.choice(_BAD)
            _spoil(row, kind, chance)
        elif chance.randrange(_BLOCKLISTED_ONE_IN) == 0:
            kind = "blocklisted"
            row[_EMAIL] = f"person.{number}@blocked.example"
        elif chance.randrange(_UNSUBSCRIBED_ONE_IN) == 0:
            kind = "unsubscribed"
            row[_EMAIL] = f"unsubscribed.{number}@example.org"
        elif len(earlier_rows) < _REMEMBERED:
            earlier_rows.append(row)
        else:
            earlier_rows[chance.randrange(_REMEMBERED)] = row
        yield kind, "\t".join(row) + "\r\n"


def _good_row(number: int, chance: Random) -> list[str]:
    title, first, last, city, country, language = chance.choice(_PEOPLE)
    return [
        str(1_000_000 + number),
        f"person.{number}@{chance.choice(_DOMAINS)}",
        str(uuid.UUID(int=chance.getrandbits(128), version=4)),
        title,
        first,
        last,
        chance.choice(_COMPANIES),
        city,
        f"{chance.randrange(100_000):05}",
        country,
        language,
        f"{chance.randint(1998, 2025)}-{chance.randint(1, 12):02}-{chance.randint(1, 28):02}",
        str(chance.randrange(20_000)) if chance.random() < 0.9 else "",  # noqa: PLR2004 - some have no points
        chance.choice(_SEGMENTS),
        chance.choice(_STORES),
        f"SPRING-{chance.getrandbits(32):08X}",
    ]


def _spoil(row: list[str], reason: RejectReason, chance: Random) -> None:
    match reason:
        case RejectReason.WRONG_FIELD_COUNT:
            if chance.random() < 0.5:  # noqa: PLR2004 - as many have one too few
                row.append("one too many")
            else:
                del row[-1]
        case RejectReason.EMAIL_MISSING:
            row[_EMAIL] = ""
        case RejectReason.EMAIL_INVALID:
            row[_EMAIL] = chance.choice(_BAD_ADDRESSES)
        case RejectReason.CONTROL_CHARACTER:
            row[HEADER.index("Last Name")] += chance.choice(("\x07", "\x1b[2J", "\x85"))
        case RejectReason.VALUE_TOO_LONG:
            row[HEADER.index("Company")] = "Very long " * 500
        case RejectReason.URN_MISSING:
            row[0] = ""
        case RejectReason.COMMUNICATION_KEY_MISSING:
            row[_KEY] = " "
        case _:
            row[_POINTS] = "many"
