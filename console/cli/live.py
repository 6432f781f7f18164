"""The live view of `vpp up`: a Rich table on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

from rich.console import Group
from rich.live import Live as RichLive
from rich.table import Table
from rich.text import Text

from console.cli.options import err, say, show
from console.local.supervisor import Live
from vpp.fleet.scale import power_text
from vpp.store import Store
from vpp.store.named_queries import ledger_totals
from vpp.store.tables import ASSETS, SKILL

PLAIN_EVERY_S = 5.0
STORE_EVERY_S = 2.0


@dataclass
class Figures:
    """Figures of the run so far, from the store."""

    soc: dict[str, float] = field(default_factory=dict)
    money: list[dict[str, Any]] = field(default_factory=list)
    skill: list[dict[str, Any]] = field(default_factory=list)


class View:
    """Shows the run on standard error; call it with every pulse.

    Args:
        store: Where figures are read from.
        quiet: Show nothing.
    """

    def __init__(self, store: Store, *, quiet: bool) -> None:
        self._store = store
        self._quiet = quiet
        self._figures = Figures()
        self._read_at = self._said_at = 0.0
        self._rich = (
            RichLive(console=err, refresh_per_second=4, transient=True) if err.is_terminal and not quiet else None
        )

    def shown(self) -> AbstractContextManager[Any]:
        """Return the context in which the view is on the screen."""
        return self._rich if self._rich is not None else nullcontext()

    def __call__(self, live: Live) -> None:
        """Show one moment."""
        now = time.monotonic()
        if now - self._read_at >= STORE_EVERY_S:
            self._figures = read_figures(self._store)
            self._read_at = time.monotonic()
        if self._rich is not None:
            self._rich.update(_screen(live, self._figures))
        elif not self._quiet and now - self._said_at >= PLAIN_EVERY_S:
            self._said_at = now
            say(_line(live, self._figures))


def read_figures(store: Store) -> Figures:
    """Return the fleet's SoC, its money and the skill of one-step forecasts, from the store."""
    latest = store.latest(ASSETS, columns=("zone", "slot", "asset_id", "soc"))
    soc = {asset_id: value for _, _, asset_id, value in latest if value is not None}
    by_zone: dict[str, dict[str, Any]] = {}
    for total in ledger_totals(store):
        start = {"zone": total.zone, "currency": total.currency, "pnl": 0.0, "avoided": 0.0}
        row = by_zone.setdefault(total.zone, start)
        row["pnl"] += total.money["pnl"]
        row["avoided"] += total.money["penalty_no_action"] - total.money["penalty"]
    return Figures(soc, list(by_zone.values()), _first_step_skill(store))


def _first_step_skill(store: Store) -> list[dict[str, Any]]:
    """Return the live score of the shortest net-load horizon of each zone, as the forecast step publishes it."""
    skills: dict[str, dict[str, Any]] = {}
    for row in store.latest(SKILL, filters={"target": "net_load"}).dicts():
        if row["zone"] not in skills or row["horizon_min"] < skills[row["zone"]]["horizon_min"]:
            skills[row["zone"]] = row
    return list(skills.values())


def _line(live: Live, figures: Figures) -> str:
    parts = [f"{live.wall_s:5.0f} s"]
    for name in live.workers:
        status = live.topologies.get(name)
        if status is None:
            parts.append(f"{name} starting")
        else:
            lag = f" lag {show(status['lag'])}" if status["lag"] else ""
            parts.append(f"{name} {show(status['processed'])}{lag}")
    slots = [slot for status in live.topologies.values() for slot in status["last_slot"].values()]
    if slots:
        parts.append(f"slot {max(slots)}")
    parts += _facts(figures)
    if live.restarts:
        parts.append(f"restarts {live.restarts}")
    return "  ".join(parts)


def _facts(figures: Figures) -> list[str]:
    facts = [
        f"{row['zone']} {row['horizon_min']} min MAE {power_text(row['mae'])}, "
        f"persistence {power_text(row['mae_persistence'])}"
        for row in figures.skill
    ]
    facts += [f"{asset_id} SoC {soc:.0%}" for asset_id, soc in sorted(figures.soc.items())[:4]]
    facts += [
        f"{row['zone']} {row['currency']} {row['pnl']:z,.0f}, penalties avoided {row['avoided']:z,.0f}"
        for row in figures.money
    ]
    return facts


def _screen(live: Live, figures: Figures) -> Group:
    grid = Table(box=None, pad_edge=False, header_style="bold")
    for name, justify in (
        ("topology", "left"),
        ("records", "right"),
        ("per s", "right"),
        ("lag", "right"),
        ("last slot", "left"),
    ):
        grid.add_column(name, justify=justify)  # type: ignore[arg-type]
    for name in live.workers:
        status = live.topologies.get(name)
        if status is None:
            grid.add_row(name, "-", "-", "-", "starting")
            continue
        last = max(status["last_slot"].values(), default="-")
        grid.add_row(name, show(status["processed"]), f"{live.rates.get(name, 0.0):,.0f}", show(status["lag"]), last)
    head = Text(f"running {live.wall_s:.0f} s, restarts {live.restarts}   (Ctrl-C ends)")
    return Group(head, grid, *(Text(show(fact)) for fact in _facts(figures)))
