"""Staged files: whole or not at all, never changed, streamed both ways."""

import os
import threading
import time
import tracemalloc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from random import Random
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError
from azure.storage.blob import BlobClient, BlobServiceClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.config.settings import Settings
from shared.errors import SettingsInvalid, StagedFileMissing, StorageUnavailable
from shared.storage.account import BLOCK_SIZE, blob_service, queue_service
from shared.storage.staging import StagedFile, Staging

MIB = 1024 * 1024


@pytest.fixture
def staging(blobs: BlobServiceClient, new_name: str) -> Staging:
    staging = Staging(blobs, new_name)
    staging.create_container()
    return staging


def stage(staging: Staging, name: str, content: bytes, **metadata: str) -> bool:
    with staging.writer(name) as writer:
        writer.write(content)
        return writer.commit(metadata)


def content(staging: Staging, name: str) -> bytes:
    return b"".join(staging.chunks(name))


def get(staging: Staging, name: str) -> StagedFile:
    file = staging.find(name)
    assert file is not None
    return file


def made_up(size: int) -> bytes:
    return Random(size).randbytes(size)


# Whole


@pytest.mark.parametrize(
    "size", [0, 1, BLOCK_SIZE - 1, BLOCK_SIZE, BLOCK_SIZE + 1, 3 * BLOCK_SIZE, 3 * BLOCK_SIZE + 17], ids=str
)
def test_what_is_written_is_what_is_read(staging: Staging, size: int) -> None:
    assert stage(staging, "J1/list.csv", made_up(size), rows="7")
    assert content(staging, "J1/list.csv") == made_up(size)
    assert get(staging, "J1/list.csv").size == size
    assert get(staging, "J1/list.csv").metadata == {"rows": "7"}


@pytest.mark.parametrize("offset", [0, 1, BLOCK_SIZE, 2 * BLOCK_SIZE + 16, 2 * BLOCK_SIZE + 17], ids=str)
def test_it_is_read_from_an_offset_to_its_end(staging: Staging, offset: int) -> None:
    whole = made_up(2 * BLOCK_SIZE + 17)
    stage(staging, "list.csv", whole)
    source = staging.open("list.csv", offset)
    assert b"".join(iter(lambda: source.read(100_000), b"")) == whole[offset:]


def test_a_file_is_replaced_only_where_that_is_said(staging: Staging) -> None:
    stage(staging, "rejects.csv", b"old")
    was = get(staging, "rejects.csv").tag
    with staging.writer("rejects.csv") as writer:
        writer.write(b"new")
        assert writer.commit({}, replace=True)
    assert content(staging, "rejects.csv") == b"new"
    assert get(staging, "rejects.csv").tag != was


def test_it_does_not_matter_in_which_pieces_it_is_written(staging: Staging) -> None:
    whole, chance, start = made_up(3 * BLOCK_SIZE + 5), Random(1), 0
    with staging.writer("list.csv") as writer:
        while start < len(whole):
            end = start + chance.choice([0, 1, 100, 70_000, BLOCK_SIZE, BLOCK_SIZE + 1])
            writer.write(whole[start:end])
            start = end
        assert writer.commit({})
    assert content(staging, "list.csv") == whole


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sizes=st.lists(st.sampled_from([1, 1000, BLOCK_SIZE, 2 * BLOCK_SIZE + 1]), min_size=1, max_size=6))
def test_it_does_not_matter_in_which_pieces_it_is_read(staging: Staging, sizes: list[int]) -> None:
    whole = made_up(2 * BLOCK_SIZE + 100_000)
    stage(staging, "list.csv", whole)
    source, read = staging.open("list.csv"), b""
    for size in sizes:
        piece = source.read(size)
        assert len(piece) <= size
        read += piece
    assert whole.startswith(read)
    assert read + source.read() == whole
    assert source.read(1) == b""


def test_chunks_are_no_larger_than_a_block(staging: Staging) -> None:
    stage(staging, "list.csv", made_up(2 * BLOCK_SIZE + 1))
    assert [len(piece) for piece in staging.chunks("list.csv")] == [BLOCK_SIZE, BLOCK_SIZE, 1]


