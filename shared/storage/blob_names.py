"""Names of all blobs. Most begin with what the blob belongs to: the key of a broadcast, or the id of a file."""

import uuid
from typing import Final

from shared.response_file import ResponseFile

#: The copy of the ledger's mark, in the container of staged lists.
HIGH_WATER_MARK: Final = "ledger/mark"
#: Prefix of the reject files of response files, beside those of broadcasts.
_RESPONSES: Final = "responses/"


def staged_list(key: str) -> str:
    """The staged list of a broadcast, in the container of staged lists."""
    return f"{key}/list"


def delivery_file(key: str) -> str:
    """The delivery file that PeopleStage's channel has uploaded, in the container of staged lists."""
    return f"{key}/delivery"


def reject_file(key: str) -> str:
    """The reject file of a broadcast, in the container of reject files."""
    return f"{key}/rejects.csv"


def response_file(file: ResponseFile) -> str:
    """A response file as it was gathered, in the container of response files."""
    return f"{file.id}/{file.name}"


def response_reject_file(file_id: int) -> str:
    """The reject file of a response file, in the container of reject files."""
    return f"{_RESPONSES}{file_id}/rejects.csv"


def bulk_insert_file() -> str:
    """A file of rows for BULK INSERT, in the container of staged lists; removed once it is loaded."""
    return f"bulk/{uuid.uuid4()}.txt"


def is_of_response_file(blob: str) -> bool:
    """Whether a blob in the container of reject files belongs to a response file."""
    return blob.startswith(_RESPONSES)


def broadcast_key(blob: str) -> str:
    """Key of the broadcast that a blob belongs to."""
    return blob.partition("/")[0]
