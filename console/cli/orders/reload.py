"""`vpp reload`: bring a changed fleet file into a running plant."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any

from cyclopts import Parameter

from agents.orders.zone_change import ACCEPTED
from console.cli.options import NO_OPTIONS, Common, Json, answer, out, table
from topologies.control.publisher import Post
from topologies.control.zone_reload import read_changes, send_changes
from vpp.os_user import os_user
from vpp.store import open_store


def reload(
    *,
    reason: Annotated[str, Parameter(name=["--reason", "-r"], help="why, for the audit")] = "fleet file changed",
    dry_run: Annotated[bool, Parameter(negative="", help="show what would change, and change nothing")] = False,
    json: Json = False,
    common: Common = NO_OPTIONS,
) -> None:
    """Bring the fleet file of --fleet (or VPP_FLEET) into the running plant, without a restart.

    Limits, costs, powers and the price range change live: as a record in the log, which every step applies at its
    place and a replay repeats. What needs a restart (assets that join or leave, capacities, slots, market times) is
    refused with its keys, and then nothing changes. No setting is live: one that differs from the start of the run (in
    the environment, `.env` or `vpp.toml`) is refused by its name.
    """
    settings = common.settings()
    reloads = read_changes(settings, common.overrides())
    details = dict.fromkeys((reload.zone.zone for reload in reloads), "")
    if reloads and not dry_run:
        with open_store(settings, read_only=True) as store:
            answers = send_changes(
                reloads,
                settings,
                store,
                Post(settings, "cli"),
                principal=f"local:{os_user()}",
                reason=reason,
                now=datetime.now(UTC),
            )
        details = {answer.zone: answer.detail for answer in answers}
    verdict = "not sent" if dry_run else ACCEPTED
    rows = [
        {
            "zone": reload.zone.zone,
            "verdict": verdict,
            "detail": details[reload.zone.zone] or "; ".join(map(str, reload.differences or ())),
            "changes": [asdict(difference) for difference in reload.differences or ()],
        }
        for reload in reloads
    ]
    answer(rows, as_json=json, render=_render)


def _render(rows: list[dict[str, Any]]) -> None:
    if not rows:
        out.print("nothing to change: the plant runs with this fleet file and these settings")
        return
    columns = ("zone", "verdict", "detail")
    table(None, columns, [[row[name] for name in columns] for row in rows])
