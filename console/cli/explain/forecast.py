"""`vpp forecast ZONE --explain`: the contribution of each feature to a forecast of the run, or of a history file."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from topologies.sources.feed import open_file
from vpp.domain import Target, iso
from vpp.errors import ConfigError, ModelError
from vpp.fleet.in_force import fleet_in_force, zone_in_force
from vpp.fleet.schema import Zone, load_fleet
from vpp.settings import Settings
from vpp.store import open_store

if TYPE_CHECKING:
    import pandas as pd

    from models.served import ServedModel

LOOK_BACK = timedelta(days=55)
LOOK_AHEAD = timedelta(days=3)

Parts = Sequence[tuple[str, float]]
"""Features and what each adds."""


def explained(
    settings: Settings,
    zone: str,
    data: Path,
    slot: datetime | None,
    *,
    target: Target = Target.NET_LOAD,
    horizon_min: int | None,
    model_id: str | None = None,
) -> dict[str, Any]:
    """Return one forecast taken apart.

    Net load: ``now_mw`` plus the sum of the contributions is ``forecast_mw``; price: ``usual_per_mwh`` plus their sum
    is ``forecast_per_mwh``.

    Args:
        settings: Give the model registry and the fleet.
        zone: The zone.
        data: History that holds the slot and six weeks before it.
        slot: The closed slot; None: the last one in the data.
        target: Which of the two forecasts.
        horizon_min: The horizon; None: one step.
        model_id: The model; None: the one in force.

    Raises:
        ConfigError: The data lack the zone.
        DataError: The slot is not in the data, or there is no such horizon.
        ModelError: There is no such model, or it does not forecast the target.
    """
    from models.registry.registry import Registry

    registry = Registry(settings.models_dir)
    if model_id is None:
        in_force = registry.in_force(zone)
        if in_force is None:
            raise ModelError(f"no model of {zone} is in force", hint="train one: vpp train --data FILE")
        model_id = str(in_force["model_id"])
    model = registry.load(model_id)
    own_fleet = load_fleet(settings.fleet) if settings.fleet else None
    feed = open_file(data, names=(zone,), own_fleet=own_fleet)
    if zone not in feed.zones:
        raise ConfigError(f"{data} has no zone {zone!r}", hint=f"it has {', '.join(sorted(feed.zones))}")
    config = feed.zones[zone]
    if slot is None:
        slot = feed.info.spans[zone].last
    frame = feed.frame(zone, slot + LOOK_AHEAD)
    rows = frame.loc[frame.index >= slot - LOOK_BACK]
    explain = _net_load if target is Target.NET_LOAD else _price
    explanation = explain(model, rows, config, slot, horizon_min or config.step_min)
    head = {"zone": zone, "target": target.value, "issued_at": iso(slot), "model_id": model_id}
    return head | explanation


def explained_of_run(
    settings: Settings, zone: str, issued_at: datetime | None, *, target: Target, horizon_min: int | None
) -> dict[str, Any]:
    """Return a forecast that the run issued, taken apart as ``explained`` does.

    Args:
        settings: Give the store, the model registry and the source that the run noted.
        zone: The zone.
        issued_at: When it was issued; None: the newest.
        target: Which of the two forecasts.
        horizon_min: The horizon; None: one step.

    Raises:
        ConfigError: The run has no such zone.
        DataError: There is no such slot or horizon, or no rows to compute from.
        ModelError: No model made this forecast.
    """
    from models.registry.registry import Registry
    from topologies.control.forecast_parts import forecast_parts

    config = zone_in_force(settings, zone)
    if config is None:
        names = ", ".join(one.zone for one in fleet_in_force(settings).zones)
        raise ConfigError(f"there is no zone {zone!r}", hint=f"one of {names}" if names else "start a plant: vpp up")
    with open_store(settings, read_only=True) as store:
        parts = forecast_parts(settings, store, config, target, horizon_min, issued_at)
    model = Registry(settings.models_dir).load(parts.model_id)
    head = {"zone": zone, "target": target.value, "issued_at": iso(parts.slot), "model_id": parts.model_id}
    if target is Target.NET_LOAD:
        return head | _net_load_document(model, config, parts.horizon_min, (parts.base, parts.value), parts.parts)
    return head | _price_document(config, parts.horizon_min, (parts.base, parts.value), parts.parts)


def _net_load(model: ServedModel, rows: pd.DataFrame, zone: Zone, slot: datetime, horizon_min: int) -> dict[str, Any]:
    from models.explain.net_load import explain_at
    from models.net_load.model import ServedNetLoad

    if not isinstance(model.net_load, ServedNetLoad):
        raise ModelError(f"model {model.model_id} does not forecast net load", hint="see vpp models list")
    explanation = explain_at(model.net_load, rows, zone, slot, horizon_min)
    ends_mw = (explanation.now_mw, explanation.forecast_mw)
    return _net_load_document(model, zone, explanation.horizon_min, ends_mw, explanation.contributions)


def _net_load_document(
    model: ServedModel, zone: Zone, horizon_min: int, ends_mw: tuple[float, float], parts: Parts
) -> dict[str, Any]:
    rounded = zone.region_scale.rounded
    return {
        "unit": "MW",
        "horizon_min": horizon_min,
        "now_mw": rounded(ends_mw[0]),
        "forecast_mw": rounded(ends_mw[1]),
        "xgboost": _of_horizon(model, horizon_min),
        "contributions": [{"feature": name, "mw": rounded(mw)} for name, mw in parts],
    }


def _of_horizon(model: ServedModel, horizon_min: int) -> dict[str, Any]:
    """Return weight and gain of XGBoost at a horizon, and the statement of the model card."""
    from models.registry.tree_card import say_trees

    card = model.metadata["xgboost"]
    row = next((row for row in card["horizons"] if row["horizon_min"] == horizon_min), {"weight": 0.0, "gain": 0.0})
    return {"weight": row["weight"], "gain": row["gain"], "text": say_trees(card)}


def _price(model: ServedModel, rows: pd.DataFrame, zone: Zone, slot: datetime, horizon_min: int) -> dict[str, Any]:
    from models.explain.price import explain_price_at

    if model.price is None:
        raise ModelError(f"model {model.model_id} does not forecast prices", hint="see vpp models list")
    explanation = explain_price_at(model.price, rows, zone, slot, horizon_min)
    ends_per_mwh = (explanation.usual_per_mwh, explanation.forecast_per_mwh)
    return _price_document(zone, explanation.horizon_min, ends_per_mwh, explanation.contributions)


def _price_document(zone: Zone, horizon_min: int, ends_per_mwh: tuple[float, float], parts: Parts) -> dict[str, Any]:
    return {
        "unit": f"{zone.market.currency}/MWh",
        "horizon_min": horizon_min,
        "usual_per_mwh": round(ends_per_mwh[0], 4),
        "forecast_per_mwh": round(ends_per_mwh[1], 4),
        "contributions": [{"feature": name, "per_mwh": round(value, 4)} for name, value in parts],
    }
