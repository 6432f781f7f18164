"""The ticker of live mode: writes the deadlines at which slots close and are decided.

It goes by the run clock of the source beside it, or by the real time where a field feed sends.
"""

from __future__ import annotations

import argparse
import logging
import time
from collections.abc import Sequence
from threading import Event

from topologies.runtime.process import own_process, stop_on_signals
from topologies.sources.deadlines import Deadlines
from topologies.sources.outbox import KafkaOutbox
from topologies.sources.pace import RunClock, clock_path
from vpp.errors import ConfigError
from vpp.fleet.in_force import configured_zones
from vpp.fleet.schema import load_fleet
from vpp.settings import Settings
from vpp.streams.broker_rights import open_topics
from vpp.streams.topics import BIDS, RAW

log = logging.getLogger(__name__)

LOOK_EVERY_S = 0.1


def run_ticker(settings: Settings, names: tuple[str, ...], stop: Event, *, real_time: bool) -> None:
    """Write deadlines until stopped, or until the source that keeps the run clock has ended.

    Args:
        settings: The settings of this process.
        names: Zones that get deadlines.
        stop: Set to end.
        real_time: Go by the wall clock; else by the run clock of the source.

    Raises:
        ConfigError: No zone is named, or one is in no fleet.
        UnreachableError: The broker does not take the records.
    """
    find = configured_zones(settings)
    names = names or (tuple(zone.zone for zone in load_fleet(settings.fleet).zones) if settings.fleet else ())
    zones = {name: find(name) for name in names}
    configured = {name: zone for name, zone in zones.items() if zone is not None}
    if not configured or len(configured) < len(zones):
        missing = sorted(set(zones) - set(configured))
        raise ConfigError(f"no fleet knows {', '.join(missing) or 'any zone'}", hint="give --zone, and a fleet file")
    open_topics(settings, "ticker")
    outboxes = {topic.name: KafkaOutbox(settings, topic, "ticker") for topic in (RAW, BIDS)}
    deadlines = Deadlines(configured, settings.live.close_after_s, settings.live.decide_after_s)
    is_started = False
    while not stop.wait(LOOK_EVERY_S):
        clock = RunClock.wall() if real_time else RunClock.read(clock_path(settings))
        if clock is None:
            if is_started:
                break
            continue
        is_started = True
        for topic, deadline in deadlines.due(clock, time.time()):
            outboxes[topic].send(deadline)
    for outbox in outboxes.values():
        outbox.flush()


def main(argv: Sequence[str] | None = None) -> None:
    """Run the ticker as a process of its own."""
    parser = argparse.ArgumentParser(prog="python -m topologies.ticker", allow_abbrev=False)
    parser.add_argument("--zone", action="append", default=[], help="zone; default: all of the fleet file")
    parser.add_argument("--real-time", action="store_true", help="go by the wall clock, for a field feed")
    arguments = parser.parse_args(argv)
    stop = stop_on_signals()
    with own_process("ticker") as settings:
        run_ticker(settings, tuple(arguments.zone), stop, real_time=arguments.real_time)