@pytest.mark.parametrize(
    "name", ["1/Response 2026-03-01 (1).csv", "1/Größe & 100%+#?.csv", "1/a;b,c='d'~.csv", "1/%41.csv"]
)
def test_files_keep_the_names_they_came_with(staging: Staging, blobs: BlobServiceClient, name: str) -> None:
    stage(staging, name, b"x")
    assert content(staging, name) == b"x"
    assert [blob.name for blob in blobs.get_container_client(staging._container.container_name).list_blobs()] == [name]


def test_a_container_may_be_there_already(staging: Staging) -> None:
    stage(staging, "list.csv", b"x")
    staging.create_container()
    assert content(staging, "list.csv") == b"x"


# Once


def test_the_second_of_two_files_of_one_name_is_refused_and_the_first_left_as_it_is(staging: Staging) -> None:
    first, second = made_up(BLOCK_SIZE + 1), made_up(2 * BLOCK_SIZE)
    assert stage(staging, "list.csv", first, rows="1", sha256="a")
    assert not stage(staging, "list.csv", second, rows="2")
    assert content(staging, "list.csv") == first
    assert get(staging, "list.csv").metadata == {"rows": "1", "sha256": "a"}


def test_an_empty_file_is_not_replaced_either(staging: Staging) -> None:
    assert stage(staging, "list.csv", b"", rows="0")
    assert not stage(staging, "list.csv", b"x", rows="1")
    assert get(staging, "list.csv").metadata == {"rows": "0"}


def test_of_two_writers_that_alternate_the_first_to_commit_wins_with_its_own_blocks(staging: Staging) -> None:
    shorter, longer = made_up(2 * BLOCK_SIZE), made_up(2 * BLOCK_SIZE + 1)
    with staging.writer("list.csv") as first, staging.writer("list.csv") as second:
        for offset in range(0, 2 * BLOCK_SIZE + 1, BLOCK_SIZE):
            first.write(shorter[offset : offset + BLOCK_SIZE])
            second.write(longer[offset : offset + BLOCK_SIZE])
        assert second.commit({"writer": "second"})
        assert not first.commit({"writer": "first"})
    assert content(staging, "list.csv") == longer
    assert get(staging, "list.csv").metadata == {"writer": "second"}


def test_of_writers_that_commit_at_once_one_wins(staging: Staging) -> None:
    start = threading.Barrier(4)

    def write(number: int) -> bool:
        with staging.writer("list.csv") as writer:
            writer.write(bytes([number]) * (BLOCK_SIZE + 1))
            start.wait()
            return writer.commit({"writer": str(number)})

    with ThreadPoolExecutor(4) as threads:
        won = list(threads.map(write, range(4)))
    winner = won.index(True)
    assert won.count(True) == 1
    assert content(staging, "list.csv") == bytes([winner]) * (BLOCK_SIZE + 1)
    assert get(staging, "list.csv").metadata == {"writer": str(winner)}


# Not at all


def test_without_a_commit_there_is_no_trace(staging: Staging, blobs: BlobServiceClient) -> None:
    with staging.writer("list.csv") as writer:
        writer.write(made_up(2 * BLOCK_SIZE))
    assert staging.find("list.csv") is None
    with pytest.raises(StagedFileMissing):
        staging.open("list.csv")
    assert list(blobs.get_container_client(staging._container.container_name).list_blobs()) == []


def test_an_error_while_writing_leaves_no_trace_and_the_next_writer_starts_anew(staging: Staging) -> None:
    def write_then_fail() -> None:
        with staging.writer("list.csv") as writer:
            writer.write(made_up(BLOCK_SIZE + 1))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_then_fail()
    assert staging.find("list.csv") is None
    assert stage(staging, "list.csv", b"new")
    assert content(staging, "list.csv") == b"new"


def test_a_missing_file_is_an_error_that_names_it(staging: Staging) -> None:
    with pytest.raises(StagedFileMissing, match=r"J1/list\.csv"):
        staging.open("J1/list.csv")
    with pytest.raises(StagedFileMissing, match=r"J1/list\.csv"):
        next(staging.chunks("J1/list.csv"))


def test_a_missing_container_is_a_missing_file(blobs: BlobServiceClient, new_name: str) -> None:
    staging = Staging(blobs, new_name)
    assert staging.find("list.csv") is None
    with pytest.raises(StagedFileMissing):
        staging.open("list.csv")


