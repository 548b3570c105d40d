"""Whatever bytes arrive, each target reads them to an end, or says what is wrong (tests/fuzz/targets.py)."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from paramiko import SFTPAttributes, sftp

from shared.errors import SftpUnavailable
from shared.sftp import transfer
from tests.fuzz.mutations import mutated
from tests.fuzz.targets import TARGETS, client_on, packet, session_on


@pytest.mark.parametrize("name", TARGETS)
def test_what_a_target_understands_is_read(name: str) -> None:
    for seed in TARGETS[name].seeds:
        TARGETS[name](seed)


@pytest.mark.parametrize("name", TARGETS)
@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(data=st.data())
def test_whatever_arrives_is_read_or_refused(name: str, data: st.DataObject) -> None:
    target = TARGETS[name]
    target(data.draw(st.one_of(mutated(target.seeds), st.binary(max_size=200))))


# What they found


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(packet(sftp.CMD_NAME, 2**32 - 1, b"a.csv", b"", 0), id="entries"),
        pytest.param(packet(sftp.CMD_NAME, 400_000, b"a.csv", b"", 0), id="fewer entries"),
        pytest.param(packet(sftp.CMD_NAME, 1, b"a.csv", b"", SFTPAttributes.FLAG_EXTENDED, 2**32 - 1), id="attributes"),
        pytest.param(packet(sftp.CMD_NAME, 1, 2**31), id="length of a name"),
        pytest.param(packet(sftp.CMD_NAME, 0)[:1] + b"\0\0", id="nothing"),
    ],
)
def test_a_listing_ends_where_its_packet_ends_whatever_the_packet_counts(answer: bytes) -> None:
    session = session_on(packet(sftp.CMD_HANDLE, b"h") + answer)
    with pytest.raises(SftpUnavailable, match=r"PacketCut|NoEnd"):
        session.list_files("in", "*")


def test_a_listing_that_never_ends_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "_MOST_ENTRIES", 20)
    session = session_on(packet(sftp.CMD_HANDLE, b"h") + packet(sftp.CMD_NAME, 1, b"a.csv", b"", 0) * 50)
    with pytest.raises(SftpUnavailable, match="NoEnd"):
        session.list_files("in", "*")


def test_a_file_with_a_byte_at_every_offset_is_given_up() -> None:
    client = client_on(packet(sftp.CMD_HANDLE, b"h") + packet(sftp.CMD_DATA, b"x") * 100)
    with pytest.raises(transfer.NoEnd):
        client.measure("in/a.csv")
