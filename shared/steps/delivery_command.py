"""Step and run of a delivery in PS_DB, which join its responses to Communications."""

from dataclasses import replace

from shared.bridge import Bridge
from shared.broadcast import BroadcastRequest, guid_in


def with_step_and_run(bridge: Bridge, request: BroadcastRequest) -> BroadcastRequest:
    """The request with the step and run of its delivery command; unchanged without PS_DB, a GUID or a command.

    Raises:
        SchemaMapMismatch: PS_DB does not match the schema map.
        DatabaseUnavailable: PS_DB did not answer.
    """
    guid = guid_in(request.delivery_file)
    if bridge.ps_db is None or guid is None:
        return request
    command = bridge.ps_db.find_delivery(guid)
    return request if command is None else replace(request, step_id=command.step_id, run=command.run)
