"""A change of a zone's configuration while it runs: what `vpp reload` writes."""

from __future__ import annotations

from typing import Any

from vpp.messages.telemetry import Record
from vpp.messages.times import Time


class ZoneChange(Record, kw_only=True, frozen=True, tag="zone_change", omit_defaults=True):
    """How a zone is configured from this place of the log on. Admission judges it; each step forwards and applies it.

    ``at``: wall time of the request; a change that is no newer than the last one applied does nothing. ``config``: the
    zone as a fleet file has it, whole. ``seal``: signature with the approval key, empty if none is set.
    """

    at: Time
    config: dict[str, Any]
    principal: str
    reason: str
    seal: str = ""
