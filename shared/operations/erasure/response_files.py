"""A person in the kept response files: found row by row, and removed with nothing else of the file changed."""

import re
import sys
from bisect import bisect_right
from collections.abc import Iterator
from hashlib import sha256

from shared.bridge import Bridge, new_owner
from shared.config.response_layouts import ResponseLayout, layout_of
from shared.errors import ErasureBusy, ResponseFileError, ResponseFileLayout, StagedFileMissing
from shared.files.archives.pack import pack
from shared.ledger.leases import HeldLease
from shared.ledger.person import Person
from shared.ledger.responses.files import lease_name
from shared.optimizely.responses.reader import ResponseReader
from shared.optimizely.responses.rows import RawLines, raw_lines
from shared.rejects import RejectReason
from shared.response import Response
from shared.response_file import ResponseFile
from shared.storage import blob_names

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
            LeaseLost: somebody else may work on a file by now; it is as it was.
        """
        erased = 0
        for file in self._files():
            if not self._look(file, person):
                continue
            with self._bridge.ledger.leases.held(lease_name(file.name), new_owner()) as lease:
                if lease is None:
                    raise ErasureBusy(what=f"response file {file.name}")
                theirs = self._look(file, person)
                self._rewrite(file, theirs, lease)
                erased += len(theirs)
        return erased

    def _files(self) -> Iterator[ResponseFile]:
        kept = self._bridge.ledger.response_files.kept()
        return (file for file in kept if self._bridge.responses.find(blob_names.response_file(file)) is not None)

    def _look(self, file: ResponseFile, person: Person) -> list[range]:
        """The lines of each of their rows."""
        found = layout_of(file.name, self._bridge.channels.responses)
        try:
            if found is None:
                raise ResponseFileLayout(file=file.name, reason="no layout of the channels file is for its name")
            return sorted(self._rows(file, found[1], person), key=lambda lines: lines.start)
        except StagedFileMissing:
            return []  # its time was over meanwhile
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
            yield from self._among_refused(file, layout, person)

    def _read(self, file: ResponseFile, layout: ResponseLayout) -> Iterator[tuple[range, Response | RejectReason]]:
        """Every row with the lines that it stands in."""
        before: tuple[int, Response | RejectReason] | None = None
        for line, row in ResponseReader(
            self._bridge.responses.chunks(blob_names.response_file(file)), layout, name=file.name
        ).rows():
            if before is not None:
                yield range(before[0], line), before[1]
            before = line, row
        if before is not None:
            yield range(before[0], sys.maxsize), before[1]

    def _among_refused(self, file: ResponseFile, layout: ResponseLayout, person: Person) -> Iterator[range]:
        """Rows that are no responses and yet name the person, in whatever column."""
        raw = self._raw(file, layout)
        around = re.compile(f"{_AROUND.pattern}|{re.escape(layout.delimiter)}|{re.escape(layout.quote)}".rstrip("|"))
        # Side by side with the rows, for a file may have refused ones only.
        numbered = enumerate(raw.lines, 1)
        for lines, row in self._read(file, layout):
            if isinstance(row, Response):
                continue
            named = False
            for number, line in numbered:
                if number in lines and not named:
                    named = person.named_in(around.split(line.decode(raw.encoding, "replace")))
                if number + 1 >= lines.stop:
                    break
            if named:
                yield lines

    def _rewrite(self, file: ResponseFile, theirs: list[range], lease: HeldLease) -> None:
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
        with self._bridge.responses.writer(blob_names.response_file(file)) as kept:
            for piece in pack(left, raw.packed, name=file.name.removesuffix(".zip")):
                digest.update(piece)
                kept.write(piece)
            lease.check()
            # The ledger goes on with the sum of the file as it came: so it is known again on the SFTP site.
            kept.commit({"sha256": digest.hexdigest()}, replace=True)

    def _raw(self, file: ResponseFile, layout: ResponseLayout) -> RawLines:
        return raw_lines(self._bridge.responses.chunks(blob_names.response_file(file)), layout, name=file.name)
