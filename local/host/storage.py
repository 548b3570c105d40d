"""The storage accounts of an app: their clients, and the messages that output bindings put on queues."""

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
#: Triggers have a patience of their own; with the default retries a host would need a minute to stop.
_RETRIES: dict[str, Any] = {"retry_total": 2, "initial_backoff": 1, "increment_base": 2}


class Storage:
    """Clients, made once for each connection.

    Args:
        stack: closes them at its end.
        base64_encoded: how messages are written (`messageEncoding` of host.json).
    """

    def __init__(self, stack: contextlib.AsyncExitStack, *, base64_encoded: bool) -> None:
        self._stack = stack
        self._base64_encoded = base64_encoded
        self._queues: dict[str, QueueServiceClient] = {}
        self._blobs: BlobServiceClient | None = None

    async def blobs(self) -> BlobServiceClient:
        """The blobs of the host's own storage account.

        Raises:
            HostError: there is no such connection.
        """
        if self._blobs is None:
            with _connection(HOST_STORAGE) as text:
                service = BlobServiceClient.from_connection_string(text, **_RETRIES)
            self._blobs = await self._stack.enter_async_context(service)
        return self._blobs

    async def queue(self, connection: str, name: str) -> QueueClient:
        """A queue of the account whose connection string is in this setting.

        Raises:
            HostError: there is no such connection.
        """
        if connection not in self._queues:
            with _connection(connection) as text:
                service = QueueServiceClient.from_connection_string(text, **_RETRIES)
            self._queues[connection] = await self._stack.enter_async_context(service)
        return self._queues[connection].get_queue_client(name)

    async def put(self, connection: str, name: str, output: Datum) -> None:
        """Put what an output binding was given on a queue, which is made if it is missing."""
        queue = await self.queue(connection, name)
        for body in messages_of(output):
            content = base64.b64encode(body).decode() if self._base64_encoded else body.decode()
            await put_message(queue, content)


async def create_queue(queue: QueueClient) -> None:
    """Make a queue that is missing."""
    with contextlib.suppress(ResourceExistsError):
        await queue.create_queue()


async def put_message(queue: QueueClient, content: str) -> None:
    """Put a message on a queue, which is made if it is missing."""
    try:
        await queue.send_message(content)
    except ResourceNotFoundError:
        await create_queue(queue)
        await queue.send_message(content)


def messages_of(output: Datum) -> list[bytes]:
    """The messages that a function gave to a queue output: text, bytes, a `QueueMessage`, or a list of such."""
    if output.type == "bytes":
        return [output.value]
    if output.type != "json":
        return [str(output.value).encode()]
    given = json.loads(output.value)
    return [
        # A QueueMessage comes out of the worker library as an object of its id and its body.
        (one["body"] if isinstance(one, dict) and one.keys() == {"id", "body"} else one).encode()
        for one in (given if isinstance(given, list) else [given])
    ]


@contextlib.contextmanager
def _connection(setting: str) -> Iterator[str]:
    """The connection string in a setting; an error in it names the setting and not its content."""
    text = os.environ.get(setting)
    if not text:
        raise HostError(f"the setting {setting} is missing: it holds the connection string of a storage account")
    try:
        yield text
    except ValueError:
        raise HostError(f"the setting {setting} is no connection string of a storage account") from None
