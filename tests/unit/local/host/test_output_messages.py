"""The messages of a queue output binding."""

import json
from typing import Any

import pytest

from local.host.storage import messages_of
from local.host.worker import Datum


@pytest.mark.parametrize(
    ("output", "messages"),
    [
        (Datum("grün", "string"), ["grün".encode()]),
        (Datum('["one", "text"]', "string"), [b'["one", "text"]']),
        (Datum(b"\xff", "bytes"), [b"\xff"]),
        (Datum(json.dumps(["a", "b"]), "json"), [b"a", b"b"]),
        (Datum(json.dumps({"id": None, "body": "of a QueueMessage"}), "json"), [b"of a QueueMessage"]),
        (Datum(json.dumps([{"id": "1", "body": "x"}, "y"]), "json"), [b"x", b"y"]),
        (Datum("[]", "json"), []),
    ],
)
def test_each_kind_of_output_gives_its_messages(output: Any, messages: list[bytes]) -> None:
    assert messages_of(output) == messages
