"""`vpp features ZONE[@SLOT]`: the features of a forecast, as trained and as served, with their inputs."""

from __future__ import annotations

import math
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from console.cli.options import NO_OPTIONS, Common, Json, answer, out, parse_time, table
from vpp.domain import iso
from vpp.errors import ConfigError
from vpp.fleet.in_force import fleet_in_force, zone_in_force
from vpp.store import open_store

if TYPE_CHECKING:
    from topologies.control.feature_table import FeatureTable

HISTORY = timedelta(hours=24)
SAME = 1e-9


def features(
    zone: str,
    *,
    feature: Annotated[
        list[str] | None, Parameter(name="--feature", help="only this one; may be repeated [all]")
    ] = None,
    horizon: Annotated[int | None, Parameter(help="minutes ahead, for features of a target [one step]")] = None,
    history: Annotated[bool, Parameter(negative="", help="also the values of the last 24 hours")] = False,
    data: Annotated[Path | None, Parameter(help="history to compute from [the run's own source]")] = None,
    json: Json = False,
    common: Common = NO_OPTIONS,
) -> None:
    """Show every feature of a closed slot: value, unit, inputs, as the model was trained on it and as it was served.

    As trained: computed over the source's rows. As served: computed on what the plant closed, after the value gate
    and corrections. A difference is marked; it means that the plant saw other values than the source holds now.

    Args:
        zone: ZONE, or ZONE@TIME (the slot that holds the time, UTC); without a time the newest closed slot.
    """
    from topologies.control.feature_table import feature_table
    from topologies.sources.feed import open_file

    settings = common.settings()
    name, _, time_text = zone.partition("@")
    configured = zone_in_force(settings, name)
    if configured is None:
        names = ", ".join(zone.zone for zone in fleet_in_force(settings).zones)
        raise ConfigError(f"there is no zone {name!r}", hint=f"one of {names}" if names else "start a plant: vpp up")
    feed = None if data is None else open_file(data, names=(name,), own_fleet=fleet_in_force(settings))
    at = None if time_text in {"", "latest"} else parse_time(time_text)
    with open_store(settings, read_only=True) as store:
        computed = feature_table(
            settings,
            store,
            configured,
            at,
            horizon_min=horizon,
            names=feature or (),
            history_slots=round(HISTORY / configured.step.delta) if history else 0,
            feed=feed,
        )
    answer(document(computed), as_json=json, render=_render)


def document(computed: FeatureTable) -> dict[str, Any]:
    """Return the table as plain values."""
    return {
        "zone": computed.zone,
        "slot": iso(computed.slot),
        "horizon_min": computed.horizon_min,
        "model_id": computed.model_id,
        "spec_hash": computed.spec_hash,
        "features": [
            {
                "feature": feature.name,
                "trained": feature.trained,
                "served": feature.served,
                "unit": feature.unit,
                "rule": feature.rule,
                "inputs": [{"input": i.name, "channels": list(i.channels), "value": i.value} for i in feature.inputs],
                "stages": feature.stages,
            }
            for feature in computed.features
        ],
        "history": {name: [[iso(slot), *values] for slot, *values in rows] for name, rows in computed.history.items()},
    }


def _render(document: dict[str, Any]) -> None:
    model = document["model_id"] or "no model (the spec that a training would use)"
    out.print(
        f"{document['zone']} after slot {document['slot']}, {document['horizon_min']} min ahead; {model}, "
        f"spec {document['spec_hash']}"
    )
    rows = [
        [
            feature["feature"],
            _number(feature["trained"]),
            _number(feature["served"]) + ("" if _agree(feature["trained"], feature["served"]) else " *"),
            feature["unit"],
            feature["rule"],
            "; ".join(_input(entry) for entry in feature["inputs"]),
        ]
        for feature in document["features"]
    ]
    table(None, ["feature", "trained", "served", "unit", "rule", "inputs"], rows)
    if any(row[2].endswith("*") for row in rows):
        out.print("* the plant saw other values than the source holds now")
    for name, points in document["history"].items():
        table(name, ["slot", "trained", "served"], [[slot, _number(a), _number(b)] for slot, a, b in points])


def _input(entry: dict[str, Any]) -> str:
    return " ".join(
        [entry["input"], f"({' '.join(entry['channels'])})" * bool(entry["channels"]), _number(entry["value"])]
    )


def _number(value: float | None) -> str:
    return "missing" if value is None else f"{value:.6g}"


def _agree(value: float | None, other: float | None) -> bool:
    if value is None or other is None:
        return value is other
    return math.isclose(value, other, rel_tol=SAME, abs_tol=SAME)
