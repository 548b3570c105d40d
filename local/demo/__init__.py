"""The demo: a broadcast there and its responses back, with every part of the bridge running on this machine."""
