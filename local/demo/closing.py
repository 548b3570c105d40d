"""Prints the closing summary."""

from collections.abc import Collection, Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from shared.broadcast import RouteKind
from shared.rejects import DUPLICATES, SUPPRESSED


def show_summary(console: Console, summary: Mapping[str, Any]) -> None:
    """Print the closing summary."""
    broadcast, file = summary["broadcast"], summary["delivery_file"]
    if summary.get("test_installation"):
        console.print(f"[yellow]{summary['test_installation']}[/]", highlight=False)
    console.print()
    console.print(
        f"Broadcast {broadcast['key']}{_message_and_list(broadcast)} "
        f"is [bold]{broadcast['state']}[/] after {summary['seconds']} s. "
        f"Intake: {broadcast['source']}; route: {broadcast['route']}; send: {broadcast['send_mode']}.",
        highlight=False,
        soft_wrap=True,
    )
    if broadcast["error"]:
        console.print(f"[red]{broadcast['error']}[/] \\[{broadcast['error_code']}]", highlight=False)
    reasons = file["not_uploaded_by_reason"]
    sections: dict[str, list[tuple[int, str]]] = {
        "Delivery file from FastStats": [
            (file["rows"], "rows"),
            (file["uploaded"], "uploaded"),
            (file["rejected"], f"rejected{_breakdown(_rejected(reasons))}"),
            (file["duplicates"], f"duplicates{_breakdown(_subset(reasons, DUPLICATES))}"),
            (file["suppressed"], f"suppressed before the upload{_breakdown(_subset(reasons, SUPPRESSED))}"),
        ],
        **(_export_section(summary) if summary["exported_rows"] is not None else _send_sections(summary)),
    }
    for heading, lines in sections.items():
        console.print(f"\n[bold]{heading}[/]")
        table = Table(show_header=False, box=None, padding=(0, 2))
        table.add_column(justify="right", min_width=9)
        table.add_column()
        for number, text in lines:
            table.add_row(f"{number:,}", text)
        console.print(table)
    if summary.get("host_peak_memory_mib"):
        console.print(f"\nPeak memory of the Functions host: {summary['host_peak_memory_mib']} MiB.", highlight=False)
    console.print()
    for check, passed in summary["checks"].items():
        console.print(f"  {'[green]✓[/]' if passed else '[bold red]✗[/]'} {check}", highlight=False)
    verdict = (
        "[bold green]All checks passed: it balances.[/]"
        if summary["balanced"]
        else "[bold red]It does not balance: see the checks marked ✗.[/]"
    )
    console.print(f"\n{verdict}")


def _message_and_list(broadcast: Mapping[str, Any]) -> str:
    if broadcast["route"] == RouteKind.EXPORT_FILE:
        return ""
    return f" (message “{broadcast['message_name']}” to list “{broadcast['list_name']}”)"


def _export_section(summary: Mapping[str, Any]) -> dict[str, list[tuple[int, str]]]:
    return {"Destination SFTP site": [(summary["exported_rows"], "rows in the exported file")]}


def _send_sections(summary: Mapping[str, Any]) -> dict[str, list[tuple[int, str]]]:
    at_list, send, responses = summary["list"], summary["send"], summary["responses"]
    return {
        "Optimizely Campaign (records of the simulator)": [
            (at_list["rows_in_file"], "rows in the list file"),
            (at_list["recipients"], "recipients on the list after the import"),
            (
                sum(at_list["left_out_by_reason"].values()),
                f"left out by Optimizely{_breakdown(at_list['left_out_by_reason'])}",
            ),
            (send["mails_sent"], "mails sent by the Smart Campaign"),
            (send["mailed_twice"], "recipients mailed twice"),
            (
                responses["events_caused"],
                f"events caused by the recipients{_breakdown(responses['events_caused_by_type'])}",
            ),
        ],
        "Responses in RS_DB": [
            (responses["rows_in_rs_db"], f"rows in the table Response{_breakdown(responses['rows_in_rs_db_by_type'])}"),
            (responses["files_loaded"], "response files loaded"),
            (responses["rows_read"], "rows read from the files"),
            (responses["rows_loaded"], "rows added"),
            (responses["rows_known"], "rows already known: response files overlap"),
            (responses["rows_rejected"], "rows rejected"),
        ],
    }


def _subset(rows_by_reason: Mapping[str, int], reasons: Collection[str]) -> dict[str, int]:
    return {reason: n for reason, n in rows_by_reason.items() if reason in reasons}


def _rejected(rows_by_reason: Mapping[str, int]) -> dict[str, int]:
    return {reason: n for reason, n in rows_by_reason.items() if reason not in DUPLICATES | SUPPRESSED}


def _breakdown(numbers: Mapping[str, int]) -> str:
    return f": {', '.join(f'{name} {number:,}' for name, number in sorted(numbers.items()))}" if numbers else ""
