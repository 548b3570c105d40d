"""Evidence as the ledger stores it: readable by this version and by the one before."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from shared.routes.closed_loop import ClosedLoopUpload
from shared.routes.evidence import Evidence, StartEvidence
from shared.routes.import_job import CampaignCopy, ImportJobUpload
from shared.routes.sending_batch import BatchTransfer, PreparedBatch
from shared.routes.single_upload import SingleUpload

NOON, LATER = datetime(2026, 3, 1, 12, tzinfo=UTC), datetime(2026, 3, 1, 12, 30, 15, 123000, tzinfo=UTC)

#: As the version before this class wrote it to the ledger.
STORED: list[tuple[str, Evidence]] = [
    ('{"campaign": 12}', CampaignCopy(campaign=12)),
    ('{"list_modified": null, "job_fired": null}', ImportJobUpload()),
    (
        (
            '{"list_modified": "2026-03-01T12:00:00+00:00", "job_fired": "2026-03-01T12:00:00+00:00", "size": -1, '
            '"verified": "2026-03-01T12:30:15.123000+00:00"}'
        ),
        ImportJobUpload(list_modified=NOON, job_fired=NOON, size=-1, verified=LATER),
    ),
    ('{"newest": null, "ids": []}', ClosedLoopUpload()),
    (
        '{"newest": "2026-03-01T12:00:00+00:00", "ids": [7, 8], "renaming": true, "size": 93}',
        ClosedLoopUpload(newest=NOON, ids=(7, 8), renaming=True, size=93),
    ),
    ('{"renaming": true, "taken": true}', SingleUpload(renaming=True, taken=True)),
    ("{}", SingleUpload()),
    ('{"batch": 4}', PreparedBatch(batch=4)),
    ('{"chunk_rows": 1000}', BatchTransfer(chunk_rows=1000)),
    (
        '{"chunk_rows": 1000, "told": 1400, "valid": 1390, "chunks": 2}',
        BatchTransfer(chunk_rows=1000, answered=1400, valid=1390, chunks=2),
    ),
    ('{"status": "armed"}', StartEvidence(status="armed")),
]


@pytest.mark.parametrize(("stored", "evidence"), STORED, ids=[stored for stored, _ in STORED])
def test_stored_evidence_is_read(stored: str, evidence: Evidence) -> None:
    assert type(evidence).from_json(json.loads(stored)) == evidence


@pytest.mark.parametrize(("stored", "evidence"), STORED, ids=[stored for stored, _ in STORED])
def test_evidence_is_stored_under_the_same_keys_with_the_same_values(stored: str, evidence: Evidence) -> None:
    written: dict[str, Any] = json.loads(json.dumps(evidence.to_json()))
    earlier = {key: value for key, value in json.loads(stored).items() if value is not None}
    assert earlier == {key: written[key] for key in earlier}
    assert all(not value for key, value in written.items() if key not in earlier), "what is added says nothing"


def test_a_key_of_a_later_version_is_ignored() -> None:
    assert PreparedBatch.from_json({"batch": 4, "colour": "blue"}) == PreparedBatch(batch=4)
