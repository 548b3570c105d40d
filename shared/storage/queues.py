"""Queues. Messages carry ids only (claim check); the ledger has the data."""

import json
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta

from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError
from azure.storage.queue import QueueServiceClient, TextBase64EncodePolicy

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
        text, seconds = json.dumps(dict(message)), max(0, round(delay.total_seconds()))
        with mapped_errors("send a message"):
            try:
                client.send_message(text, visibility_timeout=seconds)
            except ResourceNotFoundError:
                with suppress(ResourceExistsError):
                    client.create_queue()
                client.send_message(text, visibility_timeout=seconds)

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
