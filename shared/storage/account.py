"""The storage account: one client for blobs and one for queues, by connection string or by identity."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from azure.core.exceptions import AzureError
from azure.core.pipeline import PipelineResponse
from azure.identity import ManagedIdentityCredential
from azure.storage.blob import BlobServiceClient
from azure.storage.queue import QueueServiceClient

from shared.config.settings import Settings
from shared.errors import SettingsInvalid, StorageUnavailable

#: Bytes in memory while a blob is read or written.
BLOCK_SIZE = 1024 * 1024
#: Four attempts with pauses of about 1, 3 and 5 seconds. By default, the libraries try for longer than a lease lasts;
#: the steps make longer pauses.
_RETRIES: Final[dict[str, Any]] = {
    "retry_total": 3,
    "initial_backoff": 1,
    "increment_base": 2,
    "random_jitter_range": 1,
    "connection_timeout": 5,
    "read_timeout": 30,
}


class NotOfStorageError(AzureError):
    """An answer that the storage account did not give: a proxy, a firewall or a page stands between."""


def _check_origin(response: PipelineResponse[Any, Any]) -> None:
    """Make sure, for each answer, that it is the storage account's: all of those name their request.

    Raises:
        NotOfStorageError: it is not; the libraries repeat the request as without an answer. The text has nothing of it.
    """
    answer = response.http_response
    if "x-ms-request-id" not in answer.headers:
        answer.internal_response.close()
        raise NotOfStorageError(f"not the storage account answered: status {answer.status_code}")


_OPTIONS: Final = {**_RETRIES, "raw_response_hook": _check_origin}


def blob_service(settings: Settings) -> BlobServiceClient:
    """The blobs of the storage account that the settings name.

    Raises:
        SettingsInvalid: the connection string cannot be read.
    """
    options = {**_OPTIONS, "max_single_get_size": BLOCK_SIZE, "max_chunk_get_size": BLOCK_SIZE}
    return _service(BlobServiceClient, settings, settings.blob_service_uri, options)


def queue_service(settings: Settings) -> QueueServiceClient:
    """The queues of the storage account that the settings name; raises as `blob_service`."""
    return _service(QueueServiceClient, settings, settings.queue_service_uri, _OPTIONS)


def _service[Service: (BlobServiceClient, QueueServiceClient)](
    kind: type[Service], settings: Settings, uri: str | None, options: dict[str, Any]
) -> Service:
    if settings.storage_connection is None:
        identity = ManagedIdentityCredential(client_id=settings.managed_identity_client_id)
        return kind(str(uri), credential=identity, **options)
    try:
        return kind.from_connection_string(settings.storage_connection.get_secret_value(), **options)
    except ValueError:
        raise SettingsInvalid(reason="AzureWebJobsStorage: not a connection string of a storage account") from None


@contextmanager
def mapped_errors(operation: str) -> Iterator[None]:
    """Map errors of the storage libraries to the catalogue.

    Raises:
        StorageUnavailable: the operation failed.
    """
    try:
        yield
    except NotOfStorageError as error:
        raise StorageUnavailable(operation=operation, reason=str(error)) from None
    except (AzureError, ValueError, AttributeError) as error:
        # The libraries do not expect every answer, of the account or of whoever issues tokens for it.
        raise StorageUnavailable(operation=operation, reason=type(error).__name__) from None
