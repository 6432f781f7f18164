"""Finds the embedded broker of a running `vpp up`; `topologies.discover` under the name that the console uses."""

from topologies.discover import forget_broker, note_broker, with_broker

__all__ = ["forget_broker", "note_broker", "with_broker"]
