"""`bridge doctor`: checks the installation."""

import typer

from cli.wiring import SettingsFile, read_settings_file, say
from shared.operations.doctor import examine


def doctor(settings: SettingsFile = None) -> None:
    """Check the installation: settings, channels, databases, storage, Optimizely. Nothing is changed.

    Exit status: 0 when every check passes, 1 when one fails.
    """
    read_settings_file(settings)
    all_ok = True
    for finding in examine():
        all_ok &= finding.ok
        say(
            f"{'ok  ' if finding.ok else 'FAIL'}  {finding.check}: {finding.text}",
            style=None if finding.ok else "red",
        )
    raise typer.Exit(0 if all_ok else 1)
