"""Which reducer each stateful topology runs: the same for workers, backtests and tests.

Each import stands where its step is made, so that a worker loads only what it runs: the intake needs no XGBoost.
"""

from __future__ import annotations

from typing import Any

from vpp.errors import ConfigError
from vpp.fleet import Zone
from vpp.reducer import Reducer
from vpp.settings import Settings

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
            from models.registry import Registry
            from models.stream import ForecastReducer

            registry = Registry(settings.models_dir)
            return ForecastReducer(zone, load_model=registry.load, skill_window=settings.forecast.skill_window)
        case "actor":
            from agents.actor import ActorReducer

            return ActorReducer(zone)
        case "trader":
            from agents.trader import TraderReducer

            return TraderReducer(zone)
        case "orders":
            from agents.budget import Budget
            from agents.orders import OrdersReducer

            key, mcp = settings.approval_key, settings.mcp
            budget = Budget(mcp.budget_mw, mcp.budget_mwh_per_day, mcp.budget_cost_per_day)
            secret = None if key is None else key.get_secret_value().encode()
            return OrdersReducer(zone, approval_key=secret, budget=budget)
        case "plant":
            from agents.plant import PlantReducer

            return PlantReducer(zone)
        case _:
            raise ConfigError(f"unknown topology {topology!r}", hint="one of " + ", ".join(STEPS))
