"""The storage account: one client for blobs and one for queues, by connection string or by identity."""

from collections.abc import Iterator
from contextlib import contextmanager

from azure.core.exceptions import AzureError
from azure.identity import ManagedIdentityCredential
from azure.storage.blob import BlobServiceClient
from azure.storage.queue import QueueServiceClient

from shared.errors import StorageUnavailable
from shared.settings import Settings

#: Bytes that are in memory at a time while a blob is read or written.
BLOCK_SIZE = 1024 * 1024


def blob_service(settings: Settings) -> BlobServiceClient:
    """The blobs of the storage account that the settings name."""
    if settings.storage_connection is not None:
        return BlobServiceClient.from_connection_string(
            settings.storage_connection.get_secret_value(),
            max_single_get_size=BLOCK_SIZE,
            max_chunk_get_size=BLOCK_SIZE,
        )
    return BlobServiceClient(
        str(settings.blob_service_uri),
        credential=ManagedIdentityCredential(client_id=settings.managed_identity_client_id),
        max_single_get_size=BLOCK_SIZE,
        max_chunk_get_size=BLOCK_SIZE,
    )


def queue_service(settings: Settings) -> QueueServiceClient:
    """The queues of the storage account that the settings name."""
    if settings.storage_connection is not None:
        return QueueServiceClient.from_connection_string(settings.storage_connection.get_secret_value())
    return QueueServiceClient(
        str(settings.queue_service_uri),
        credential=ManagedIdentityCredential(client_id=settings.managed_identity_client_id),
    )


@contextmanager
def mapped_errors(operation: str) -> Iterator[None]:
    """Turn errors of the storage libraries into those of the catalogue.

    Raises:
        StorageUnavailable: the storage account did not do it.
    """
    try:
        yield
    except AzureError as error:
        raise StorageUnavailable(operation=operation, reason=type(error).__name__) from None
