"""Which reducer each stateful topology runs: the same for workers, backtests and tests."""

from __future__ import annotations

from typing import Any

from agents.orders import OrdersReducer
from agents.plant import PlantReducer
from agents.trader import TraderReducer
from models.registry import Registry
from models.stream import ForecastReducer

from agents.actor import ActorReducer
from features.intake import IntakeReducer
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
            return IntakeReducer(zone)
        case "forecast":
            registry = Registry(settings.models_dir)
            return ForecastReducer(zone, load_model=registry.load, skill_window=settings.forecast.skill_window)
        case "actor":
            return ActorReducer(zone)
        case "trader":
            return TraderReducer(zone)
        case "orders":
            return OrdersReducer(zone)
        case "plant":
            return PlantReducer(zone)
        case _:
            raise ConfigError(f"unknown topology {topology!r}", hint="one of " + ", ".join(STEPS))
