"""Which response files are taken from the SFTP site, and when."""

import dataclasses
import io
import uuid
from collections.abc import Callable

import pytest

from shared.bridge import Bridge
from shared.channels import Channels
from shared.response_layouts import ResponseLayout
from shared.steps.gather_responses import gather_responses
from shared.steps.load_responses import load_responses
from tests.flow.harness import Flow


@pytest.fixture
def gatherer(flow: Flow) -> Callable[..., Bridge]:
    """Bridges that look for response files of the test's own: their names begin with a tag."""
    tag = f"G{uuid.uuid4().hex[:12]}"

    def make(marker: str | None) -> Bridge:
        settings = flow.bridge.settings.model_copy(update={"response_file_marker": marker})
        channels = Channels(responses={"default": ResponseLayout(names=(f"{tag}*",))})
        return dataclasses.replace(flow.bridge, settings=settings, channels=channels)

    return make


def tag_of(bridge: Bridge) -> str:
    return bridge.channels.responses["default"].names[0].rstrip("*")


def put(bridge: Bridge, name: str, content: bytes = b"") -> None:
    """Put a file on the site; its name begins with the tag of the test."""
    tag = tag_of(bridge)
    path = f"{bridge.settings.sftp_response_folder}/{name.replace('tag', tag)}"
    upload(bridge, path, content)


def upload(bridge: Bridge, path: str, content: bytes) -> None:
    bridge.site.upload(lambda _: io.BytesIO(content), path, size=len(content), tag="t1", replace=True)


def gathered(bridge: Bridge, flow: Flow) -> list[tuple[str, bytes]]:
    """The files that a round of gathering queues: names with `tag` for the tag, and what is kept of them."""
    count = gather_responses(bridge)
    tag = tag_of(bridge)
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


def test_a_file_is_read_by_the_layout_that_its_name_fits(flow: Flow, gatherer: Callable[..., Bridge]) -> None:
    tag = tag_of(gatherer(None))
    layouts = {
        "clicks": ResponseLayout(names=(f"{tag}-clicks*",), delimiter="\t", message_type="Click"),
        "rest": ResponseLayout(names=(f"{tag}*.csv",)),
    }
    bridge = dataclasses.replace(flow.bridge, channels=Channels(responses=layouts))
    path = bridge.settings.sftp_response_folder
    for name, content in {
        f"{tag}-clicks.csv": "Urn\tEventTriggeredDate\tClickUrl\n1\t01.03.2026 12:30\thttps://example.org\n",
        f"{tag}-all.csv": "Urn;EventTriggeredDate;MessageType\n1;01.03.2026 12:30;Open\n",
        f"{tag}.pdf": "no response file",
    }.items():
        upload(bridge, f"{path}/{name}", content.encode())
    gather_responses(bridge)
    assert gather_responses(bridge) == 2
    loaded = [
        load_responses(bridge, message["response_file"]) for message in flow.take(bridge.settings.load_responses_queue)
    ]
    assert sorted(str(dict(counts.by_type)) for counts in loaded if counts) == ["{'Click': 1}", "{'Open': 1}"]
