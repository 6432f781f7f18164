"""The reducer of each stateful topology: the same for workers, backtests and tests.

Each step is imported where it is made, so a worker loads only its own modules: the intake needs no XGBoost.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from topologies.runtime.resumption import read_resumptions
from vpp.errors import ConfigError
from vpp.fleet.schema import Zone
from vpp.messages import Order
from vpp.settings import Settings
from vpp.streams.reducer import Origin, Output, Reducer

STEPS: tuple[str, ...] = ("telemetry", "forecast", "actor", "trader", "orders", "plant")


def make_reducer(topology: str, zone: Zone, settings: Settings) -> Reducer[Any]:
    """Return the reducer of ``topology`` for one zone.

    Raises:
        ConfigError: There is no such stateful topology.
    """
    match topology:
        case "telemetry":
            from features.intake import IntakeReducer

            return IntakeReducer(zone)
        case "forecast":
            from models.forecast.reducer import ForecastReducer
            from models.registry.registry import Registry

            registry = Registry(settings.models_dir)
            forecast = settings.forecast
            reducer = ForecastReducer(
                zone,
                load_model=registry.load,
                skill_window=forecast.skill_window,
                min_history_days=forecast.min_history_days,
                ready_share=forecast.ready_share,
                refuse_order=_order_check(zone, settings),
            )
            if settings.inference == "local":
                return reducer
            from models.forecast.remote import RemoteForecastReducer

            return RemoteForecastReducer(zone, reducer, timedelta(seconds=forecast.patience_s))
        case "actor":
            from agents.bidding.actor import ActorReducer

            return ActorReducer(zone)
        case "trader":
            from agents.bidding.trader import TraderReducer

            return TraderReducer(zone)
        case "orders":
            from agents.orders.admission import OrdersReducer
            from agents.orders.budget import Budget

            mcp = settings.mcp
            budget = Budget(mcp.budget_mw, mcp.budget_mwh_per_day, mcp.budget_cost_per_day)
            return OrdersReducer(
                zone,
                approval_key=settings.approval_secret,
                budget=budget,
                longest=timedelta(hours=settings.longest_order_h),
            )
        case "plant":
            from agents.plant.reducer import PlantReducer

            return PlantReducer(
                zone,
                approval_key=settings.approval_secret,
                longest_order=timedelta(hours=settings.longest_order_h),
                resumption=read_resumptions(settings).get(zone.zone),
            )
        case _:
            raise ConfigError(f"unknown topology {topology!r}", hint="one of " + ", ".join(STEPS))


def _order_check(zone: Zone, settings: Settings) -> Callable[[Order, Origin], list[Output]]:
    """Return the guard's verification of an order: that of the plant; without a key only that it was admitted."""
    from agents.orders.refusal import Refusal
    from agents.orders.verification import refuse_admitted, refused_order

    key, longest = settings.approval_secret, timedelta(hours=settings.longest_order_h)

    def check(order: Order, origin: Origin) -> list[Output]:
        if order.verdict != "accepted":
            refusal: Refusal | None = Refusal("admission", "the admission step did not accept it")
        else:
            refusal = None if key is None else refuse_admitted(zone, order, key, origin.appended_at, longest)
        slot = zone.step.floor(order.issued_at)
        return [] if refusal is None else refused_order(order, slot, origin, refusal, by="guard")

    return check
