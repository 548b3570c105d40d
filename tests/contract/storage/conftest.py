"""The storage account, played by Azurite, through the clients that the bridge makes."""

import uuid
from collections.abc import Callable, Iterator

import pytest
from azure.storage.blob import BlobServiceClient
from azure.storage.queue import QueueServiceClient

from local.azurite import Azurite
from shared.config.settings import Settings
from shared.storage.account import blob_service, queue_service


@pytest.fixture
def settings_with() -> Callable[[str], Settings]:
    """Makes settings with this connection string; the rest is made up and not used."""

    def make(connection_string: str) -> Settings:
        return Settings.model_validate(
            {
                "storage_connection": connection_string,
                "system_name": "Holidays",
                "ws_db": "sqlite:////nowhere/ws.db",
                "rs_db": "sqlite:////nowhere/rs.db",
                "delivery_files": "/nowhere",
                "optimizely_client_id": 1,
                "optimizely_api_user": "user",
                "optimizely_api_password": "password",
                "sftp_host": "sftp.example.com",
                "sftp_user": "user",
                "sftp_private_key": "key",
                "sftp_host_keys": "keys",
            }
        )

    return make


@pytest.fixture
def unreachable(settings_with: Callable[[str], Settings]) -> Settings:
    """An account where nobody listens."""
    address = "http://127.0.0.1:1/account"
    return settings_with(
        f"AccountName=account;AccountKey=a2V5;BlobEndpoint={address};QueueEndpoint={address}",
    )


@pytest.fixture
def blobs(azurite: Azurite, settings_with: Callable[[str], Settings]) -> Iterator[BlobServiceClient]:
    with blob_service(settings_with(azurite.connection_string)) as service:
        yield service


@pytest.fixture
def queues(azurite: Azurite, settings_with: Callable[[str], Settings]) -> Iterator[QueueServiceClient]:
    with queue_service(settings_with(azurite.connection_string)) as service:
        yield service


@pytest.fixture
def new_name() -> str:
    """A name for a container or a queue that no other test uses."""
    return f"test-{uuid.uuid4().hex[:12]}"
