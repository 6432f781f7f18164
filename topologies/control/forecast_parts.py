"""What each feature adds to a forecast of the run: from the rows that the plant closed and the model that served."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from models.explain.net_load import explain_at
from models.explain.price import explain_price_at
from models.net_load.model import ServedNetLoad
from models.registry.registry import Registry
from topologies.control.feature_table import closed_slot, overlaid, source_rows
from vpp.domain import Target, iso
from vpp.errors import ModelError
from vpp.fleet.schema import Zone
from vpp.settings import Settings
from vpp.store import Store
from vpp.store.query import Filters, Value
from vpp.store.tables import FORECASTS


@dataclass(frozen=True, slots=True)
class ForecastParts:
    """One forecast taken apart: ``value = base + sum of the parts``, in MW or per MWh.

    Attributes:
        slot: The closed slot that it was issued after.
        horizon_min: Minutes ahead.
        model_id: The model.
        base: Net load at the slot, or the usual price of the slot ahead.
        value: What was forecast: the change from the median, or the expected price.
        parts: By feature, the largest size first.
    """

    slot: datetime
    horizon_min: int
    model_id: str
    base: float
    value: float
    parts: tuple[tuple[str, float], ...]


def forecast_parts(
    settings: Settings,
    store: Store,
    zone: Zone,
    target: Target,
    horizon_min: int | None = None,
    instant: datetime | None = None,
) -> ForecastParts:
    """Take a forecast of the run apart.

    Args:
        settings: Give the model registry, and the source that the run noted.
        store: The run's tables.
        zone: As it is configured in the run.
        target: Net load or price.
        horizon_min: Minutes ahead; None: one step.
        instant: A time in the slot that it was issued after; None: that of the last stored forecast.

    Raises:
        DataError: There is no such slot or horizon, or no rows to compute from.
        ModelError: No model made this forecast.
    """
    horizon_min = zone.step_min if horizon_min is None else horizon_min
    filters: dict[str, Value] = {"target": target.value, "horizon_min": horizon_min}
    slot = closed_slot(store, zone, _last_issued(store, zone, filters) if instant is None else instant)
    served_by = store.read(
        FORECASTS,
        zone=zone.zone,
        start=slot,
        end=slot + timedelta(seconds=1),
        filters=filters | {"source": "model"},
        columns=("model_id",),
    ).values
    if not served_by:
        raise ModelError(
            f"no model forecast {target.value} {horizon_min} min ahead after {iso(slot)}", hint="see the model in force"
        )
    model_id = str(served_by[0][0])
    model = Registry(settings.models_dir).load(model_id)
    rows = overlaid(source_rows(settings, zone, slot, None), store, zone)
    if target is Target.NET_LOAD and isinstance(model.net_load, ServedNetLoad):
        net = explain_at(model.net_load, rows, zone, slot, horizon_min)
        return ForecastParts(slot, horizon_min, model_id, net.now_mw, net.forecast_mw, net.contributions)
    if target is Target.PRICE and model.price is not None:
        price = explain_price_at(model.price, rows, zone, slot, horizon_min)
        return ForecastParts(
            slot, horizon_min, model_id, price.usual_per_mwh, price.forecast_per_mwh, price.contributions
        )
    raise ModelError(f"model {model_id} does not forecast {target.value}", hint="see vpp models list")


def _last_issued(store: Store, zone: Zone, filters: Filters) -> datetime | None:
    """Return the newest slot after which a forecast is stored; a slot can close moments before its forecast is."""
    columns = ("issued_at",)
    rows = store.read(FORECASTS, zone=zone.zone, filters=filters, columns=columns, order="desc", limit=1).values
    return None if not rows else rows[0][0]
