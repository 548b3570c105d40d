"""A person in the kept response files: their rows are found, and removed without any other change of the file."""

import re
import sys
from bisect import bisect_right
from collections.abc import Iterator
from hashlib import sha256

from shared.bridge import Bridge, new_owner
from shared.config.response_layouts import ResponseLayout, layout_of
from shared.errors import ErasureBusy, ResponseFileError, ResponseFileLayout, StagedFileMissing
from shared.files.archives.pack import pack
from shared.ledger.leases import HeldLease, LeaseName
from shared.ledger.person import Person
from shared.optimizely.responses.reader import ResponseReader
from shared.optimizely.responses.rows import RawLines, raw_lines
from shared.rejects import RejectReason
from shared.response import Response
from shared.response_file import ResponseFile
from shared.storage import blob_names

#: What can separate values in a row that cannot be read.
_SEPARATORS = re.compile("[\\s;,|\"'\0]+")


class PersonInResponseFiles:
    """Searches the kept response files for a person, and removes them there.

    Attributes:
        unread: files that cannot be read by their layout, so that the person may be in them.
    """

    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge
        self.unread: set[str] = set()

    def search(self, person: Person) -> int:
        """The number of their rows; `person` learns by what else they are known.

        Raises:
            ErasureUnclear: what is known leads to too much.
        """
        return sum(len(self._find(file, person)) for file in self._files())

    def erase(self, person: Person) -> int:
        """Remove their rows; returns how many.

        Raises:
            ErasureBusy: a file is being loaded or gathered; those before it are done.
            LeaseLost: another process may work on a file by now; it is unchanged.
        """
        erased = 0
        for file in self._files():
            if not self._find(file, person):
                continue
            with self._bridge.ledger.leases.held(LeaseName.for_response_file(file.name), new_owner()) as lease:
                if lease is None:
                    raise ErasureBusy(what=f"response file {file.name}")
                theirs = self._find(file, person)
                self._rewrite(file, theirs, lease)
                erased += len(theirs)
        return erased

    def _files(self) -> Iterator[ResponseFile]:
        kept = self._bridge.ledger.response_files.kept()
        return (file for file in kept if self._bridge.responses.find(blob_names.response_file(file)) is not None)

    def _find(self, file: ResponseFile, person: Person) -> list[range]:
        """The lines of each of their rows."""
        named_layout = layout_of(file.name, self._bridge.channels.responses)
        try:
            if named_layout is None:
                raise ResponseFileLayout(file=file.name, reason="no layout in the channels file matches its name")
            return sorted(self._rows(file, named_layout[1], person), key=lambda lines: lines.start)
        except StagedFileMissing:
            return []  # it has expired meanwhile
        except ResponseFileError:
            self.unread.add(file.name)
            return []

    def _rows(self, file: ResponseFile, layout: ResponseLayout, person: Person) -> Iterator[range]:
        any_refused = False
        for lines, row in self._read(file, layout):
            if not isinstance(row, Response):
                any_refused = True
            elif person.learn(row.email, row.urn, row.communication_key):
                yield lines
        if any_refused:
            yield from self._refused_rows(file, layout, person)

    def _read(self, file: ResponseFile, layout: ResponseLayout) -> Iterator[tuple[range, Response | RejectReason]]:
        """Every row with its lines."""
        previous: tuple[int, Response | RejectReason] | None = None
        for line, row in ResponseReader(self._chunks(file), layout, name=file.name).rows():
            if previous is not None:
                yield range(previous[0], line), previous[1]
            previous = line, row
        if previous is not None:
            yield range(previous[0], sys.maxsize), previous[1]

    def _refused_rows(self, file: ResponseFile, layout: ResponseLayout, person: Person) -> Iterator[range]:
        """The lines of rows that are no valid responses and yet name the person, in whatever column."""
        raw = self._raw(file, layout)
        separators = re.compile(
            f"{_SEPARATORS.pattern}|{re.escape(layout.delimiter)}|{re.escape(layout.quote)}".rstrip("|")
        )
        # Read in step with the rows: all rows of a large file may be refused.
        numbered = enumerate(raw.lines, 1)
        for lines, row in self._read(file, layout):
            if isinstance(row, Response):
                continue
            named = False
            for number, line in numbered:
                if number in lines and not named:
                    named = person.named_in(separators.split(line.decode(raw.encoding, "replace")))
                if number + 1 >= lines.stop:
                    break
            if named:
                yield lines

    def _rewrite(self, file: ResponseFile, theirs: list[range], lease: HeldLease) -> None:
        named_layout = layout_of(file.name, self._bridge.channels.responses)
        if named_layout is None or not theirs:
            return
        raw, digest = self._raw(file, named_layout[1]), sha256()
        starts = [lines.start for lines in theirs]
        remaining = (
            line
            for number, line in enumerate(raw.lines, 1)
            if (index := bisect_right(starts, number) - 1) < 0 or number not in theirs[index]
        )
        with self._bridge.responses.writer(blob_names.response_file(file)) as kept:
            for piece in pack(remaining, raw.packed, name=file.name.removesuffix(".zip")):
                digest.update(piece)
                kept.write(piece)
            lease.renew()
            # The ledger keeps the hash of the original file, by which it is recognised on the SFTP site.
            kept.commit({"sha256": digest.hexdigest()}, replace=True)

    def _raw(self, file: ResponseFile, layout: ResponseLayout) -> RawLines:
        return raw_lines(self._chunks(file), layout, name=file.name)

    def _chunks(self, file: ResponseFile) -> Iterator[bytes]:
        return self._bridge.responses.chunks(blob_names.response_file(file))
