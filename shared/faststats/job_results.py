"""What the client reads of the end of a job: one line of its delivery job summary, and its results as XML. Pure."""

import re
from collections.abc import Mapping
from typing import Final
from xml.etree.ElementTree import Element, SubElement, tostring

from shared.broadcast import Broadcast

#: What no XML can hold.
_NOT_IN_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def broadcast_results(broadcast: Broadcast, reasons: Mapping[str, int]) -> dict[str, object]:
    """The results of a broadcast by name; None for what it did not come to.

    Args:
        broadcast: as the ledger has it.
        reasons: how many rows of its delivery file were not uploaded, by reason.
    """
    request, rows = broadcast.request, broadcast.rows
    return {
        "BroadcastKey": broadcast.key,
        "State": broadcast.state,
        "ListName": request.list_name or None,
        "MessageName": request.message_name or None,
        "ErrorCode": broadcast.error_code,
        "Error": broadcast.error,
        "BroadcastId": broadcast.rs_broadcast_id,
        "CampaignId": broadcast.campaign_id,
        "MailingId": broadcast.mailing_id,
        "RowsRead": rows and rows.read,
        "RecipientsUploaded": rows and rows.uploaded,
        "RecipientsRejected": rows and rows.rejected,
        "Duplicates": rows and rows.duplicates,
        "Suppressed": rows and rows.suppressed,
        "RejectReasons": ";".join(f"{reason}={count}" for reason, count in sorted(reasons.items())) or None,
        "RecipientsImported": broadcast.imported,
        "RecipientsBroadcast": broadcast.sent,
    }


def summary_line(broadcast: Broadcast, reasons: Mapping[str, int]) -> str:
    """One line for the client: the state of a broadcast, its counts, and its error with what to do."""
    rows = broadcast.rows
    parts = [f"Broadcast {broadcast.key} is {broadcast.state}."]
    if rows is not None:
        parts.append(f"{rows.uploaded} of {rows.read} rows for the list.")
    if reasons:
        not_taken = ", ".join(f"{count} {reason}" for reason, count in sorted(reasons.items()))
        parts.append(f"Not uploaded: {not_taken}.")
    if broadcast.sent is not None:
        parts.append(f"Sent to {broadcast.sent} recipients by Smart Campaign {broadcast.campaign_id}.")
    if broadcast.waiting_for:
        parts.append(f"It waits for {broadcast.waiting_for}.")
    if broadcast.error:
        parts.append(f"{broadcast.error} [{broadcast.error_code}]")
    return " ".join(parts)


def results_xml(results: Mapping[str, object]) -> str:
    """Results as XML; None values are left out, and what no XML can hold becomes U+FFFD."""
    root = Element("BroadcastResults")
    for name, value in results.items():
        if value is not None:
            SubElement(root, name).text = _NOT_IN_XML.sub("\N{REPLACEMENT CHARACTER}", str(value))
    return tostring(root, encoding="unicode")
