"""Response files: Optimizely support, or whoever writes to the SFTP site, must provide another file."""

from shared.errors.remote import RemoteError, TransientRemoteError


class ResponseFileError(RemoteError):
    """A response file is not as its layout expects it, cannot be read, or is gone."""


class ResponseFileLayout(ResponseFileError, code="response-file-layout"):
    """The response file {file} does not match its layout: {reason}."""

    remedy = (
        "Correct its layout in the channels file (docs/reference/response-files.md). "
        "A file that the bridge has gathered is kept: load it again with `bridge responses replay`."
    )
    file: str
    reason: str


class ResponseFileRows(ResponseFileError, code="response-file-rows"):
    """{rejected} of {read} rows of the response file {file} were rejected ({reasons}); the other {good} are loaded."""

    remedy = (
        "Its reject file, {reject_file}, has the lines and reasons. Correct the file's layout in the channels file, or "
        "the rule of the table where `database-rule` names one, then load them with `bridge responses replay --file "
        "{file}`."
    )
    file: str
    read: int
    rejected: int
    good: int
    reasons: str
    reject_file: str


class ResponseFileRefused(ResponseFileError, code="response-file-refused"):
    """RS_DB refuses the rows of the response file {file} ({rule}); nothing of it is loaded."""

    remedy = (
        "The rule is one of the table's owner, who must change it or what it refuses "
        "(docs/how-to/databases.md#rules-of-your-own). Then run `bridge responses replay --file {file}`."
    )
    file: str
    rule: str


class ResponseFilePackedBroken(ResponseFileError, code="response-file-packed-broken"):
    """The response file {file} is a truncated or damaged {kind} file; nothing of it is loaded."""

    remedy = "Check whether it arrived complete; if not, let Optimizely write it again."
    file: str
    kind: str


class ResponseFilePackedOtherwise(ResponseFileError, code="response-file-packed-otherwise"):
    """The response file {file} is a zip file that the bridge cannot read ({what})."""

    remedy = (
        "Ask Optimizely support for gzip, deflate or no compression. "
        "Unpack this file and load it with `bridge responses load`."
    )
    file: str
    what: str


class ResponseFileEncrypted(ResponseFileError, code="response-file-encrypted"):
    """The response file {file} is an encrypted zip file."""

    remedy = (
        "Ask Optimizely support for files without a password. "
        "Unpack this file and load it with `bridge responses load`."
    )
    file: str


class ResponseFileSeveral(ResponseFileError, code="response-file-several"):
    """The response file {file} is a zip file that holds {held}."""

    remedy = (
        "Ask Optimizely support for one file in each archive. "
        "Unpack this archive and load its files with `bridge responses load`."
    )
    file: str
    held: str


class ResponseFileTooLarge(ResponseFileError, code="response-file-too-large"):
    """The bridge stopped unpacking the response file {file}: {reason}."""

    remedy = (
        "Check where the file comes from. If it is a response file, unpack it and load it with `bridge responses load`."
    )
    file: str
    reason: str


class ResponseFileName(ResponseFileError, code="response-file-name"):
    """{files} response files are not gathered: their names have characters other than A-Z, a-z, 0-9, '.', '_', '-'."""

    remedy = "Ask Optimizely support for plain names, or rename the files on the SFTP site."
    files: int


class ResponseFileVanished(ResponseFileError, code="response-file-vanished"):
    """The response file {file} disappeared from the SFTP site before it was gathered."""

    remedy = "Find out who removes files there, and ask Optimizely support to provide it again."
    file: str


class ResponseFileChanged(TransientRemoteError, code="response-file-changed"):
    """The response file {file} changed while it was being read: {detail}."""

    remedy = "The next run of gather_responses reads it again."
    file: str
    #: What was listed and what was read.
    detail: str


class ResponseFileSize(TransientRemoteError, code="response-file-size"):
    """The response file {file} is listed with {listed} bytes, but {read} could be read; it did not change meanwhile."""

    remedy = (
        "It is not gathered, because it may be incomplete; the next run of gather_responses reads it once more. If "
        "this lasts, ask whoever runs the SFTP site why the two differ (a file that is encrypted, packed or converted "
        "when it is read), or fetch the file by hand and load it with `bridge responses load`."
    )
    file: str
    listed: int
    #: How many bytes, in words.
    read: str
