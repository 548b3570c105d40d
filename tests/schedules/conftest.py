"""Prints the seeds of the night's schedules."""

import pytest


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    seeds = [
        str(value)
        for outcome in ("passed", "failed")
        for report in terminalreporter.getreports(outcome)
        for name, value in getattr(report, "user_properties", ())
        if name == "schedules" and report.when == "call"
    ]
    for line in sorted(seeds):
        terminalreporter.write_line(line)
