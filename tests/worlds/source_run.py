"""A source's run through every step in one process, and all that comes out."""

from __future__ import annotations

from datetime import datetime
from threading import Event

from console.local.prepare import prepare
from topologies.runtime.in_process import Chain
from topologies.sources.feed import Feed
from topologies.sources.options import SourceOptions, open_feed
from topologies.sources.process import SourceRun
from vpp.messages import Message
from vpp.settings import Settings


class ChainOutbox:
    """Feeds a source's records to the chain and keeps what comes out."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain
        self.messages: list[Message] = []

    def send(self, message: Message) -> None:
        """Feed one record."""
        self.messages += [output.message for output in self._chain.feed(message)]

    def flush(self) -> None:
        """Do nothing: every record has been processed."""


def run_through(options: SourceOptions, settings: Settings, start: datetime) -> tuple[Feed, list[Message]]:
    """Run a source to its end, without a trained model; return it and what the chain put out.

    Args:
        options: The source.
        settings: With the data directory of the run.
        start: Wall time of its start.
    """
    prepared = prepare(options, settings, train=False, say=lambda _: None)
    feed = open_feed(options, prepared.settings)
    outbox = ChainOutbox(Chain(prepared.settings, dict(feed.zones).get))
    path = settings.data_dir / "checkpoint.json"
    SourceRun(options=options, feed=feed, outbox=outbox, checkpoint_path=path, stop=Event()).run(start)
    return feed, outbox.messages
