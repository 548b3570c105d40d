"""A list file whose receiver acts as soon as the file has its final name on the SFTP site.

From the moment at which the file may have that name, nothing is repeated unless it is known not to have happened.
"""

from abc import abstractmethod
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import override

from shared.broadcast import Broadcast
from shared.errors import ListFileStillThere, SftpRefused, UploadOutcomeUnknown
from shared.routes.list_file import (
    RECALLED,
    ListFileUpload,
    find_direct,
    remove_unfinished,
    take_away_direct,
    upload_list_file,
)
from shared.routes.route import Confirm, Route, StagedList
from shared.sftp.session import SftpSession
from shared.sftp.site import SftpSite, unfinished_path


@dataclass(frozen=True, slots=True, kw_only=True)
class SingleUpload(ListFileUpload):
    """Evidence of the upload."""

    renaming: bool = False
    #: Tag of its content, by which its unfinished name is known.
    tag: str | None = None
    #: The receiver has the file.
    taken: bool | None = None
    #: The file was taken back before its receiver had it.
    recalled: bool | None = None

    @property
    def may_be_taken(self) -> bool:
        """Whether the receiver may have the file, or may take it: it was complete, and was not taken back."""
        return bool((self.renaming or self.closing) and not self.recalled)


class SingleUploadRoute[Upload: SingleUpload](Route[Upload]):
    """A route that uploads its list file once."""

    @abstractmethod
    def site(self, broadcast: Broadcast) -> SftpSite:
        """The SFTP site that the file goes to."""

    @override
    def find_transferred(self, broadcast: Broadcast, staged: StagedList, evidence: Upload) -> Upload | None:
        """The file under its final name, or that the receiver has it.

        Raises:
            UploadOutcomeUnknown: it was complete under its unfinished name and has vanished.
        """
        if not evidence.may_be_taken:
            return None
        path = self.destination(broadcast)
        if evidence.direct:
            return find_direct(self.site(broadcast), path, staged, evidence)
        # Its own tag: the list may have been staged anew since, and then has another one.
        part = unfinished_path(path, evidence.tag or staged.tag)
        with self.site(broadcast).connect() as session:
            size = session.wait_for_size(path, staged.size) if session.find(path) else None
            unfinished = session.find(part)
        if size is not None:
            return replace(evidence, size=size) if size == staged.size else None
        if unfinished is not None:
            return None  # it was not renamed
        if not evidence.renaming:
            raise UploadOutcomeUnknown(path=part, reason="it has vanished from the SFTP site after it was complete")
        return replace(evidence, taken=True)  # under neither name, the receiver has it

    @override
    def transfer(
        self, broadcast: Broadcast, staged: StagedList, evidence: Upload, record: Callable[[Upload], None]
    ) -> Upload:
        """Upload the file; that it gets its final name is recorded before it does."""
        evidence = replace(evidence, tag=staged.tag)
        if evidence.recalled:
            evidence = replace(evidence, renaming=False, closing=False, recalled=False)
        return upload_list_file(self.site(broadcast), self.destination(broadcast), staged, evidence, record)

    @override
    def check_not_started(self, broadcast: Broadcast, evidence: Upload | None, *, not_copies: Collection[int]) -> bool:
        """Make sure that the file is not under its final name, where its receiver may take it."""
        path = self.destination(broadcast)
        with self.site(broadcast).connect() as session:
            if session.find(path) is not None:
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

        Nothing is asked of the site if the ledger knows that the receiver does not have the file: the site may be why
        it does not have it. Otherwise it gets an unfinished name of its own, and is removed once the ledger knows that
        it was taken back: from then on, a file that has neither name was not taken by its receiver. Whether the
        receiver of a file that was uploaded under its final name has read it, nobody knows.
        """
        if transferred is None:
            return True
        path = self.destination(broadcast)
        if transferred.direct:
            present = take_away_direct(self.site(broadcast), path, confirm)
            # Without its marker, the receiver has not acted on it, unless it has vanished.
            return not transferred.renaming and (present or not transferred.closing)
        if transferred.may_be_taken:
            unfinished = unfinished_path(path, transferred.tag or RECALLED)
            taken_back = unfinished_path(path, RECALLED)
            with self.site(broadcast).connect() as session:
                # It may have that name from a process that died before it recorded it.
                if session.find(taken_back) is None:
                    whole, part = session.find(path), session.find(unfinished)
                    if whole is None and (transferred.size is not None or part is None):
                        return False
                    confirm()
                    if whole is not None and not _take_back(session, path, taken_back):
                        return False
                record(replace(transferred, recalled=True))
        remove_unfinished(self.site(broadcast), path, broadcast, confirm)
        return True


def _take_back(session: SftpSession, path: str, taken_back: str) -> bool:
    """Give a file the name of one that is taken back.

    Returns:
        Whether it did; False: the receiver was faster.
    """
    try:
        session.rename(path, taken_back, replace=False)
    except SftpRefused:
        if session.find(path) is not None:
            raise
        return False
    return True
