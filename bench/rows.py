"""Measures the speed of row processing, as ratios in one run: against copying the same file with Python's csv module.

.venv/bin/python bench/rows.py [rows]
"""

import csv
import io
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from local.faststats.delivery_file_generator import write_delivery_file
from shared.broadcast import BroadcastRequest
from shared.config.channels import DeliveryFileLayout, ListFileLayout
from shared.config.response_layouts import ResponseLayout
from shared.faststats.delivery_file import DeliveryFile
from shared.optimizely.lists.csv_file import CsvRows
from shared.optimizely.lists.fields import plan_columns
from shared.optimizely.responses.reader import ResponseReader
from shared.optimizely.rest.answers import RecipientListField

_REPEATS = 3
_REQUEST = BroadcastRequest(
    key="J1-00000000",
    job_id=1,
    system="Bench",
    list_name="Customers",
    message_name="Spring",
    delivery_file="file.txt",
    urn_column="Kunden ID",
    email_column="Email",
    communication_key_column="Communication Key",
)
_FIELDS = [
    RecipientListField(internal_name=name, display_name=name, type=kind, required=False)
    for name, kind in (
        ("Email", "STRING"),
        ("Urn", "STRING"),
        ("CommunicationKey", "STRING"),
        ("BroadcastKey", "STRING"),
        ("FirstName", "STRING"),
        ("LastName", "STRING"),
        ("CustomerSince", "DATE"),
        ("LoyaltyPoints", "INTEGER"),
    )
]
_LAYOUT = ResponseLayout()
_RESPONSES = (
    b"Email;Urn;CommunicationKey;MessageType;DeliveryDate;ClickUrl;ClickDate;EventTriggeredDate;"
    b"MailingId;BroadcastKey\n"
)


def copy(file: Path) -> None:
    """The baseline: read and write all rows with the csv module."""
    with file.open(encoding="utf-8", newline="") as source:
        csv.writer(io.StringIO(), delimiter=";").writerows(csv.reader(source, delimiter="\t", quoting=csv.QUOTE_NONE))


def list_file(file: Path) -> None:
    """Check all rows of a delivery file and write the list file."""
    with file.open("rb") as source, DeliveryFile(source, _REQUEST, DeliveryFileLayout()) as delivery:
        plan = plan_columns(
            delivery.columns,
            urn=delivery.urn,
            email=delivery.email,
            communication_key=delivery.communication_key,
            fields=_FIELDS,
            list_name="Customers",
            fixed={"BroadcastKey": "J1-00000000"},
        )
        lines = CsvRows(plan, ListFileLayout())
        for _number, values, fault in delivery.rows():
            line = fault or lines.encode(values)
            if isinstance(line, bytes) and not delivery.repetition(values):
                lines.pack(line)


def responses(rows: int) -> None:
    """Read a response file."""
    row = b"p%d@example.org;%d;k%d;Open;02.02.2026 09:00;;;02.02.2026 %02d:%02d;77;J1-00000000\n"
    lines = (row % (n, n, n, n % 24, n % 60) for n in range(rows))
    for _ in ResponseReader((_RESPONSES, *lines), _LAYOUT, name="bench"):
        pass


def fastest(work: Callable[[], None]) -> float:
    """Seconds of the fastest run."""
    times = []
    for _ in range(_REPEATS):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return min(times)


def main() -> None:
    """Print rows per second and ratios."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "file.txt"
        write_delivery_file(file, rows, 1)
        baseline = fastest(lambda: copy(file))
        for name, seconds in (
            ("csv copy (baseline)", baseline),
            ("delivery file to list file", fastest(lambda: list_file(file))),
            ("response file", fastest(lambda: responses(rows))),
        ):
            print(f"{name:28} {rows / seconds:>10,.0f} rows/s  {seconds / baseline:5.1f} times as long")


if __name__ == "__main__":
    main()
