"""The delivery file: FastStats, or whoever writes it, must write it as the channel expects it."""

from shared.errors.input import InputError


class DeliveryFileError(InputError):
    """A delivery file is missing, cannot be read, or has the wrong columns."""


class DeliveryFileMissing(DeliveryFileError, code="delivery-file-missing"):
    """The delivery file {file} is not in {location}."""

    remedy = (
        "Check that FastStats wrote it, and that DELIVERY_FILES, or the location of the channel, is where FastStats "
        "writes to, then run `bridge broadcast retry`."
    )
    file: str
    location: str


class DeliveryFileChanged(DeliveryFileError, code="delivery-file-changed"):
    """The delivery file {file} has changed since it was checked."""

    remedy = (
        "Run the broadcast again, so that FastStats writes a new file for it. A dropped file that changed is taken "
        "again automatically; let its writer rename it when it is complete."
    )
    file: str


class DeliveryFileNotText(DeliveryFileError, code="delivery-file-not-text"):
    """The delivery file {file} is not valid {encoding} text (line {line})."""

    remedy = (
        "Set the same encoding, UTF-8 if possible, in the channel's File Settings and as `delivery_file.encoding` of "
        "the channel in CHANNELS_FILE, and run the broadcast again."
    )
    file: str
    encoding: str
    line: int


class DeliveryFileLineEnds(DeliveryFileError, code="delivery-file-line-ends"):
    """Lines of the delivery file {file} end in a carriage return alone, as on old Macintoshes."""

    remedy = "Let its writer end lines in LF or CRLF, as the channel's File Settings do, and run the broadcast again."
    file: str


class DeliveryFilePackedBroken(DeliveryFileError, code="delivery-file-packed-broken"):
    """The delivery file {file} is a truncated or damaged {kind} file."""

    remedy = "Check whether it was still being written or copied, and run the broadcast again."
    file: str
    kind: str


class DeliveryFilePackedOtherwise(DeliveryFileError, code="delivery-file-packed-otherwise"):
    """The delivery file {file} is a zip file that the bridge cannot read ({what})."""

    remedy = "Compress it with deflate, the usual method, or deliver it uncompressed, and run the broadcast again."
    file: str
    what: str


class DeliveryFileEncrypted(DeliveryFileError, code="delivery-file-encrypted"):
    """The delivery file {file} is an encrypted zip file."""

    remedy = "Deliver it without a password to a location that only the bridge can read, and run the broadcast again."
    file: str


class DeliveryFileSeveral(DeliveryFileError, code="delivery-file-several"):
    """The delivery file {file} is a zip file that holds {held}."""

    remedy = "Put exactly one file into it, without folders, and run the broadcast again."
    file: str
    held: str


class DeliveryFileTooLarge(DeliveryFileError, code="delivery-file-too-large"):
    """The bridge stopped unpacking the delivery file {file}: {reason}."""

    remedy = (
        "Check where the file comes from: no list unpacks to so much. If it is a list, deliver it unpacked, "
        "and run the broadcast again."
    )
    file: str
    reason: str


class DeliveryFileEmpty(DeliveryFileError, code="delivery-file-empty"):
    """The delivery file {file} is empty: it has no header row."""

    remedy = "Check the selection in FastStats and run the broadcast again."
    file: str


class ColumnMissing(DeliveryFileError, code="delivery-file-column-missing"):
    """The header of the delivery file {file} has no column {column}: {header}."""

    remedy = (
        "Add the column to the broadcast, or correct its name in the channel's Output Settings, or set "
        "`delivery_file.delimiter` of the channel in CHANNELS_FILE to the delimiter of the file, and run the broadcast "
        "again."
    )
    file: str
    column: str
    header: str


class DeliveryFileColumnTwice(DeliveryFileError, code="delivery-file-column-twice"):
    """The columns {first} and {second} of the delivery file {file} have the same name."""

    remedy = "Rename or remove one of them in the channel's Additional Variables, and run the broadcast again."
    file: str
    first: int
    second: int


class DeliveryFileTooWide(DeliveryFileError, code="delivery-file-too-wide"):
    """The header of the delivery file {file} has {columns} columns; the maximum is {most}."""

    remedy = "Check that it is a delivery file with the delimiter of the channel, and run the broadcast again."
    file: str
    columns: int
    most: int


class DeliveryFileHeaderBroken(DeliveryFileError, code="delivery-file-header-broken"):
    """The header of the delivery file {file} has unbalanced quotes: {header}."""

    remedy = (
        "Set `delivery_file.quote` and `delivery_file.delimiter` of the channel in CHANNELS_FILE to those of its File "
        "Settings, then run `bridge broadcast retry`."
    )
    file: str
    header: str
