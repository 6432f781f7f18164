"""`vpp forecast ZONE --explain`: what each feature adds to a forecast, recomputed from a history file."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from topologies.sources.feed import open_file
from vpp.domain import iso
from vpp.errors import ConfigError, ModelError
from vpp.fleet import load_fleet
from vpp.settings import Settings

LOOK_BACK = timedelta(days=55)
LOOK_AHEAD = timedelta(days=3)


def explained(
    settings: Settings,
    zone: str,
    data: Path,
    slot: datetime | None,
    *,
    horizon_min: int | None,
    model_id: str | None = None,
) -> dict[str, Any]:
    """Return one net-load forecast taken apart: ``now_mw`` plus the sum of the contributions is ``forecast_mw``.

    Args:
        settings: Give the model registry and the fleet.
        zone: The zone.
        data: History that holds the slot and six weeks before it.
        slot: The closed slot; None: the last one in the data.
        horizon_min: The horizon; None: one step.
        model_id: The model; None: the one in force.

    Raises:
        ConfigError: The data lack the zone.
        DataError: The slot is not in the data, or there is no such horizon.
        ModelError: There is no such model, or it does not forecast net load.
    """
    from models.explain import explain_at
    from models.net_part import ServedNetLoad
    from models.registry import Registry

    registry = Registry(settings.models_dir)
    if model_id is None:
        in_force = registry.in_force(zone)
        if in_force is None:
            raise ModelError(f"no model of {zone} is in force", hint="train one: vpp train --data FILE")
        model_id = str(in_force["model_id"])
    part = registry.load(model_id).net_load
    if not isinstance(part, ServedNetLoad):
        raise ModelError(f"model {model_id} does not forecast net load", hint="see vpp models list")
    own = load_fleet(settings.fleet) if settings.fleet else None
    feed = open_file(data, names=(zone,), own=own)
    if zone not in feed.zones:
        raise ConfigError(f"{data} has no zone {zone!r}", hint=f"it has {', '.join(sorted(feed.zones))}")
    found = feed.zones[zone]
    if slot is None:
        slot = feed.info.spans[zone].last
    frame = feed.frame(zone, slot + LOOK_AHEAD)
    rows = frame.loc[frame.index >= slot - LOOK_BACK]
    told = explain_at(part, rows, found, slot, horizon_min or found.step_min)
    return {
        "zone": zone,
        "target": "net_load",
        "unit": "MW",
        "issued_at": iso(told.slot),
        "horizon_min": told.horizon_min,
        "model_id": model_id,
        "now_mw": round(told.now_mw, 3),
        "forecast_mw": round(told.forecast_mw, 3),
        "contributions": [{"feature": name, "mw": round(mw, 3)} for name, mw in told.contributions],
    }
