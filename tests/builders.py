"""Requests and broadcasts for tests, usual where a test does not care; and the names of all app settings."""

from datetime import UTC, datetime
from typing import Any

from shared.broadcast import Broadcast, BroadcastRequest, State
from shared.config.settings import Settings

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def make_request(job_id: int = 1, **columns: Any) -> BroadcastRequest:
    """The request of the n-th job."""
    usual: dict[str, Any] = {
        "key": f"J{job_id}-00000000",
        "job_id": job_id,
        "system": "Holidays",
        "list_name": "Newsletter",
        "message_name": "Spring",
        "delivery_file": "spring.txt",
        "urn_column": "Urn",
        "email_column": "Email",
        "communication_key_column": "Communication Key",
    }
    return BroadcastRequest(**usual | columns)


def make_broadcast(
    state: State = State.CLAIMED, *, request: BroadcastRequest | None = None, **columns: Any
) -> Broadcast:
    """A broadcast in a state."""
    usual: dict[str, Any] = {"id": 1, "version": 1, "created_at": NOON, "changed_at": NOON, "due_at": NOON}
    return Broadcast(request=request or make_request(), state=state, **usual | columns)


def setting_names() -> list[str]:
    """Every app setting's name, in the order of the module."""
    return [str(field.alias) for field in Settings.model_fields.values()]
