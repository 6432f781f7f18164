"""A change of a zone's configuration while it runs: what `vpp reload` writes."""

from __future__ import annotations

from typing import Any

from vpp.messages.telemetry import Record
from vpp.messages.times import Time


class ZoneChange(Record, kw_only=True, frozen=True, tag="zone_change", omit_defaults=True):
    """How a zone is configured from this place of the log on. Admission judges it; each step forwards and applies it.

    ``at``: wall time of the request; a change that is no newer than the last one applied is refused. ``config``: the
    zone as a fleet file has it, whole. ``run``: name of its run. ``seal``: signature of the requester with the approval
    key. ``admission``: signature of the admission step. Both are empty if no key is set.
    """

    at: Time
    config: dict[str, Any]
    principal: str
    reason: str
    run: str = ""
    seal: str = ""
    admission: str = ""
