"""A list file that its receiver takes, and acts on, as soon as it stands on the SFTP site under its final name.

From the moment at which it may have got that name, nothing is repeated unless it is known not to have happened.
"""

from collections.abc import Callable

from shared.routes.route import Evidence, StagedList
from shared.sftp.site import SftpSite, unfinished_path


def find(site: SftpSite, path: str, staged: StagedList, evidence: Evidence) -> Evidence | None:
    """The list file under its final name, or that the receiver has it; None when it was not handed over."""
    if not evidence.get("renaming"):
        return None  # it never got its final name
    with site.connect() as session:
        present = session.stat(path)
        unfinished = session.stat(unfinished_path(path, staged.tag))
    if present is not None:
        return {"size": present.size} if present.size == staged.size else None
    # Still under its temporary name: the renaming did not happen. Under neither: the receiver has it.
    return None if unfinished is not None else {"taken": True}


def hand_over(site: SftpSite, path: str, staged: StagedList, note: Callable[[Evidence], None]) -> Evidence:
    """Upload the list file, and note it before it gets its final name."""
    sent = site.upload(
        staged.open_at, path, size=staged.size, tag=staged.tag, before_rename=lambda: note({"renaming": True})
    )
    return {"size": sent}


def take_back(site: SftpSite, path: str, transferred: Evidence) -> bool:
    """Remove the list file, whole or not.

    Args:
        site: where it is.
        path: its final path.
        transferred: what is known of the transfer.

    Returns:
        Whether it is certain that the receiver has not got it.
    """
    with site.connect() as session:
        taken_back = session.remove(path)
        unfinished = session.remove_unfinished(path)
    return taken_back or unfinished > 0 or not transferred.get("renaming")
