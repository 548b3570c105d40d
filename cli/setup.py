"""`bridge setup`."""

from contextlib import closing

from cli.wiring import SettingsFile, print_errors, read_settings_file, say
from shared.bridge import Bridge
from shared.config.settings import Settings


def setup(settings: SettingsFile = None) -> None:
    """Create what the bridge owns: its containers and the tables of its ledger. Safe to repeat."""
    with print_errors():
        read_settings_file(settings)
        with closing(Bridge.from_settings(Settings.load())) as bridge:
            bridge.set_up()
    say("The bridge's containers and tables exist and are up to date.")
