"""The corpus: unusual and invalid response files, each with a sentence that says what is special about it."""

from typing import Final

from tests.corpus.case import Case
from tests.corpus.columns import COLUMNS
from tests.corpus.dates import DATES
from tests.corpus.encodings import ENCODINGS
from tests.corpus.foreign import FOREIGN
from tests.corpus.invisible import INVISIBLE
from tests.corpus.lines import LINES
from tests.corpus.packed import PACKED
from tests.corpus.quotes import QUOTES
from tests.corpus.values import VALUES

#: The corpus by topic.
ROOMS: Final[dict[str, dict[str, Case]]] = {
    "lines": LINES,
    "encodings": ENCODINGS,
    "invisible": INVISIBLE,
    "columns": COLUMNS,
    "quotes": QUOTES,
    "values": VALUES,
    "dates": DATES,
    "packed": PACKED,
    "foreign": FOREIGN,
}
FILES: Final[dict[str, Case]] = {name: case for room in ROOMS.values() for name, case in room.items()}
