"""One file of the corpus, and its expected result: written by hand, never by the code under test."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from shared.config.response_layouts import ResponseLayout

#: Columns of most files. `Browser` is a detail.
HEADER: Final = "Urn;CommunicationKey;MessageType;EventTriggeredDate;Browser"
ANNA: Final = "1;K1;Open;01.03.2026 12:30;Firefox"
BERT: Final = "2;K2;Click;01.03.2026 12:31;Chrome"
CLEO: Final = "3;K3;Bounce;02.03.2026 08:00;"
#: Columns of files that have only the columns every file needs.
SHORT_HEADER: Final = "Urn;MessageType;EventTriggeredDate"

#: Line, reason, and the column that the row is refused for.
type Reject = tuple[int, str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A response file and the expected result of loading it."""

    content: bytes
    name: str = "Response1.csv"
    #: The content of its table in the channels file.
    layout: str = ""
    #: Error code, if the whole file is refused; then nothing below is expected.
    code: str = ""
    rows_read: int = 0
    rows_good: int = 0
    rejects: tuple[Reject, ...] = ()
    #: Some values of every good row, by attributes of `Response`; empty where they are not relevant.
    values: tuple[Mapping[str, Any], ...] = ()

    @property
    def response_layout(self) -> ResponseLayout:
        """The layout of the file."""
        return ResponseLayout.model_validate(tomllib.loads(self.layout))

    @property
    def channels(self) -> str:
        """A channels file with only the layout."""
        return f"[responses.default]\n{self.layout}\n"


def written(*lines: str, header: str = HEADER, end: str = "\n") -> bytes:
    """A file in UTF-8: the header and these lines, each with its end."""
    return "".join(line + end for line in (header, *lines)).encode()


def refused(code: str, content: bytes, *, name: str = "Response1.csv", layout: str = "") -> Case:
    """A file of which nothing is loaded."""
    return Case(content=content, name=name, layout=layout, code=code)


def loaded(content: bytes, rows: int, *, name: str = "Response1.csv", layout: str = "") -> Case:
    """A file of which every row is loaded: those of Anna, Bert and Cleo, in this order."""
    values = ({"urn": "1"}, {"urn": "2"}, {"urn": "3"})[:rows]
    return Case(content=content, name=name, layout=layout, rows_read=rows, rows_good=rows, values=values)
