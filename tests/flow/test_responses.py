"""Responses find their broadcast by what they carry, and leave where the settings say."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import MappingProxyType

import pytest
from sqlalchemy import func, select

from local.azurite import Azurite
from shared.config.response_layouts import ResponseField, ResponseLayout
from shared.faststats.schema_map.names import RsDbSchema
from shared.ledger.tables import recipient
from shared.optimizely.responses.reader import ResponseReader
from shared.steps.housekeeping import housekeeping
from tests.databases import ZONE, Databases
from tests.flow.conftest import bridge_over
from tests.flow.harness import Flow
from tests.flow.simulators import Simulators

#: The ways that are left when these columns are not in the response files.
WITHOUT = {
    "mailing id": (ResponseField.BROADCAST_KEY,),
    "Communication Key": (ResponseField.BROADCAST_KEY, ResponseField.MAILING_ID),
}


@pytest.mark.parametrize("way", WITHOUT)
def test_every_response_finds_its_broadcast_without_the_key_in_the_list(alone: Flow, way: str) -> None:
    flow, schema = alone, RsDbSchema(ZONE)
    missing = dict.fromkeys(WITHOUT[way], ("not in the file",))
    flow.bridge.channels.responses = MappingProxyType({"default": ResponseLayout(fields=missing)})
    broadcasts = [flow.run(flow.order(recipients=80, seed=seed)) for seed in (1, 2)]
    with flow.bridge.rs_database.reading() as connection:
        remembered = connection.scalar(select(func.count()).select_from(recipient))
    assert remembered == sum(one.rows.uploaded for one in broadcasts if one.rows)
    flow.collect_responses()
    housekeeping(flow.bridge)
    with flow.bridge.rs_database.reading() as connection:
        by_broadcast = connection.execute(
            select(schema.response.c.broadcast_id, func.count()).group_by(schema.response.c.broadcast_id)
        ).all()
    caused = {one.rs_broadcast_id: sum(flow.campaign(one)["events_by_type"].values()) for one in broadcasts}
    assert {broadcast_id: rows for broadcast_id, rows in by_broadcast} == caused  # noqa: C416 - rows are no pairs to mypy
    assert flow.bridge.ledger.response_files.totals()["rows_unmatched"] == 0


@pytest.fixture
def to_files(tmp_path: Path, azurite: Azurite, databases: Databases, simulators: Simulators) -> Iterator[Flow]:
    """A bridge whose responses leave in files."""
    (tmp_path / "ferg").mkdir()
    settings = {"RESPONSES_TO": "files", "FERG_FILES": str(tmp_path / "ferg")}
    with (
        simulators.new(tmp_path / "simulator") as site,
        bridge_over(site, tmp_path, azurite, databases, **settings) as made,
    ):
        yield made


def test_every_response_leaves_once_in_a_file_for_ferg(to_files: Flow) -> None:
    flow = to_files
    broadcast = flow.run(flow.order(recipients=120))
    flow.collect_responses()
    housekeeping(flow.bridge)
    layout = ResponseLayout.model_validate({"DELIMITER": "TAB", "LOCALTIMEZONE": ZONE})
    left: Counter[str] = Counter()
    for file in (flow.folder / "ferg").iterdir():
        responses = [one for _, one in ResponseReader([file.read_bytes()], layout, name=file.name)]
        assert {one.mailing_id for one in responses} == {str(broadcast.mailing_id)}
        left.update(one.message_type for one in responses)
    assert left == flow.campaign(broadcast)["events_by_type"]
    with flow.bridge.rs_database.reading() as connection:
        assert flow.bridge.rs_db.count_by_type(connection) == {}
