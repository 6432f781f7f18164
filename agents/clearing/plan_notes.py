"""Notes of a plan: demands that it could not meet, as codes with values, and as sentences."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from agents.assets.registry import type_of
from agents.clearing.problem import ClearingProblem, Plan
from vpp.fleet.scale import power_text
from vpp.messages import NoteCode, PlanNote

_DECIMALS = 6


def notes_of(problem: ClearingProblem, plan: Plan) -> tuple[PlanNote, ...]:
    """Return why the plan is only the nearest feasible one; empty when all that was asked is met."""
    notes: list[PlanNote] = []
    bands = problem.bands
    for i, asset in enumerate(problem.assets):
        power = plan.power_mw[i]
        soc, band = float(problem.state.soc[i]), type_of(asset).soc_band(asset)
        if band is not None and not band[0] - 1e-6 <= soc <= band[1] + 1e-6:
            notes.append(
                _note("soc_outside_band", asset.asset_id, {"soc": soc, "soc_min": band[0], "soc_max": band[1]})
            )
        short = np.maximum(bands.min_mw[i] - power, power - bands.max_mw[i])
        missed = np.flatnonzero(short > 1e-4 * problem.unit_mw)
        if len(missed):
            h = int(missed[0])
            values = {"short_mw": short[h], "step": h, "steps": len(missed), "power_mw": power[h]}
            notes.append(_note("order_missed", asset.asset_id, values))
        if np.isfinite(bands.soc_target[i]):
            reached = float(plan.soc[i, int(bands.soc_target_step[i])])
            if abs(reached - bands.soc_target[i]) > 1e-4:
                values = {"soc": reached, "wanted_soc": bands.soc_target[i]}
                notes.append(_note("soc_target_missed", asset.asset_id, values))
        forced = bands.fixed_mw[i, 0]
        if np.isfinite(forced) and abs(forced - power[0]) > 1e-6 * problem.unit_mw:
            notes.append(_note("fixed_power_missed", asset.asset_id, {"wanted_mw": forced, "power_mw": power[0]}))
    return tuple(notes)


def _note(code: NoteCode, asset_id: str, values: Mapping[str, float]) -> PlanNote:
    rounded = {name: round(float(value), _DECIMALS) + 0.0 for name, value in values.items()}
    return PlanNote(code=code, asset_id=asset_id, values=rounded)


def say_note(note: PlanNote) -> str:
    """Return a plan's note as a sentence."""
    name, values = note.asset_id, note.values
    match note.code:
        case "soc_outside_band":
            band = f"{100 * values['soc_min']:g} to {100 * values['soc_max']:g} %"
            return f"{name} starts at {100 * values['soc']:.1f} % SoC, outside {band}: the plan returns it to this band"
        case "order_missed":
            more = f" and {values['steps'] - 1:.0f} more" if values["steps"] > 1 else ""
            short = power_text(values["short_mw"])
            return (
                f"{name} deviates from its order by {short} at step {values['step']:.0f}{more}: "
                f"{power_text(values['power_mw'])} is the closest power"
            )
        case "soc_target_missed":
            return f"{name} reaches {100 * values['soc']:.1f} % SoC instead of {100 * values['wanted_soc']:.1f} %"
        case "fixed_power_missed":
            return (
                f"{name} cannot deliver {power_text(values['wanted_mw'])}: "
                f"{power_text(values['power_mw'])} is the closest power"
            )
        case "order_energy_limited":
            return f"{name} can follow its order for {values['minutes']:.0f} min, then it is empty or full"
        case "search_ended":
            return f"the search ended after {values['nodes']:.0f} nodes: a better plan may exist"
        case "no_solution":
            return f"the solver found no plan: {note.detail}"
        case "words":
            return note.detail or ""