# Streamed


def peaks(staging: Staging, mebibytes: int) -> tuple[int, int]:
    """Most memory in use while a file of this size is written, and while it is read."""
    name, piece = f"{mebibytes} MiB", os.urandom(MIB // 4)
    tracemalloc.start()
    try:
        with staging.writer(name) as writer:
            for _ in range(4 * mebibytes):
                writer.write(piece)
            assert writer.commit({})
        _, written = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        assert sum(len(chunk) for chunk in staging.chunks(name)) == mebibytes * MIB
        _, read = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return written, read


def test_memory_does_not_grow_with_the_file(staging: Staging) -> None:
    peaks(staging, 1)  # what is imported at the first use does not count
    small, large = peaks(staging, 4), peaks(staging, 32)
    for before, after in zip(small, large, strict=True):
        assert after < before + MIB
        assert after < 16 * MIB


# Trouble


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses that the storage libraries ask for; they are not made."""
    asked: list[float] = []
    monkeypatch.setattr(time, "sleep", asked.append)
    return asked


@pytest.mark.parametrize(
    "operation",
    [
        lambda staging: staging.create_container(),
        lambda staging: staging.find("list.csv"),
        lambda staging: staging.open("list.csv"),
        lambda staging: stage(staging, "list.csv", b"x"),
        lambda staging: stage(staging, "list.csv", b"x" * BLOCK_SIZE),
    ],
    ids=["create", "find", "open", "commit", "write"],
)
def test_an_account_that_cannot_be_reached_is_a_passing_error_long_before_a_lease_runs_out(
    unreachable: Settings, pauses: list[float], operation: Callable[[Staging], Any]
) -> None:
    with blob_service(unreachable) as service, pytest.raises(StorageUnavailable) as caught:
        operation(Staging(service, "staging"))
    assert caught.value.reason == "ServiceRequestError"
    assert "127.0.0.1" not in str(caught.value)
    assert caught.value.__suppress_context__
    assert len(pauses) == 3, "it is tried four times"
    assert sum(pauses) < Settings.model_fields["lease_seconds"].default / 2


def test_a_file_that_vanishes_while_it_is_read_is_a_passing_error(staging: Staging, blobs: BlobServiceClient) -> None:
    stage(staging, "list.csv", made_up(3 * BLOCK_SIZE))
    chunks = staging.chunks("list.csv")
    assert len(next(chunks)) == BLOCK_SIZE
    blobs.get_blob_client(staging._container.container_name, "list.csv").delete_blob()
    with pytest.raises(StorageUnavailable) as caught:
        list(chunks)
    assert caught.value.operation == "read a staged file"


def test_a_refusal_that_is_no_collision_is_not_taken_for_one(staging: Staging, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: object, **_more: object) -> None:
        raise HttpResponseError("out of space")

    monkeypatch.setattr(BlobClient, "commit_block_list", refuse)
    with pytest.raises(StorageUnavailable):
        stage(staging, "list.csv", b"x")


@pytest.mark.parametrize("connection", ["qqq", "qqq;;", "AccountKey=qqq", "BlobSecondaryEndpoint=qqq"])
@pytest.mark.parametrize("service", [blob_service, queue_service])
def test_a_connection_string_that_cannot_be_read_is_named_and_not_shown(
    settings_with: Callable[[str], Settings], service: Callable[[Settings], Any], connection: str
) -> None:
    with pytest.raises(SettingsInvalid, match="AzureWebJobsStorage") as caught:
        service(settings_with(connection))
    assert "qqq" not in str(caught.value)


def test_with_addresses_the_identity_of_the_app_is_used(settings_with: Callable[[str], Settings]) -> None:
    settings = settings_with("UseDevelopmentStorage=true").model_copy(
        update={
            "storage_connection": None,
            "blob_service_uri": "https://account.blob.core.windows.net",
            "queue_service_uri": "https://account.queue.core.windows.net",
            "managed_identity_client_id": "client",
        }
    )
    with blob_service(settings) as blobs, queue_service(settings) as queues:
        assert (blobs.url, queues.url) == (f"{settings.blob_service_uri}/", f"{settings.queue_service_uri}/")
        for service in (blobs, queues):
            assert type(service.credential).__name__ == "ManagedIdentityCredential"
