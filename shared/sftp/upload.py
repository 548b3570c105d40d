"""How an uploaded file gets its name: by a rename, by a marker file beside it, or from its first byte on.

An upload goes through as many connections as it needs; each makes one attempt. What its receiver may act on is
announced before it happens.
"""

import io
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, override

from shared.errors import SftpRefused, SftpRenameRefused, SftpUnavailable, UploadOutcomeUnknown
from shared.sftp.session import SftpSession

if TYPE_CHECKING:
    from _typeshed import SupportsRead


def _nothing() -> None:
    """Nobody listens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Announcements:
    """What an upload calls before it changes something; an error that one of them raises ends the upload."""

    #: Before the file is opened, again after each break.
    before_write: Callable[[], None] = _nothing
    #: When every byte is confirmed, before the unfinished file is closed. Some sites take a file away then.
    before_close: Callable[[], None] = _nothing
    #: Before the receiver can act on the file: before its rename, its marker, or its first byte.
    before_act: Callable[[], None] = _nothing
    #: The receiver certainly does not have the file: it is as before, and every earlier attempt was answered.
    not_taken: Callable[[], None] = _nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is to be uploaded."""

    #: The site, for messages.
    host: str
    #: Opens the content at an offset less than its size; its errors pass through.
    open_at: Callable[[int], "SupportsRead[bytes]"]
    #: Of the content, in bytes.
    size: int
    #: The file on the site.
    path: str
    #: Whether an existing file is replaced; otherwise it is an error.
    replace: bool
    announce: Announcements


class Upload(ABC):
    """An upload."""

    def __init__(self, order: Order) -> None:
        self._order = order

    @abstractmethod
    def attempt(self, session: SftpSession) -> None:
        """Do over one connection what is not done yet; the file has its name at the end.

        Raises:
            SftpUnavailable: the connection broke; the next attempt resumes.
            SftpRefused, SftpRenameRefused: the site refused; a retry does not help.
            UploadOutcomeUnknown: the receiver may have the file.
        """

    def _check_free(self, session: SftpSession, final: str) -> None:
        if not self._order.replace and session.exists(final):
            raise SftpRefused(operation=f"upload {final}", reason="a file with this name already exists")

    def _unknown(self, reason: str) -> UploadOutcomeUnknown:
        return UploadOutcomeUnknown(path=self._order.path, reason=reason)

    def _wrong_size(self, held: int) -> SftpUnavailable:
        reason = f"{self._order.size} bytes were sent, the site holds {held}"
        return SftpUnavailable(host=self._order.host, operation=f"upload {self._order.path}", reason=reason)


class _TwoSteps(Upload):
    """An upload whose file is complete before its receiver acts on it."""

    #: Whether what is at the unfinished path is part of this content, so that it can be resumed.
    _resumes: ClassVar[bool]

    def __init__(self, order: Order, unfinished: str, final: str) -> None:
        super().__init__(order)
        self._unfinished = unfinished
        #: What the receiver acts on.
        self._final = final
        #: Whether the complete file may have been closed, or may have become final, in an attempt before.
        self._closing = self._finishing = False
        #: Whether an attempt to make it final was not answered.
        self._unanswered = False

    @override
    def attempt(self, session: SftpSession) -> None:
        if self._was_finished(session):
            return
        order, announce = self._order, self._order.announce
        self._check_free(session, self._final)
        announce.before_write()
        writer = session.resume_file(order.open_at, self._unfinished, order.size, from_start=not self._resumes)
        announce.before_close()
        self._closing = True
        held = session.close_file(writer, self._unfinished, order.size)
        if held is None:
            if self._got_its_name(session):
                return
            raise self._vanished()
        if held != order.size:
            if not self._unanswered:
                announce.not_taken()
            self._closing = False
            session.remove(self._unfinished)  # the next attempt starts from the beginning
            raise self._wrong_size(held)
        announce.before_act()
        certain, self._finishing, self._unanswered = not self._unanswered, True, True
        self._finish(session, certain=certain)

    def _was_finished(self, session: SftpSession) -> bool:
        """Whether an attempt before, which was not answered, took effect.

        Raises:
            UploadOutcomeUnknown: the complete file has vanished.
        """
        if self._finishing:
            finished = self._has_taken_effect(session)
        elif self._closing and session.find(self._unfinished) is None:
            raise self._vanished()
        else:
            finished = False
        self._closing = self._finishing = False
        return finished

    def _got_its_name(self, session: SftpSession) -> bool:
        """Whether the site has given the file its name when it was closed."""
        del session
        return False

    @abstractmethod
    def _has_taken_effect(self, session: SftpSession) -> bool:
        """Whether the last step took effect, although it was not answered."""

    @abstractmethod
    def _finish(self, session: SftpSession, *, certain: bool) -> None:
        """The last step."""

    def _vanished(self) -> UploadOutcomeUnknown:
        return self._unknown("it has vanished from the SFTP site after it was complete")


