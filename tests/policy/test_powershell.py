"""The PowerShell scripts of PeopleStage's channel: they parse, call their slots, and return the keys of the contract.

The scripts are parsed with a grammar; PowerShell itself does not run here.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
import tree_sitter_powershell
from tree_sitter import Language, Node, Parser

from shared.broadcast import State
from shared.faststats.peoplestage_slots import Slot, TestSendCall, broadcast_answer, upload_answer
from tests.builders import make_broadcast

SCRIPTS = Path(__file__).parents[2] / "integrations" / "peoplestage"
_PARSER = Parser(Language(tree_sitter_powershell.language()))
#: Keys of an answer that only the scripts use.
_INTERNAL = {"Done", "State", "WaitingFor"}


def tree(name: str) -> Node:
    return _PARSER.parse((SCRIPTS / name).read_bytes()).root_node


def nodes(node: Node, kind: str) -> Iterator[Node]:
    if node.type == kind:
        yield node
    for child in node.children:
        yield from nodes(child, kind)


def text(node: Node) -> str:
    assert node.text is not None
    return node.text.decode()


def commands(name: str) -> list[str]:
    return [text(node) for node in nodes(tree(name), "command")]


@pytest.mark.parametrize("name", sorted(path.name for path in SCRIPTS.glob("*.ps*1")))
def test_every_script_is_powershell(name: str) -> None:
    root = tree(name)
    assert not root.has_error
    assert text(root).isascii(), "Windows PowerShell 5.1 reads a file without BOM as windows-1252"


def test_every_slot_has_its_script_and_calls_it() -> None:
    assert {path.stem for path in SCRIPTS.glob("*.ps1")} == {slot.value for slot in Slot}
    for slot in Slot:
        called = [command for command in commands(f"{slot}.ps1") if command.startswith(("Invoke-Slot", "Wait-Slot"))]
        assert called
        assert all(f"-Slot '{slot}'" in command for command in called)


def test_an_answer_that_is_not_json_is_tried_again_like_no_answer() -> None:
    [slot] = [
        node for node in nodes(tree("BroadcastBridge.psm1"), "function_statement") if "Invoke-Slot {" in text(node)
    ]
    caught = [text(node) for node in nodes(slot, "catch_clause")]
    assert len(caught) == 2
    assert "[System.ArgumentException]" in caught[0]
    assert "throw $odd" in caught[0]
    assert "[System.Net.WebException]" in caught[1]
    assert text(slot).count("throw $odd") == 2


def returned(name: str) -> set[str]:
    """Keys of the hashtable that a script returns."""
    *_, last = nodes(tree(name), "hash_literal_expression")
    return {text(entry.children[0]) for entry in nodes(last, "hash_entry")}


def test_the_hashtables_have_the_keys_of_the_contract() -> None:
    broadcast = make_broadcast(State.SENT)
    assert returned("upload.ps1") == upload_answer(broadcast).keys() - _INTERNAL
    assert returned("broadcast.ps1") == broadcast_answer(broadcast, wait=True).keys() - _INTERNAL
    assert returned("preview.ps1") == {"Type", "FromAddress", "FromName", "Html", "ReplyTo", "Subject", "Text"}
    assert {"Recipients", "TransactionId"} <= returned("send-test.ps1")


@pytest.mark.parametrize("name", sorted(path.name for path in SCRIPTS.glob("*.ps*1")))
def test_no_script_shows_a_secret(name: str) -> None:
    shown = [command for command in commands(name) if command.startswith(("Write-", "Stop-WithMessage", "Out-"))]
    secret = ("Password", "UploadUrl", "Address", "$body", "$params")
    assert not [command for command in shown if any(name in command for name in secret)]
    source = (SCRIPTS / name).read_text()
    assert source.count("'Password'") == (2 if name.endswith(".psm1") else 0), "it is sent in one header only"


def test_a_call_omits_the_parameters_that_are_private_to_the_scripts() -> None:
    assert "-notin 'Username', 'Password', 'URL', 'Proxy'" in (SCRIPTS / "BroadcastBridge.psm1").read_text()


def test_all_tries_of_a_click_have_one_guid() -> None:
    script, module = (SCRIPTS / "send-test.ps1").read_text(), (SCRIPTS / "BroadcastBridge.psm1").read_text()
    assert "@{ RequestId = [Guid]::NewGuid().ToString() }" in script
    assert script.count("NewGuid") == 1
    assert "-Extra $click" in script
    assert module.index("ConvertTo-Json") < module.index("for ($attempt"), "the tries send one and the same body"
    assert TestSendCall.model_fields["request_id"].alias == "RequestId"
