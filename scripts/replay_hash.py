"""Prints one SHA-256 per topic for a replay through all reducers in one process: equal bits give equal hashes.

``python scripts/replay_hash.py simulate`` needs nothing; ``gb FILE`` and ``vic FILE`` replay January 2022 of Great
Britain and a week of Victoria (files as in docs/guide/data.md). A change that should not alter decisions
leaves every line the same.
"""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
from collections import Counter
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from threading import Event
from typing import Any

from console.local.prepare import prepare
from topologies.runtime.in_process import Chain
from topologies.sources.options import SIMULATION_START, SourceOptions, open_feed
from topologies.sources.process import SourceRun
from topologies.sources.refit import Retraining
from vpp.messages import Message, encode
from vpp.settings import Settings

CASES = {
    "simulate": {"kind": "simulate", "end": datetime(2025, 6, 5, tzinfo=UTC)},
    "gb": {
        "kind": "replay",
        "zones": ("GB",),
        "start": datetime(2022, 1, 1, tzinfo=UTC),
        "end": datetime(2022, 2, 1, tzinfo=UTC),
    },
    "vic": {
        "kind": "replay",
        "zones": ("VIC1",),
        "start": datetime(2024, 9, 2, tzinfo=UTC),
        "end": datetime(2024, 9, 9, tzinfo=UTC),
    },
}


class HashingOutbox:
    """Feeds a source's records to the chain and hashes what every topic carries, in order.

    Args:
        chain: The reducers of all steps.
    """

    def __init__(self, chain: Chain) -> None:
        self._chain = chain
        self._digests: dict[str, Any] = {}
        self.counts: Counter[str] = Counter()

    def send(self, message: Message) -> None:
        """Feed one record."""
        for output in self._chain.feed(message):
            payload = encode(output.message)
            self._digests.setdefault(output.topic, sha256()).update(payload + b"\n")
            self.counts[output.topic] += 1

    def flush(self) -> None:
        """Do nothing: every record has been processed."""

    def digests(self) -> dict[str, str]:
        """Return the hash of each topic as hexadecimal text."""
        return {topic: digest.hexdigest() for topic, digest in sorted(self._digests.items())}


def replay(case: str, path: Path | None, data_dir: Path) -> HashingOutbox:
    """Train on what lies before the range, then run the range through every step."""
    options = SourceOptions(path=path, speed=math.inf, **CASES[case])
    prepared = prepare(options, Settings(data_dir=data_dir), train=True, say=lambda line: print(line, file=sys.stderr))
    settings = prepared.settings
    feed = open_feed(options, settings)
    outbox = HashingOutbox(Chain(settings, dict(feed.zones).get))
    start = options.start or (SIMULATION_START if options.kind == "simulate" else feed.first)
    run = SourceRun(
        options=options,
        feed=feed,
        outbox=outbox,
        checkpoint_path=data_dir / "checkpoint.json",
        stop=Event(),
        refit=Retraining(feed, settings, start),
    )
    run.run(datetime(2025, 6, 2, tzinfo=UTC))
    return outbox


def main() -> None:
    """Parse the command line and print the hashes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("case", choices=list(CASES))
    parser.add_argument("file", type=Path, nargs="?")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as data_dir:
        outbox = replay(args.case, args.file, Path(data_dir))
    for topic, digest in outbox.digests().items():
        print(f"{args.case:8}  {topic:20} {outbox.counts[topic]:7}  {digest}")


if __name__ == "__main__":
    main()