class RenamedUpload(_TwoSteps):
    """An upload of a file that gets its name when it is complete.

    It resumes what an earlier attempt, of any process, left under the unfinished name.

    Args:
        order: what is to be uploaded.
        unfinished: its path until then; the path shows that the file there is part of the same content.
    """

    _resumes = True

    def __init__(self, order: Order, unfinished: str) -> None:
        super().__init__(order, unfinished, order.path)

    @override
    def _got_its_name(self, session: SftpSession) -> bool:
        order = self._order
        # A file that is to be replaced may be the old one.
        return not order.replace and session.wait_for_size(order.path, order.size) == order.size

    @override
    def _has_taken_effect(self, session: SftpSession) -> bool:
        return session.find(self._unfinished) is None

    @override
    def _finish(self, session: SftpSession, *, certain: bool) -> None:
        order = self._order
        try:
            session.rename(self._unfinished, order.path, replace=order.replace)
        except SftpRefused as refused:
            unfinished, finished = session.exists(self._unfinished), session.exists(order.path)
            if unfinished is False and finished is False:
                raise self._vanished() from None
            if unfinished is False and finished and not order.replace:
                return  # some sites copy, then remove, and refuse only what comes after
            if unfinished and finished is False and certain:
                self._order.announce.not_taken()
                raise SftpRenameRefused(operation=refused.operation, reason=refused.reason) from None
            raise


class MarkedUpload(_TwoSteps):
    """An upload under the file's own name; its receiver waits for an empty marker file.

    Args:
        order: what is to be uploaded.
        marker: path of the marker.
    """

    _resumes = False

    def __init__(self, order: Order, marker: str) -> None:
        super().__init__(order, order.path, marker)

    @override
    def _has_taken_effect(self, session: SftpSession) -> bool:
        if session.exists(self._final):
            return True
        raise self._unknown(f"the site did not answer when its marker {self._final} was written")

    @override
    def _finish(self, session: SftpSession, *, certain: bool) -> None:
        try:
            writer = session.resume_file(lambda _offset: io.BytesIO(), self._final, 0, from_start=True)
            session.close_file(writer, self._final, 0)
        except SftpRefused:
            if certain and session.exists(self._final) is False:
                self._order.announce.not_taken()
            raise


class DirectUpload(Upload):
    """An upload under the file's own name, on which its receiver may act from its first byte on. It never resumes."""

    _begun = False

    @override
    def attempt(self, session: SftpSession) -> None:
        if self._begun:
            raise self._unknown("the connection broke while it was written under its own name")
        order, announce = self._order, self._order.announce
        self._check_free(session, order.path)
        announce.before_write()
        announce.before_act()
        self._begun = True
        try:
            writer = session.resume_file(order.open_at, order.path, order.size, from_start=True)
        except SftpRefused:
            if session.exists(order.path) is False:
                announce.not_taken()
            raise
        held = session.close_file(writer, order.path, order.size)
        if held is not None and held != order.size:  # None: its receiver was fast
            raise self._unknown(str(self._wrong_size(held).reason))
