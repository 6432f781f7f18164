"""`vpp explain` and `vpp replay-decision`: reasons of a decision, costs of alternatives, and the proof."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from cyclopts import Parameter

from console.cli.explain.why_not import first_powers
from console.cli.options import NO_OPTIONS, Common, Json, answer, out, say, show, table, to_json
from console.cli.progress import progress
from vpp.domain import iso
from vpp.errors import DataError, RefusedError
from vpp.fleet.in_force import candidates
from vpp.fleet.scale import energy_text, money_text, power_text
from vpp.fleet.schema import Zone
from vpp.messages import Decision
from vpp.settings import Settings
from vpp.store import Store, open_store
from vpp.store.decisions import LATEST, decisions_of, find_decision, frequency_answers, setpoints_of
from vpp.store.named_queries import energy_moved_mwh
from vpp.store.tables import DECISIONS

SHOWN_DEPARTURES = 20
SHOWN_TEXT = 60
_LEAST_SHARE = 0.01
"""An item of a cost below this share of what counts as the same is left out."""
_SETPOINT = ("asset_id", "power_mw", "curve", "reason")

WhyNot = Annotated[
    str | None, Parameter(name="--why-not", help='another first step, e.g. "discharge 5 MW" or "GB-peaker-1 0 MW"')
]
OfZone = Annotated[str | None, Parameter(name="--zone", help="zone, where DECISION names none")]


def explain(
    decision: str = LATEST,
    *,
    why_not: WhyNot = None,
    zone: OfZone = None,
    json: Json = False,
    common: Common = NO_OPTIONS,
) -> None:
    """Say in plain words why the plant decided as it did, and what another first step would have cost.

    Args:
        decision: An id, ZONE@TIME (the slot that holds the time, UTC), ZONE@latest, or latest: the newest decision, of
            the zone whose fleet moved most energy in the last 24 hours of the run where there are several.
    """
    from agents.plant.narrative import binding_stretches, say_missing, story

    settings = common.settings()
    with open_store(settings, read_only=True) as store:
        if decision == LATEST and zone is None:
            zone = _busiest(store)
        record = find_decision(store, decision, zone=zone).decision
        setpoints = [{name: row[name] for name in _SETPOINT} for row in setpoints_of(store, record)]
        answers = frequency_answers(store, record)
    configured = _zone_then(settings, record)
    document: dict[str, Any] = {
        "decision_id": record.decision_id,
        "zone": record.zone,
        "slot": iso(record.slot),
        "for_slot": iso(record.for_slot),
        "revision": record.revision,
        "engine": record.engine,
        "currency": None if configured is None else configured.market.currency,
        "story": story(record, setpoints, configured, answers),
        "setpoints": setpoints,
        "binding": [asdict(stretch) for stretch in binding_stretches(record)],
        "water_value_per_mwh": record.duals.water_value_per_mwh,
        "costs": record.costs,
        "alternatives": record.alternatives,
        "missing": [say_missing(bid) for bid in record.missing],
        "model_id": record.model_id,
        "spec_hash": record.spec_hash,
        "solver": record.versions.get("solver"),
        "why_not": None if why_not is None else _why_not(settings, record, why_not),
    }
    answer(document, as_json=json, render=_render)


def _busiest(store: Store) -> str | None:
    energy_mwh = energy_moved_mwh(store)
    if len(energy_mwh) < 2:
        return None
    zone = max(sorted(energy_mwh), key=lambda name: energy_mwh[name])
    other_names = ", ".join(f"{name}@latest" for name in sorted(energy_mwh) if name != zone)
    moved = energy_text(energy_mwh[zone])
    say(f"{zone} moved most energy in the last 24 h ({moved}); other zones: vpp explain {other_names}")
    return zone


def _zone_then(settings: Settings, decision: Decision) -> Zone | None:
    try:
        return _configured(settings, decision)
    except RefusedError:
        return None


def _configured(settings: Settings, decision: Decision) -> Zone:
    from agents.plant.recompute import configured

    return configured(candidates(settings, decision.zone), decision)


def _why_not(settings: Settings, decision: Decision, wish: str) -> dict[str, Any]:
    from agents.clearing.plan_notes import say_note
    from agents.clearing.problem import same_cost
    from agents.plant.recompute import why_not

    zone = _configured(settings, decision)
    powers = first_powers(zone, wish)
    alternative = why_not(zone, decision, powers)
    return {
        "asked_mw": powers,
        "power_mw": alternative.power_mw,
        "extra_cost": alternative.extra_cost,
        "same_cost": same_cost(zone),
        "items": alternative.items,
        "notes": [say_note(note) for note in alternative.notes],
    }


def _render(document: dict[str, Any]) -> None:
    for line in document["story"]:
        out.print(line, soft_wrap=True)
    comparison = document["why_not"]
    if comparison is not None:
        unit = document["currency"] or "money"
        wishes = ", ".join(
            f"{asset_id} {power_text(power, signed=True)}" for asset_id, power in comparison["asked_mw"].items()
        )
        gives = {name: power for name, power in comparison["power_mw"].items() if name in comparison["asked_mw"]}
        clipped = ", ".join(f"{name} {power_text(power, signed=True)}" for name, power in gives.items())
        out.print()
        out.print(f"why not {wishes}? {_verdict(comparison, unit)}; within physical limits: {clipped}")
        least = _LEAST_SHARE * comparison["same_cost"]
        rows = [[name, _signed(value)] for name, value in comparison["items"].items() if abs(value) >= least]
        table(None, ("item", f"{unit} more"), [*rows, ["sum", _signed(comparison["extra_cost"])]])
        for note in comparison["notes"]:
            out.print(note, soft_wrap=True)
    say(f"decision {document['decision_id']}; prove it with: vpp replay-decision {document['decision_id']}")


def _signed(amount: float) -> str:
    return f"{'-' if amount < 0 else '+'}{money_text(amount)}"


def _verdict(comparison: dict[str, Any], unit: str) -> str:
    extra = comparison["extra_cost"]
    if abs(extra) <= comparison["same_cost"]:
        return "it would have been as good"
    more = "more" if extra > 0 else "less"
    return f"it would have cost {money_text(extra)} {unit} {more} than the plan, as expected then"


def replay_decision(
    decision: str = LATEST,
    *,
    zone: OfZone = None,
    every: Annotated[
        bool, Parameter(name="--all", help="all stored decisions, of --zone or of all zones", negative="")
    ] = False,
    json: Json = False,
    common: Common = NO_OPTIONS,
) -> int:
    """Make a decision again from its record and compare bit for bit; exit 1 where anything differs.

    Args:
        decision: An id, ZONE@TIME (the slot that holds the time, UTC), ZONE@latest, or latest.
    """
    from topologies.control.decision_check import replay_decision as made_again

    settings = common.settings()
    if every:
        return _replay_all(settings, zone, as_json=json)
    with open_store(settings, read_only=True) as store:
        stored = find_decision(store, decision, zone=zone)
        replayed = made_again(store, _configured(settings, stored.decision), stored)
    document = {
        **asdict(replayed),
        "same": replayed.same,
        "zone": stored.decision.zone,
        "for_slot": iso(stored.decision.for_slot),
        "engine": stored.decision.engine,
        "solver": stored.decision.versions.get("solver"),
    }
    answer(document, as_json=json, render=_render_replay)
    return 0 if replayed.same else 1


def _replay_all(settings: Settings, zone: str | None, *, as_json: bool) -> int:
    from topologies.control.decision_check import replay_decision as made_again

    failed: list[dict[str, Any]] = []
    count = 0
    with open_store(settings, read_only=True) as store, progress(zone or "decisions") as report:
        count_stored = store.count(DECISIONS, zone=zone)
        for stored in decisions_of(store, zone):
            replayed = made_again(store, _configured(settings, stored.decision), stored)
            count += 1
            report(count / max(count_stored, count), "made again")
            if not replayed.same:
                first = (*replayed.departures, *replayed.inputs)[0].where
                failed.append(
                    {
                        "decision_id": replayed.decision_id,
                        "zone": stored.decision.zone,
                        "for_slot": iso(stored.decision.for_slot),
                        "first_difference": first,
                    }
                )
    if not count:
        raise DataError("nothing is decided yet", hint="start a plant first: vpp up")
    document = {"decisions": count, "same": count - len(failed), "failed": failed}
    answer(document, as_json=as_json, render=_render_all)
    return 1 if failed else 0


def _render_all(document: dict[str, Any]) -> None:
    out.print(f"{document['same']:,} of {document['decisions']:,} decisions made again, bit for bit")
    failed = document["failed"]
    if failed:
        table(None, failed[0], [row.values() for row in failed[:SHOWN_DEPARTURES]])
        say(f"  next: vpp replay-decision {failed[0]['decision_id']}")


def _render_replay(document: dict[str, Any]) -> None:
    name = f"decision {document['decision_id']} of {document['zone']} for {document['for_slot']}"
    if document["departures"]:
        out.print(f"{name} comes out otherwise now:")
        _departures(document["departures"])
        say(
            "  next: was the program or its solver updated since? The record names its solver: "
            + show(document["solver"])
        )
    else:
        out.print(
            f"{name} made again from its record: the same {document['size_bytes']:,} bytes "
            f"({document['engine']}, {show(document['solver'])})"
        )
    if document["inputs"]:
        out.print("inputs that differ from the store:")
        _departures(document["inputs"])
    if document["checked"]:
        out.print("inputs as the log has them: " + ", ".join(document["checked"]), soft_wrap=True)
    if document["gone"]:
        out.print("inputs that the store does not hold: " + ", ".join(document["gone"]), soft_wrap=True)


def _departures(departures: list[dict[str, Any]]) -> None:
    rows = [[gap["where"], *(_short(gap[side]) for side in ("stored", "again"))] for gap in departures]
    table(None, ("where", "stored", "again"), rows[:SHOWN_DEPARTURES])
    if len(rows) > SHOWN_DEPARTURES:
        out.print(f"and {len(rows) - SHOWN_DEPARTURES} more")


def _short(value: Any) -> str:
    text = to_json(value)
    return text if len(text) <= SHOWN_TEXT else text[: SHOWN_TEXT - 1] + "…"
