"""A list file whose receiver acts as soon as the file has its final name on the SFTP site.

From the moment at which the file may have that name, nothing is repeated unless it is known not to have happened.
"""

from abc import abstractmethod
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import Final, override

from shared.broadcast import Broadcast
from shared.errors import ListFileStillThere, SftpRefused
from shared.routes.evidence import Evidence
from shared.routes.route import Confirm, Route, StagedList
from shared.sftp.site import SftpSite, unfinished_path

#: Tag of a file whose evidence is of a version that did not keep it.
_UNKNOWN_TAG: Final = "recalled"


@dataclass(frozen=True, slots=True, kw_only=True)
class SingleUpload(Evidence):
    """Evidence of the upload."""

    #: The file may have its final name.
    renaming: bool = False
    #: Tag of its content, by which its unfinished name is known.
    tag: str | None = None
    #: Size of the file under its final name, in bytes.
    size: int | None = None
    #: The receiver has the file.
    taken: bool | None = None
    #: The file was taken back before its receiver had it.
    recalled: bool | None = None

    @property
    @override
    def lets_receiver_act(self) -> bool:
        return self.renaming


class SingleUploadRoute[Upload: SingleUpload](Route[Upload]):
    """A route that uploads its list file once."""

    @abstractmethod
    def site(self, broadcast: Broadcast) -> SftpSite:
        """The SFTP site that the file goes to."""

    @override
    def find_transferred(self, broadcast: Broadcast, staged: StagedList, evidence: Upload) -> Upload | None:
        """The file under its final name, or that the receiver has it."""
        if not evidence.renaming or evidence.recalled:
            return None
        path = self.destination(broadcast)
        with self.site(broadcast).connect() as session:
            present = session.stat(path)
            unfinished = session.stat(unfinished_path(path, staged.tag))
        if present is not None:
            return replace(evidence, size=present.size) if present.size == staged.size else None
        # Under its temporary name, the file was not renamed. Under neither name, the receiver has it.
        return None if unfinished is not None else replace(evidence, taken=True)

    @override
    def transfer(
        self, broadcast: Broadcast, staged: StagedList, evidence: Upload, record: Callable[[Upload], None]
    ) -> Upload:
        """Upload the file; that it gets its final name is recorded before it does."""
        evidence = replace(evidence, tag=staged.tag)
        if evidence.recalled:
            evidence = replace(evidence, renaming=False, recalled=False)

        def before_write() -> None:
            record(evidence)

        def before_rename() -> None:
            nonlocal evidence
            evidence = replace(evidence, renaming=True)
            record(evidence)

        path = self.destination(broadcast)
        size = self.site(broadcast).upload(
            staged.open_at,
            path,
            size=staged.size,
            tag=staged.tag,
            before_write=before_write,
            before_rename=before_rename,
        )
        return replace(evidence, size=size)

    @override
    def check_not_started(self, broadcast: Broadcast, evidence: Upload, *, not_copies: Collection[int]) -> bool:
        """Make sure that the file is not under its final name, where its receiver may take it."""
        path = self.destination(broadcast)
        with self.site(broadcast).connect() as session:
            if session.stat(path) is not None:
                raise ListFileStillThere(broadcast=broadcast.key, path=path)
        return False

    @override
    def withdraw(
        self,
        broadcast: Broadcast,
        *,
        transferred: Upload | None,
        started: bool,
        record: Callable[[Upload], None],
        confirm: Confirm,
    ) -> bool:
        """Take the file back, complete or not, unless the receiver has it.

        It gets its unfinished name again, and is removed once the ledger knows that it was taken back: from then on, a
        file that has neither name was not taken by its receiver.
        """
        if transferred is None:
            return True
        path = self.destination(broadcast)
        unfinished = unfinished_path(path, transferred.tag or _UNKNOWN_TAG)
        with self.site(broadcast).connect() as session:
            renamed = transferred.renaming and not transferred.recalled
            if renamed and transferred.size is None:
                renamed = session.stat(unfinished) is None
            if renamed and session.stat(path) is None:
                return False
            confirm()
            if renamed:
                try:
                    session.rename(path, unfinished, replace=False)
                except SftpRefused:
                    if session.stat(path) is not None:
                        raise
                    return False  # its receiver was faster
            record(replace(transferred, recalled=True))
            session.remove_unfinished(path)
        return True
