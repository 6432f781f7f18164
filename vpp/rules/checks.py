"""Numeric limits of clauses, and the excess of a plan over them. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time
from enum import StrEnum
from typing import Annotated, Any

import msgspec
import numpy as np

from vpp.errors import ConfigError
from vpp.fleet.scale import power_text
from vpp.numerics.arrays import Bools, Floats
from vpp.yaml_text import read_yaml

SAME_SOC = 1e-4


class Quantity(StrEnum):
    """What a check limits: power of the zone at the grid (MW), or power (MW) or state of charge (0-1) of its assets."""

    IMPORT_MW = "import_mw"
    EXPORT_MW = "export_mw"
    RAMP_MW = "ramp_mw"
    CHARGE_MW = "charge_mw"
    DISCHARGE_MW = "discharge_mw"
    SOC = "soc"


_OF_THE_GRID = frozenset({Quantity.IMPORT_MW, Quantity.EXPORT_MW, Quantity.RAMP_MW})
_Clock = Annotated[str, msgspec.Meta(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]


class ClauseCheck(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One limit of a clause: a quantity is at ``most`` or at ``least`` a value.

    ``clause``: its number in the document. ``ramp_mw``: change of grid power from slot to slot, either way. ``zones``,
    ``assets``: those that it holds for; empty: all. ``hours``: from and to by the zone's clock; None: always; over
    midnight where the end comes first.
    """

    clause: str
    quantity: Quantity
    most: float | None = None
    least: float | None = None
    zones: list[str] = []
    assets: list[str] = []
    hours: tuple[_Clock, _Clock] | None = None

    @property
    def demand(self) -> str:
        """What it demands and of whom, in words."""
        bound, value = ("at most", self.most) if self.most is not None else ("at least", self.least)
        size = f"{100 * (value or 0.0):.1f} %" if self.quantity is Quantity.SOC else power_text(value or 0.0)
        hours = "" if self.hours is None else f" from {self.hours[0]} to {self.hours[1]}"
        assets = f" of {', '.join(self.assets)}" if self.assets else ""
        zones = f" in {', '.join(self.zones)}" if self.zones else ""
        return f"{_WORDS[self.quantity]}{assets}{zones} {bound} {size}{hours}"


_WORDS = {
    Quantity.IMPORT_MW: "import",
    Quantity.EXPORT_MW: "export",
    Quantity.RAMP_MW: "ramp of grid power per slot",
    Quantity.CHARGE_MW: "charge",
    Quantity.DISCHARGE_MW: "discharge",
    Quantity.SOC: "state of charge",
}


@dataclass(frozen=True, slots=True)
class PlannedSteps:
    """What a plan does, N steps.

    ``starts``: of each step, on the zone's clock. ``grid_mw``: shape (N,), positive out of the grid; ``ramp_mw``: shape
    (N,), its change per slot, NaN if unknown. ``power_mw``: by asset, shape (N,), positive into the grid; ``soc``:
    by battery, shape (N,), at the end of each step.
    """

    zone: str
    starts: list[datetime]
    grid_mw: Floats
    ramp_mw: Floats
    power_mw: Mapping[str, Floats]
    soc: Mapping[str, Floats]


def excess(check: ClauseCheck, plan: PlannedSteps) -> Floats:
    """Return the excess of each step over a check's limit, shape (N,), in MW or SoC; 0 if it is met or does not apply.

    Of several assets the one that is farthest counts. What is unknown (NaN) is no breach.
    """
    count = len(plan.starts)
    if check.zones and plan.zone not in check.zones:
        return np.zeros(count)
    beyond = [np.zeros(count)]
    for values in _values(check, plan):
        over = values - check.most if check.most is not None else (check.least or 0.0) - values
        beyond.append(np.nan_to_num(over, nan=0.0))
    return np.where(_applies(check, plan), np.max(beyond, axis=0), 0.0)


def _values(check: ClauseCheck, plan: PlannedSteps) -> list[Floats]:
    match check.quantity:
        case Quantity.IMPORT_MW:
            return [plan.grid_mw]
        case Quantity.EXPORT_MW:
            return [-plan.grid_mw]
        case Quantity.RAMP_MW:
            return [np.abs(plan.ramp_mw)]
        case _:
            sign = -1.0 if check.quantity is Quantity.CHARGE_MW else 1.0
            of_assets = plan.soc if check.quantity is Quantity.SOC else plan.power_mw
            return [sign * values for name, values in of_assets.items() if not check.assets or name in check.assets]


def _applies(check: ClauseCheck, plan: PlannedSteps) -> Bools:
    if check.hours is None:
        return np.ones(len(plan.starts), dtype=bool)
    first, last = (time.fromisoformat(clock) for clock in check.hours)
    clocks = [start.time().replace(tzinfo=None) for start in plan.starts]
    inside = [first <= at < last if first <= last else at >= first or at < last for at in clocks]
    return np.array(inside, dtype=bool)


def parse_checks(text: str, name: str) -> list[ClauseCheck]:
    """Return the checks of a YAML text, a list with one entry for each; ``name`` appears in errors.

    Raises:
        ConfigError: It is no such list, or an entry has not exactly one bound, one that is no number or no share for a
            state of charge, hours that end as they begin, or names assets for grid power.
    """
    hint = "see docs/guide/rules.md"
    entries: Any = read_yaml(text, name)
    try:
        checks = msgspec.convert(entries or [], list[ClauseCheck])
    except msgspec.ValidationError as error:
        raise ConfigError(f"{name}: {error}", hint=hint) from error
    for number, check in enumerate(checks):
        if (check.most is None) == (check.least is None):
            raise ConfigError(f"{name}, entry {number + 1}: give most or least", hint=hint)
        bound = check.least if check.most is None else check.most
        if bound is None or not math.isfinite(bound):
            raise ConfigError(f"{name}, entry {number + 1}: {bound} is no limit", hint=hint)
        if check.quantity is Quantity.SOC and not 0 <= bound <= 1:
            raise ConfigError(f"{name}, entry {number + 1}: {bound:g} is no state of charge", hint="give 0 to 1")
        if check.hours is not None and check.hours[0] == check.hours[1]:
            raise ConfigError(f"{name}, entry {number + 1}: hours end as they begin", hint="leave them out for always")
        if check.assets and check.quantity in _OF_THE_GRID:
            raise ConfigError(f"{name}, entry {number + 1}: {check.quantity} is of the zone, not of assets", hint=hint)
    return checks
