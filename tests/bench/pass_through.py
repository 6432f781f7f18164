"""A plain Quix application that writes every forecast again, unread: the ceiling for a step that writes as much."""

from __future__ import annotations

from topologies.status import StatusFile
from vpp.kafka import application
from vpp.settings import load_settings


class _Nothing:
    """A step without state."""

    def __init__(self) -> None:
        self.last_slot: dict[str, object] = {}
        self.dead_letters = 0


def main() -> None:
    """Copy the topic ``forecasts`` to ``skill`` until told to stop."""
    settings = load_settings()
    status = StatusFile(settings, "pass", _Nothing())
    app = application(settings, "pass", on_processed=status.on_processed, on_stats=status.on_stats, stateful=False)
    source = app.topic(settings.topic_prefix + "forecasts", value_deserializer="bytes", key_deserializer="bytes")
    target = app.topic(settings.topic_prefix + "skill", value_serializer="bytes", key_serializer="bytes")
    app.dataframe(source).to_topic(target)
    app.run()


if __name__ == "__main__":
    main()
