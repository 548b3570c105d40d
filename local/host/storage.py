"""The storage accounts of an app: clients, and messages of queue output bindings."""

import base64
import contextlib
import json
import os
from collections.abc import Iterator
from typing import Any

from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError
from azure.storage.blob.aio import BlobServiceClient
from azure.storage.queue.aio import QueueClient, QueueServiceClient

from local.host.settings import HostError
from local.host.worker import Datum

#: The connection of the host's own locks and timer states.
HOST_STORAGE = "AzureWebJobsStorage"
#: Triggers retry by themselves; with the default retries a host would need a minute to stop.
_RETRIES: dict[str, Any] = {"retry_total": 2, "initial_backoff": 1, "increment_base": 2}


class HostStorage:
    """Clients, created once per connection.

    Args:
        stack: closes the clients.
        base64_encoded: whether messages are encoded (`messageEncoding` of host.json).
    """

    def __init__(self, stack: contextlib.AsyncExitStack, *, base64_encoded: bool) -> None:
        self._stack = stack
        self._base64_encoded = base64_encoded
        self._queues: dict[str, QueueServiceClient] = {}
        self._blobs: BlobServiceClient | None = None

    async def blobs(self) -> BlobServiceClient:
        """The blobs of the host's own storage account.

        Raises:
            HostError: the connection is missing or invalid.
        """
        if self._blobs is None:
            with _connection(HOST_STORAGE) as text:
                service = BlobServiceClient.from_connection_string(text, **_RETRIES)
            self._blobs = await self._stack.enter_async_context(service)
        return self._blobs

    async def queue(self, connection: str, name: str) -> QueueClient:
        """A queue of the account whose connection string is in the setting `connection`.

        Raises:
            HostError: the connection is missing or invalid.
        """
        if connection not in self._queues:
            with _connection(connection) as text:
                service = QueueServiceClient.from_connection_string(text, **_RETRIES)
            self._queues[connection] = await self._stack.enter_async_context(service)
        return self._queues[connection].get_queue_client(name)

    async def send(self, connection: str, name: str, output: Datum) -> None:
        """Send the value of an output binding to a queue, which is created if it is missing."""
        queue = await self.queue(connection, name)
        for body in messages_of(output):
            content = base64.b64encode(body).decode() if self._base64_encoded else body.decode()
            await send_message(queue, content)


async def create_queue(queue: QueueClient) -> None:
    """Create a queue if it is missing."""
    with contextlib.suppress(ResourceExistsError):
        await queue.create_queue()


async def send_message(queue: QueueClient, content: str) -> None:
    """Send a message to a queue, which is created if it is missing."""
    try:
        await queue.send_message(content)
    except ResourceNotFoundError:
        await create_queue(queue)
        await queue.send_message(content)


def messages_of(output: Datum) -> list[bytes]:
    """The messages in the value of a queue output binding: text, bytes, a `QueueMessage`, or a list of these."""
    if output.type == "bytes":
        return [output.value]
    if output.type != "json":
        return [str(output.value).encode()]
    content = json.loads(output.value)
    return [
        # The worker library represents a QueueMessage as an object with an id and a body.
        (message["body"] if isinstance(message, dict) and message.keys() == {"id", "body"} else message).encode()
        for message in (content if isinstance(content, list) else [content])
    ]


@contextlib.contextmanager
def _connection(setting: str) -> Iterator[str]:
    """The connection string in a setting. An error names the setting but not its value."""
    text = os.environ.get(setting)
    if not text:
        raise HostError(f"the setting {setting} is missing; it must hold the connection string of a storage account")
    try:
        yield text
    except ValueError:
        raise HostError(f"the setting {setting} is not a connection string of a storage account") from None
