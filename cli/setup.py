"""`bridge setup`."""

from contextlib import closing

from cli.wiring import SettingsFile, console, take_in, told_errors
from shared.bridge import Bridge
from shared.config.settings import Settings


def setup(settings: SettingsFile = None) -> None:
    """Create what the bridge itself owns: its containers and the tables of its ledger. Safe to run again."""
    with told_errors():
        take_in(settings)
        with closing(Bridge.from_settings(Settings.load())) as bridge:
            bridge.set_up()
    console.print("The bridge's containers and tables are there.")
