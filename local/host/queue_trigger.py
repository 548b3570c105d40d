"""The queue trigger: takes messages from a storage queue and gives each to its function.

The semantics are those of the storage extension (host.json, `extensions.queues`): a message is
invisible while its function runs, deleted when it succeeds, visible again after a while when it fails,
and moved to the poison queue when it has failed `maxDequeueCount` times.
"""

import asyncio
import base64
import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Self

from azure.core.exceptions import AzureError
from azure.storage.queue import QueueMessage
from azure.storage.queue.aio import QueueClient

from local.host.log import log
from local.host.settings import HostError
from local.host.storage import create_queue, put_message
from local.host.timespan import parse_time_span
from local.host.waiting import happens_within
from local.host.worker import Datum, InvocationError, Invoke

#: How long a message is invisible before it is renewed; what a dead host leaves behind waits that long.
_INVISIBLE = timedelta(minutes=10)
_FIRST_PAUSE_SECONDS = 0.1
_MOST_MESSAGES = 32
_POISON, _LONGEST_NAME = "-poison", 63


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
        """With the defaults of the extension for what is not there.

        Raises:
            HostError: a value is not one that the extension takes.
        """
        given = host.get("extensions", {}).get("queues", {})
        try:
            batch_size = int(given.get("batchSize", 16))
            options = cls(
                batch_size=batch_size,
                new_batch_threshold=int(given.get("newBatchThreshold", batch_size // 2)),
                visibility_timeout=parse_time_span(given.get("visibilityTimeout", "00:00:00")),
                max_dequeue_count=int(given.get("maxDequeueCount", 5)),
                max_polling_interval=parse_time_span(given.get("maxPollingInterval", "00:01:00")),
                base64_encoded=("none", "base64").index(str(given.get("messageEncoding", "base64")).lower()) == 1,
            )
        except ValueError as error:
            raise HostError(f"host.json, extensions.queues: {error}") from None
        if not 1 <= batch_size <= _MOST_MESSAGES:
            raise HostError(f"host.json, extensions.queues: batchSize is {batch_size}, not 1 to {_MOST_MESSAGES}")
        if options.new_batch_threshold < 0 or options.max_dequeue_count < 1:
            raise HostError("host.json, extensions.queues: newBatchThreshold or maxDequeueCount is too small")
        return options


class QueueTrigger:
    """Listens to the queue of one function.

    Args:
        invoke: invokes the function.
        queue: the queue.
        poison: where messages go that cannot be worked on. A poison queue has none of its own.
        options: from host.json.
        binary: give the function bytes (`dataType`) rather than text.
        invisible: how long a message is invisible before it is renewed.
    """

    def __init__(
        self,
        invoke: Invoke,
        queue: QueueClient,
        poison: QueueClient | None,
        options: QueueOptions,
        *,
        binary: bool = False,
        invisible: timedelta = _INVISIBLE,
    ) -> None:
        self._invoke = invoke
        self._queue = queue
        self._poison = poison
        self._options = options
        self._binary = binary
        self._invisible = invisible

    async def start(self) -> None:
        """Make the queue if it is missing."""
        await create_queue(self._queue)

    async def run(self, stop: asyncio.Event) -> None:
        """Take and work on messages until told to stop; then let the invocations under way finish."""
        pause, longest = _FIRST_PAUSE_SECONDS, self._options.max_polling_interval.total_seconds()
        running: set[asyncio.Task[None]] = set()
        async with asyncio.TaskGroup() as group:
            stopped = group.create_task(stop.wait())
            while not stop.is_set():
                if len(running) > self._options.new_batch_threshold:
                    await asyncio.wait({*running, stopped}, return_when=asyncio.FIRST_COMPLETED)
                    continue
                messages = await self._take()
                for message in messages:
                    task = group.create_task(self._work(message))
                    running.add(task)
                    task.add_done_callback(running.discard)
                if messages:
                    pause = _FIRST_PAUSE_SECONDS
                else:
                    await happens_within(stop, pause)
                    pause = min(pause * 2, longest)

    async def _take(self) -> list[QueueMessage]:
        pages = self._queue.receive_messages(
            messages_per_page=self._options.batch_size, visibility_timeout=round(self._invisible.total_seconds())
        ).by_page()
        try:
            # One page only: the iterator would ask again and again until the queue is empty.
            async for page in pages:
                return [message async for message in page]
        except AzureError as error:
            log(f"Queue {self._queue.queue_name} cannot be read ({type(error).__name__}); it is tried again.")
        return []

    async def _work(self, message: QueueMessage) -> None:
        try:
            if (message.dequeue_count or 1) > self._options.max_dequeue_count:
                await self._to_poison(message, "has been delivered too often")
            elif (body := self._decoded(message)) is None:
                # No other try would help, so the extension makes none.
                await self._to_poison(message, "is not in the encoding that host.json names")
            elif await self._succeeds(message, body):
                await self._queue.delete_message(message.id, message.pop_receipt)
            elif (message.dequeue_count or 1) >= self._options.max_dequeue_count:
                await self._to_poison(message, "has failed too often")
            else:
                again = round(self._options.visibility_timeout.total_seconds())
                await self._queue.update_message(message.id, message.pop_receipt, visibility_timeout=again)
        except AzureError as error:
            # It becomes visible again by itself, or somebody else has it meanwhile.
            log(f"Message {message.id} of {self._queue.queue_name} could not be settled ({type(error).__name__}).")

    async def _succeeds(self, message: QueueMessage, body: Datum) -> bool:
        done = asyncio.Event()
        renewal = asyncio.create_task(self._renew(message, done))
        try:
            reason = f"message {message.id}, delivery {message.dequeue_count}"
            await self._invoke(body, _metadata(message), reason=reason)
        except InvocationError:
            return False
        finally:
            # Never cancelled: a renewal that has reached the queue has changed the pop receipt.
            done.set()
            await renewal
        return True

    async def _renew(self, message: QueueMessage, done: asyncio.Event) -> None:
        """Keep the message invisible while its function runs."""
        while not await happens_within(done, self._invisible.total_seconds() / 2):
            with contextlib.suppress(AzureError):  # there is time for another try
                renewed = await self._queue.update_message(
                    message.id, message.pop_receipt, visibility_timeout=round(self._invisible.total_seconds())
                )
                message.pop_receipt = renewed.pop_receipt

    def _decoded(self, message: QueueMessage) -> Datum | None:
        try:
            content = str(message.content).encode()
            body = base64.b64decode(content, validate=True) if self._options.base64_encoded else content
            return Datum(body, "bytes") if self._binary else Datum(body.decode(), "string")
        except ValueError:
            return None

    async def _to_poison(self, message: QueueMessage, why: str) -> None:
        if self._poison is None:
            log(f"Message {message.id} of {self._queue.queue_name} {why}; it stays there.")
            return
        log(f"Message {message.id} of {self._queue.queue_name} {why}: it goes to {self._poison.queue_name}.")
        await put_message(self._poison, str(message.content))
        await self._queue.delete_message(message.id, message.pop_receipt)


def poison_queue_name(queue: str) -> str | None:
    """Name of the poison queue of a queue; None where there can be none."""
    if queue.endswith(_POISON) or len(queue) + len(_POISON) > _LONGEST_NAME:
        return None
    return queue + _POISON


def _metadata(message: QueueMessage) -> dict[str, Datum]:
    """Trigger metadata, as Azure gives it: JSON for what is not text."""
    moments = {
        "InsertionTime": message.inserted_on,
        "ExpirationTime": message.expires_on,
        "NextVisibleTime": message.next_visible_on,
    }
    return {
        "Id": Datum(message.id, "string"),
        "DequeueCount": Datum(json.dumps(message.dequeue_count), "json"),
        "PopReceipt": Datum(message.pop_receipt, "string"),
        **{name: Datum(json.dumps(value.isoformat()), "json") for name, value in moments.items() if value},
    }
