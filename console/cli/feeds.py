"""`vpp feeds`: the live services that a plant can follow, and whether they still answer in the shape that it reads."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any

from cyclopts import App, Parameter

from console.cli.options import NO_OPTIONS, Common, Json, answer, out, table
from topologies.sources.feeds.check import check_service
from vpp.domain import iso
from vpp.errors import UnreachableError
from vpp.feeds.catalogue import SERVICES, service_named

app = App(name="feeds", help="Live services: which there are, and whether they still answer as documented.")

CHECKED_ZONE = "GB"
"""Of a service that has data of any zone."""


@app.command(name="list")
def list_feeds(*, json: Json = False, common: Common = NO_OPTIONS) -> None:
    """List the live services with their zones, data sets and terms."""
    feeds = common.settings().feeds
    rows: list[dict[str, Any]] = [
        {
            "name": service.name,
            "title": service.title,
            "zones": list(service.zones),
            "datasets": [one.name for one in service.datasets((service.zones or (CHECKED_ZONE,))[0], feeds)],
            "step_min": service.step_min,
            "use": f"live:{service.name}" if service.closing else f"second, such as live:elexon+{service.name}",
            "key_needed": service.key_needed,
            "terms": service.terms,
        }
        for service in SERVICES.values()
    ]
    answer(rows, as_json=json, render=_render_list)


@app.command(name="check")
def check_feed(
    name: str,
    /,
    *,
    zone: Annotated[str | None, Parameter(help="zone whose data is asked for [the service's first]")] = None,
    json: Json = False,
    common: Common = NO_OPTIONS,
) -> None:
    """Ask a live service for the last two days and say, a line per data set, whether the answer can be read.

    Args:
        name: Name of the service, as in `vpp feeds list`.
    """
    service = service_named(name)
    asked = zone or (service.zones or (CHECKED_ZONE,))[0]
    checks = check_service(service, asked, common.settings().feeds, datetime.now(UTC))
    answer([asdict(check) for check in checks], as_json=json, render=_render_checks)
    bad = [check for check in checks if check.outcome != "ok"]
    if bad:
        names = ", ".join(f"{check.dataset} ({check.outcome})" for check in bad)
        text = f"{service.title}: {len(bad)} of {len(checks)} data sets cannot be read: {names}"
        raise UnreachableError(text, hint=bad[0].next_step)


def _render_list(rows: list[dict[str, Any]]) -> None:
    shown = ("name", "zones", "datasets", "step_min", "use", "terms")
    table("Live feeds", shown, [[", ".join(v) if isinstance(v := row[k], list) else v for k in shown] for row in rows])


def _render_checks(checks: list[dict[str, Any]]) -> None:
    for check in checks:
        newest = check["newest"]
        what = check["detail"] if newest is None else f"{check['values']} values, the newest of {iso(newest)}"
        out.print(f"{check['service']} {check['dataset']}: {check['outcome']}, {what}", soft_wrap=True, markup=False)
