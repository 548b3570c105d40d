"""Where the list file of a broadcast goes on an SFTP site, and how it is uploaded."""

import posixpath
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, override

from shared.broadcast import Broadcast
from shared.config.channels import ListFileLayout
from shared.errors import DatabaseUnavailable, LeaseLost, SftpRefused, UploadOutcomeUnknown
from shared.routes.evidence import Evidence
from shared.routes.route import Confirm, StagedList
from shared.sftp.session import SftpSession
from shared.sftp.site import SftpSite, unfinished_path
from shared.sftp.upload import Announcements
from shared.telemetry import fenced

_UNSAFE: Final = re.compile(r"[^A-Za-z0-9._-]")
#: Maximum characters of a list name, and of a delivery file's name, in a file name of at most 255.
_MAX_NAME: Final = 100
#: In place of a tag, in the unfinished name of a file that is taken back; of old evidence, which has no tag, too.
RECALLED: Final = "recalled"


def list_file_path(folder: str, layout: ListFileLayout, broadcast: Broadcast) -> str:
    """Path of the list file; its name has only letters, digits, `.`, `_` and `-`, and begins with neither `.` nor `-`.

    In the names of the list and of the delivery file, unsafe characters become `_`. They are cut after 100 characters,
    the delivery file's before its first dot. An id that is not known is empty.
    """
    request = broadcast.request
    name = layout.name.format(
        list_id=broadcast.list_id or "",
        list=_UNSAFE.sub("_", request.list_name[:_MAX_NAME]),
        delivery_file=_UNSAFE.sub("_", request.delivery_file.partition(".")[0][:_MAX_NAME]),
        broadcast=broadcast.key,
        mailing=broadcast.source_mailing_id or "",
    )
    return posixpath.join(folder, f"_{name}" if name.startswith((".", "-")) else name)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListFileUpload(Evidence):
    """Evidence of the upload of a list file."""

    #: The file may have its final name: its rename was tried, and not answered with a refusal. None: not known, by a
    #: version that did not record it.
    renaming: bool | None = None
    #: The file is complete and may have been closed under its unfinished name: some sites take it away then.
    closing: bool | None = None
    #: The file is uploaded under its final name: `renaming` says that its receiver may act on it, for its marker or its
    #: first byte may be written; `closing` says that it is complete, without its marker.
    direct: bool | None = None
    #: Size of the file under its final name, in bytes.
    size: int | None = None

    @property
    @override
    def lets_receiver_act(self) -> bool:
        return bool(self.renaming)


def upload_list_file[Upload: ListFileUpload](
    site: SftpSite,
    path: str,
    staged: StagedList,
    evidence: Upload,
    record: Callable[[Upload], None],
    *,
    replace_existing: bool = False,
) -> Upload:
    """Upload the staged list; that it may be closed, and that it may have its final name, is recorded before.

    Raises as `SftpSite.upload` and `record`.
    """
    renamed_before = evidence.renaming

    def note(*, closing: bool | None, renaming: bool | None) -> None:
        nonlocal evidence
        evidence = replace(evidence, closing=closing, renaming=renaming, direct=site.direct is not None)
        record(evidence)

    size = site.upload(
        staged.open_at,
        path,
        size=staged.size,
        tag=staged.tag,
        replace=replace_existing,
        announce=Announcements(
            before_write=lambda: note(closing=False, renaming=evidence.renaming),
            before_close=lambda: note(closing=True, renaming=evidence.renaming),
            before_act=lambda: note(closing=evidence.closing, renaming=True),
            not_taken=lambda: note(closing=False, renaming=renamed_before),
        ),
    )
    return replace(evidence, size=size)


def find_direct[Upload: ListFileUpload](
    site: SftpSite, path: str, staged: StagedList, evidence: Upload
) -> Upload | None:
    """Evidence that a file that was uploaded under its final name has its marker; None if it has to be uploaded again.

    Raises:
        UploadOutcomeUnknown: its receiver may have the file, or a part of it.
    """
    if not evidence.renaming and not evidence.closing:
        return None
    marker = site.marker_path(path)
    with site.connect() as session:
        if not evidence.renaming and session.find(path) is not None:
            return None
        if evidence.renaming and marker is not None and session.find(marker) is not None:
            return replace(evidence, size=staged.size)
    raise UploadOutcomeUnknown(path=path, reason="its upload under its own name was interrupted")


def take_away_direct(site: SftpSite, path: str, confirm: Confirm) -> bool:
    """Remove a list file that was uploaded under its final name, and its marker before it; whether it was there."""
    present: bool | None = False
    with site.connect() as session:
        for name in filter(None, (site.marker_path(path), path)):
            present = session.exists(name)
            if present is not False:
                confirm()
                take_away(session, name)
    return bool(present)


def take_away(session: SftpSession, path: str) -> None:
    """Remove a list file so that its receiver cannot act on it; or, where that is refused, let its name say so.

    Raises:
        SftpRefused: the site refuses both.
    """
    try:
        session.remove(path)
    except SftpRefused:
        try:
            session.rename(path, unfinished_path(path, RECALLED), replace=True)
        except SftpRefused:
            if session.exists(path) is not False:
                raise


def remove_unfinished(site: SftpSite, path: str, broadcast: Broadcast, confirm: Confirm) -> None:
    """Remove the unfinished files of interrupted uploads to this path, if the site lets it: nobody acts on them.

    Raises:
        LeaseLost: another process works on the broadcast.
        DatabaseUnavailable: whether it does is not known.
    """
    subject = f"Unfinished files of broadcast {broadcast.key} stay on the SFTP site"
    with (
        fenced(subject, LeaseLost, DatabaseUnavailable, action="note", **broadcast.log_context()),
        site.connect() as session,
    ):
        confirm()
        session.remove_unfinished(path)
