"""A plain Quix application that writes every forecast again: the ceiling for a step that writes as much.

``python -m tests.bench.pass_through json`` reads and writes JSON, as a Quix application does where nothing else is
said; ``bytes`` copies records unread.
"""

from __future__ import annotations

import sys
from typing import Literal

from topologies.runtime.status import StatusFile
from vpp.messages import KnownLags
from vpp.settings import load_settings
from vpp.streams.kafka import application


class _Nothing:
    """A step without state."""

    def __init__(self) -> None:
        self.last_slot: dict[str, object] = {}
        self.dead_letters = 0

    def proofs(self) -> dict[str, dict[str, KnownLags]]:
        return {}


def main(form: Literal["json", "bytes"]) -> None:
    """Copy the topic ``forecasts`` to ``skill`` in a form of Quix (``json`` or ``bytes``) until stopped."""
    settings = load_settings()
    status = StatusFile(settings, "pass", _Nothing())
    app = application(settings, "pass", on_processed=status.on_processed, on_stats=status.on_stats, stateful=False)
    source = app.topic(settings.topic_prefix + "forecasts", value_deserializer=form, key_deserializer="bytes")
    target = app.topic(settings.topic_prefix + "skill", value_serializer=form, key_serializer="bytes")
    app.dataframe(source).to_topic(target)
    app.run()


if __name__ == "__main__":
    main("bytes" if sys.argv[1] == "bytes" else "json")
