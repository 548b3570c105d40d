"""A person in the kept response files: found row by row, and removed with nothing else of the file changed."""

import re
import sys
from bisect import bisect_right
from collections.abc import Iterator
from hashlib import sha256

from shared.bridge import Bridge, new_owner
from shared.errors import ErasureBusy, ResponseFileLayout, TerminalError
from shared.ledger.person import Person
from shared.ledger.response_files import ResponseFile, lease_name
from shared.optimizely.response_file import ResponseReader
from shared.optimizely.response_rows import RawLines, raw_lines
from shared.packing import packed
from shared.response import Response
from shared.response_layouts import ResponseLayout, layout_of

#: What may stand around a value in a row that cannot be read.
_AROUND = re.compile("[\\s;,|\"'\0]+")


class PersonInResponseFiles:
    """Looks for a person in the kept response files, and removes them there.

    Attributes:
        unread: files that cannot be read by their layout: nobody knows whether the person is in them.
    """

    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge
        self.unread: set[str] = set()

    def look(self, person: Person) -> int:
        """In how many rows they are; what else they are known by is learnt.

        Raises:
            ErasureUnclear: what is known leads to too much.
        """
        return sum(len(self._look(file, person)) for file in self._files())

    def erase(self, person: Person) -> int:
        """Remove their rows; returns how many.

        Raises:
            ErasureBusy: a file is being loaded or gathered; others are done.
        """
        erased = 0
        for file in self._files():
            if not self._look(file, person):
                continue
            with self._bridge.ledger.leases.held(lease_name(file.name), new_owner()) as lease:
                if lease is None:
                    raise ErasureBusy(what=f"response file {file.name}")
                theirs = self._look(file, person)
                self._rewrite(file, theirs)
                erased += len(theirs)
        return erased

    def _files(self) -> Iterator[ResponseFile]:
        kept = self._bridge.ledger.response_files.kept()
        return (file for file in kept if self._bridge.responses.find(file.blob) is not None)

    def _look(self, file: ResponseFile, person: Person) -> list[range]:
        """The lines of each of their rows."""
        found = layout_of(file.name, self._bridge.channels.responses)
        try:
            if found is None:
                raise ResponseFileLayout(file=file.name, reason="no layout of the channels file is for its name")
            return sorted(self._rows(file, found[1], person), key=lambda lines: lines.start)
        except TerminalError as error:
            if not isinstance(error, ResponseFileLayout) and not error.code.startswith("response-file-"):
                raise
            self.unread.add(file.name)
            return []

    def _rows(self, file: ResponseFile, layout: ResponseLayout, person: Person) -> Iterator[range]:
        theirs: list[range] = []
        refused: list[range] = []
        begun: list[range] | None = None
        start = 0
        for line, row in ResponseReader(self._bridge.responses.chunks(file.blob), layout, name=file.name).rows():
            if begun is not None:
                begun.append(range(start, line))
            start = line
            if not isinstance(row, Response):
                begun = refused
            elif person.learn(row.email, row.urn, row.communication_key):
                begun = theirs
            else:
                begun = None
        if begun is not None:
            begun.append(range(start, sys.maxsize))
        yield from theirs
        if refused:
            yield from self._among_refused(file, layout, refused, person)

    def _among_refused(
        self, file: ResponseFile, layout: ResponseLayout, refused: list[range], person: Person
    ) -> Iterator[range]:
        """Rows that are no responses and yet name the person, in whatever column."""
        raw = self._raw(file, layout)
        around = re.compile(f"{_AROUND.pattern}|{re.escape(layout.delimiter)}|{re.escape(layout.quote)}".rstrip("|"))
        starts = [lines.start for lines in refused]
        told = -1
        for number, line in enumerate(raw.lines, 1):
            place = bisect_right(starts, number) - 1
            if place < 0 or place == told or number not in refused[place]:
                continue
            if person.named_in(around.split(line.decode(raw.encoding, "replace"))):
                told = place
                yield refused[place]

    def _rewrite(self, file: ResponseFile, theirs: list[range]) -> None:
        found = layout_of(file.name, self._bridge.channels.responses)
        if found is None or not theirs:
            return
        raw, digest = self._raw(file, found[1]), sha256()
        starts = [lines.start for lines in theirs]
        left = (
            line
            for number, line in enumerate(raw.lines, 1)
            if (place := bisect_right(starts, number) - 1) < 0 or number not in theirs[place]
        )
        with self._bridge.responses.writer(file.blob) as kept:
            for piece in packed(left, raw.packed, name=file.name.removesuffix(".zip")):
                digest.update(piece)
                kept.write(piece)
            # The ledger goes on with the sum of the file as it came: so it is known again on the SFTP site.
            kept.commit({"sha256": digest.hexdigest()}, replace=True)

    def _raw(self, file: ResponseFile, layout: ResponseLayout) -> RawLines:
        return raw_lines(self._bridge.responses.chunks(file.blob), layout, name=file.name)
