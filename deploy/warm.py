"""Compiles every kernel that serving and training use, into NUMBA_CACHE_DIR: a short simulated run of the whole chain.

Run while the image is built. Kernels are compiled per argument types, so the real steps are run rather than listed.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from console.local.prepare import prepare
from topologies.runtime.in_process import Chain, outputs_of
from topologies.sources.availability_order import Refits, replay_messages
from topologies.sources.options import SIMULATION_START, SourceOptions, open_feed, window_of
from topologies.sources.refit import Retraining
from topologies.sources.simulator import PLACES
from vpp.fleet.in_force import configured_zones
from vpp.messages import Message
from vpp.settings import Settings

SLOTS = 6


def main() -> int:
    """Train a model per simulated zone, run a few slots, and return 0 where every step answered."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(data_dir=Path(folder))
        end = SIMULATION_START + SLOTS * timedelta(minutes=30)
        options = SourceOptions(kind="simulate", zones=tuple(PLACES), start=SIMULATION_START, end=end)
        prepared = prepare(options, settings, train=True, say=_say)
        chain = Chain(prepared.settings, configured_zones(prepared.settings))
        outputs = outputs_of(chain, _messages(options, prepared.settings))
    for topic, messages in outputs.items():
        _say(f"{topic}: {len(messages)}")
    for letter in outputs.get("dlq", []):
        _say(f"dead letter: {letter.reason}: {letter.detail}")
    decided = len(outputs.get("decisions", [])) >= SLOTS * len(PLACES)
    return 0 if decided and "dlq" not in outputs else 1


def _messages(options: SourceOptions, settings: Settings) -> Iterator[Message]:
    feed = open_feed(options, settings)
    window = window_of(options, feed, SIMULATION_START)
    yield from replay_messages(
        feed.chunks(window.first_row, window.read_until),
        feed.zones,
        window=window,
        neighbours=feed.neighbours,
        refits=Refits(Retraining(feed, settings, SIMULATION_START), None, None),
    )


def _say(text: str) -> None:
    sys.stderr.write(f"warm: {text}\n")


if __name__ == "__main__":
    raise SystemExit(main())
