"""Which response files are taken from the SFTP site, and when."""

import dataclasses
import io
import uuid
from collections.abc import Callable

import pytest

from shared.bridge import Bridge
from shared.steps.gather_responses import gather_responses
from tests.flow.harness import Flow


@pytest.fixture
def gatherer(flow: Flow) -> Callable[..., Bridge]:
    """Bridges that look for response files of the test's own: their names begin with a tag."""
    tag = f"G{uuid.uuid4().hex[:12]}"

    def make(marker: str | None) -> Bridge:
        update = {"response_file_pattern": f"{tag}*", "response_file_marker": marker}
        return dataclasses.replace(flow.bridge, settings=flow.bridge.settings.model_copy(update=update))

    return make


def put(bridge: Bridge, name: str, content: bytes = b"") -> None:
    """Put a file on the site; its name begins with the tag of the test."""
    tag = bridge.settings.response_file_pattern.rstrip("*")
    path = f"{bridge.settings.sftp_response_folder}/{name.replace('tag', tag)}"
    bridge.site.upload(lambda _: io.BytesIO(content), path, size=len(content), tag="t1", replace=True)


def gathered(bridge: Bridge, flow: Flow) -> list[tuple[str, bytes]]:
    """The files that a round of gathering queues: names with `tag` for the tag, and what is kept of them."""
    count = gather_responses(bridge)
    tag = bridge.settings.response_file_pattern.rstrip("*")
    files = [
        bridge.ledger.response_files.get(message["response_file"])
        for message in flow.take(bridge.settings.load_responses_queue)
    ]
    assert len(files) == count
    return sorted(
        (file.name.replace(tag, "tag"), b"".join(bridge.responses.chunks(file.blob))) for file in files if file
    )


def test_without_a_marker_a_file_is_taken_when_two_looks_found_the_same(
    flow: Flow, gatherer: Callable[..., Bridge]
) -> None:
    bridge = gatherer(None)
    put(bridge, "tag.csv", b"one")
    assert gathered(bridge, flow) == []
    put(bridge, "tag.csv", b"one and two")
    assert gathered(bridge, flow) == []
    assert gathered(bridge, flow) == [("tag.csv", b"one and two")]
    assert gathered(bridge, flow) == []


# A marker may look like a response file or not.
@pytest.mark.parametrize("marker", ["{name}.done", "done-{name}"])
def test_with_a_marker_a_file_is_taken_at_once_when_it_is_there_and_never_before(
    flow: Flow, gatherer: Callable[..., Bridge], marker: str
) -> None:
    bridge = gatherer(marker)
    put(bridge, "tag-1.csv", b"one")
    put(bridge, "tag-2.csv", b"two")
    put(bridge, marker.format(name="tag-2.csv"))
    put(bridge, marker.format(name="tag-3.csv"))

    assert gathered(bridge, flow) == [("tag-2.csv", b"two")]
    assert gathered(bridge, flow) == []
    put(bridge, marker.format(name="tag-1.csv"))
    assert gathered(bridge, flow) == [("tag-1.csv", b"one")]
    assert gathered(bridge, flow) == []


def test_with_a_marker_a_file_that_comes_again_changed_is_taken_again(
    flow: Flow, gatherer: Callable[..., Bridge]
) -> None:
    bridge = gatherer("{name}.done")
    put(bridge, "tag.csv", b"one")
    put(bridge, "tag.csv.done")
    assert gathered(bridge, flow) == [("tag.csv", b"one")]

    put(bridge, "tag.csv", b"one and two")

    assert gathered(bridge, flow) == [("tag.csv", b"one and two")]
