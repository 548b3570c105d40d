"""The queue trigger: takes messages from a storage queue and gives each to its function.

The semantics are those of the storage extension (host.json, `extensions.queues`): a message is
invisible while its function runs, deleted when it succeeds, visible again when it fails, and moved to
the poison queue when it has failed `maxDequeueCount` times.
"""

import asyncio
import base64
import binascii
import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from azure.core.exceptions import AzureError, ResourceExistsError, ResourceNotFoundError
from azure.storage.queue import QueueMessage
from azure.storage.queue.aio import QueueClient, QueueServiceClient

from local.log import log
from local.worker import Datum, Function, InvocationError, Worker

#: How long a message is invisible before it is renewed; what a dead host leaves behind waits that long.
_INVISIBLE = timedelta(minutes=10)
_FIRST_PAUSE = 0.1
_MOST_MESSAGES = 32


def span(text: str) -> timedelta:
    """A time span as host.json writes it: `[d.]hh:mm:ss`."""
    days, _, rest = text.rpartition(".")
    hours, minutes, seconds = (int(part) for part in rest.split(":"))
    return timedelta(days=int(days or 0), hours=hours, minutes=minutes, seconds=seconds)


@dataclass(frozen=True, slots=True)
class QueueOptions:
    """`extensions.queues` of host.json."""

    #: Messages taken at a time.
    batch_size: int
    #: More are taken when so few or fewer are being worked on.
    new_batch_threshold: int
    #: How long a message whose function failed stays invisible.
    visibility_timeout: timedelta
    max_dequeue_count: int
    max_polling_interval: timedelta
    base64_encoded: bool

    @classmethod
    def from_host_json(cls, host: Mapping[str, Any]) -> Self:
        """With the defaults of the extension for what is not there."""
        options = host.get("extensions", {}).get("queues", {})
        batch_size = min(int(options.get("batchSize", 16)), _MOST_MESSAGES)
        return cls(
            batch_size=batch_size,
            new_batch_threshold=int(options.get("newBatchThreshold", batch_size // 2)),
            visibility_timeout=span(options.get("visibilityTimeout", "00:00:00")),
            max_dequeue_count=int(options.get("maxDequeueCount", 5)),
            max_polling_interval=span(options.get("maxPollingInterval", "00:01:00")),
            base64_encoded=options.get("messageEncoding", "base64") == "base64",
        )


class QueueTrigger:
    """Listens to the queue of one function.

    Args:
        worker: invokes it.
        function: the function.
        service: the storage account.
        queue: name of the queue.
        options: from host.json.
    """

    def __init__(
        self, worker: Worker, function: Function, service: QueueServiceClient, queue: str, options: QueueOptions
    ) -> None:
        self._worker = worker
        self._function = function
        self._options = options
        self._queue = service.get_queue_client(queue)
        self._poison = service.get_queue_client(f"{queue}-poison")
        self._running: set[asyncio.Task[None]] = set()

    async def listen(self) -> None:
        """Take and work on messages until cancelled."""
        await _create(self._queue)
        pause = _FIRST_PAUSE
        longest = self._options.max_polling_interval.total_seconds()
        while True:
            if len(self._running) > self._options.new_batch_threshold:
                await asyncio.wait(self._running, return_when=asyncio.FIRST_COMPLETED)
                continue
            taken = await self._take()
            for message in taken:
                task = asyncio.create_task(self._work(message))
                self._running.add(task)
                task.add_done_callback(self._running.discard)
            if taken:
                pause = _FIRST_PAUSE
            else:
                await asyncio.sleep(pause)
                pause = min(pause * 2, longest)

    async def finish(self) -> None:
        """Wait for the invocations under way."""
        if self._running:
            await asyncio.wait(self._running)

    async def _take(self) -> list[QueueMessage]:
        try:
            found = self._queue.receive_messages(
                messages_per_page=self._options.batch_size,
                max_messages=self._options.batch_size,
                visibility_timeout=round(_INVISIBLE.total_seconds()),
            )
            return [message async for message in found]
        except AzureError as error:
            log(f"Queue {self._queue.queue_name} cannot be read ({type(error).__name__}); it is tried again.")
            return []

    async def _work(self, message: QueueMessage) -> None:
        try:
            await self._invoke(message)
        except AzureError as error:
            # The message becomes visible again by itself.
            log(f"A message of queue {self._queue.queue_name} could not be settled ({type(error).__name__}).")

    async def _invoke(self, message: QueueMessage) -> None:
        dequeued = message.dequeue_count or 1
        if dequeued > self._options.max_dequeue_count:
            await self._to_poison(message)
            return
        renewal = asyncio.create_task(self._renew(message))
        try:
            body = self._decoded(message)
            log(f"{self._function.name} runs (message {message.id}, delivery {dequeued}).")
            outcome = await self._worker.invoke(self._function, Datum(body, "string"), _metadata(message))
            del outcome  # the functions here put messages on queues by themselves
        except (InvocationError, binascii.Error, UnicodeDecodeError) as error:
            await _cancel(renewal)
            log(f"{self._function.name} failed: {error} (message {message.id}, delivery {dequeued}).")
            if dequeued >= self._options.max_dequeue_count:
                await self._to_poison(message)
            else:
                await self._queue.update_message(
                    message, visibility_timeout=round(self._options.visibility_timeout.total_seconds())
                )
        else:
            await _cancel(renewal)
            with contextlib.suppress(ResourceNotFoundError):  # somebody else took it meanwhile
                await self._queue.delete_message(message)
            log(f"{self._function.name} has succeeded (message {message.id}).")

    def _decoded(self, message: QueueMessage) -> str:
        content = str(message.content)
        return base64.b64decode(content, validate=True).decode() if self._options.base64_encoded else content

    async def _renew(self, message: QueueMessage) -> None:
        """Keep the message invisible while its function runs."""
        while True:
            await asyncio.sleep(_INVISIBLE.total_seconds() / 2)
            renewed = await self._queue.update_message(message, visibility_timeout=round(_INVISIBLE.total_seconds()))
            message.pop_receipt = renewed.pop_receipt

    async def _to_poison(self, message: QueueMessage) -> None:
        log(f"Message {message.id} goes to queue {self._poison.queue_name}.")
        await _create(self._poison)
        await self._poison.send_message(message.content, time_to_live=-1)
        with contextlib.suppress(ResourceNotFoundError):
            await self._queue.delete_message(message)


async def _create(queue: QueueClient) -> None:
    with contextlib.suppress(ResourceExistsError):
        await queue.create_queue()


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError, AzureError):
        await task


def _metadata(message: QueueMessage) -> dict[str, Datum]:
    """Trigger metadata, as Azure gives it: JSON for what is not text."""

    def moment(value: datetime | None) -> Datum:
        return Datum(json.dumps((value or datetime.now(UTC)).astimezone(UTC).isoformat()), "json")

    return {
        "Id": Datum(message.id, "string"),
        "DequeueCount": Datum(str(message.dequeue_count), "json"),
        "PopReceipt": Datum(message.pop_receipt, "string"),
        "InsertionTime": moment(message.inserted_on),
        "ExpirationTime": moment(message.expires_on),
        "NextVisibleTime": moment(message.next_visible_on),
    }
