"""The demo: a round trip of one broadcast and its responses, with every part of the bridge running on this machine."""
