"""Queues. Messages carry ids only (claim check); the ledger has the data."""

import json
from collections.abc import Mapping
from datetime import timedelta

from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError
from azure.storage.queue import QueueClient, QueueServiceClient, TextBase64EncodePolicy

from shared.storage.account import mapped_errors


class Queues:
    """The queues between the functions."""

    def __init__(self, service: QueueServiceClient) -> None:
        self._service = service

    def send(self, queue: str, message: Mapping[str, str | int], *, delay: timedelta = timedelta()) -> None:
        """Send a message.

        Args:
            queue: name of the queue; it is created if it does not exist.
            message: ids only.
            delay: how long it stays invisible, up to seven days.

        Raises:
            StorageUnavailable: the message was not accepted, or it is not known whether it was.
        """
        # Queue triggers expect base64 (host.json, messageEncoding).
        client = self._service.get_queue_client(queue, message_encode_policy=TextBase64EncodePolicy())
        text = json.dumps(dict(message))
        with mapped_errors("send a message"):
            try:
                _send(client, text, delay)
            except ResourceNotFoundError:
                _create(client)
                _send(client, text, delay)

    def length(self, queue: str) -> int:
        """Approximate number of messages in a queue; 0 for a queue that does not exist.

        Raises:
            StorageUnavailable: the storage account did not answer.
        """
        with mapped_errors("count messages"):
            try:
                return self._service.get_queue_client(queue).get_queue_properties().approximate_message_count or 0
            except ResourceNotFoundError:
                return 0


def _send(client: QueueClient, text: str, delay: timedelta) -> None:
    client.send_message(text, visibility_timeout=max(0, round(delay.total_seconds())))


def _create(client: QueueClient) -> None:
    try:
        client.create_queue()
    except ResourceExistsError:
        return
