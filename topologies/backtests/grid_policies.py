"""The policies of a grid backtest, each driven slot by slot with the values known then, and their deliveries."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import msgspec
import numpy as np

from agents.assets.registry import fleet_at_rest
from agents.assets.state import AssetState
from agents.assets.twin import deliver_fleet
from agents.bidding.actor import ActorReducer
from agents.bidding.trader import TraderReducer
from agents.evaluation.churn import ChurnMeter
from agents.evaluation.grid_score import shed_above_cap
from agents.evaluation.inslot_follow import expected_slope_mw, follow_ticks
from agents.evaluation.original_rule import original_rule
from agents.plant import build_problem
from agents.plant.reducer import PlantReducer
from topologies.backtests.deliveries import Deliveries
from vpp.fleet.schema import Zone
from vpp.messages import ActorBid, AssetReading, AssetStatus, Decision, Forecast, Message, Setpoint, TraderBid
from vpp.numerics.arrays import Floats
from vpp.streams.in_process import ReducerLoop

Bid = ActorBid | TraderBid
Forecaster = Callable[[Forecast], Forecast]


@dataclass(frozen=True, slots=True)
class MeasuredSlot:
    """One closed slot: its index, net load of the served share (MW, NaN missing) and by tick (None: no ticks)."""

    index: int
    net_mw: float
    ticks_mw: Floats | None = None


class Lane(Protocol):
    """One policy under test."""

    deliveries: Deliveries

    def learn(self, forecast: Forecast) -> None:
        """Take a forecast of the time before the test, of which nothing is decided."""
        ...

    def begin(self) -> None:
        """Start again with the fleet at rest."""
        ...

    def feed(self, forecast: Forecast, slot: MeasuredSlot) -> None:
        """Take what was published when ``slot`` closed: settle it, decide the next one."""
        ...


class PlantLane:
    """The reducers of actor, trader and plant, as the workers run them.

    Attributes:
        deliveries: What the fleet delivered.
        decision_s: Time of each step of the plant, in seconds.

    Args:
        zone: Fleet and limits.
        forecaster: What the bids rest on, made from the published forecast.
        trades: Whether the trader bids too.
        clear: Solves a clearing problem.
    """

    def __init__(
        self,
        zone: Zone,
        *,
        forecaster: Forecaster = lambda forecast: forecast,
        trades: bool = False,
        clear: build_problem.Clear = build_problem.clear,
    ) -> None:
        self.deliveries = Deliveries(zone)
        self._churn = ChurnMeter(zone)
        self.decision_s: list[float] = []
        self._zone = zone
        self._forecaster = forecaster
        policies = ("actor", "trader") if trades else ("actor",)
        plant = PlantReducer(zone, policies, clear=clear, explore=False)
        self._plant = ReducerLoop(plant, zone.zone, "bids")
        self._actor = ReducerLoop(ActorReducer(zone), zone.zone, "forecasts")
        self._trader = ReducerLoop(TraderReducer(zone), zone.zone, "forecasts") if trades else None
        self._bids: tuple[int, list[Bid]] = (-1, [])
        self.begin()

    @property
    def churn_mwh(self) -> dict[int, float]:
        """Energy by which decided setpoints differ from the plan of the slot before, by slot index."""
        return self._churn.churn_mwh

    def learn(self, forecast: Forecast) -> None:
        """Let the trader's paper accounts run over a forecast of the time before the test."""
        if self._trader is not None:
            self._trader.step(self._forecaster(forecast))

    def begin(self) -> None:
        """Restart with the fleet at rest; the trader keeps its learned values."""
        self._plant.restart()
        self._setpoints: dict[str, Setpoint] = {}
        self._soc = {b.asset_id: b.soc_start for b in self._zone.batteries}
        self._ahead: ActorBid | None = None
        self._churn.restart()

    def feed(self, forecast: Forecast, slot: MeasuredSlot) -> None:
        """Take what was published when ``slot`` closed: settle it, decide the next one."""
        bids = self._bid(forecast, slot.index)
        readings = self._drive(slot) if slot.ticks_mw is not None else {}
        began = time.perf_counter()
        for bid in bids:
            for message in self._plant.step(_with_readings(bid, readings)):
                self._take(message, slot.index)
        self.decision_s.append(time.perf_counter() - began)
        self._ahead = next((bid for bid in bids if isinstance(bid, ActorBid) and bid.net_mw), None)

    def _bid(self, forecast: Forecast, index: int) -> list[Bid]:
        """Return the bids of a slot; the last slot of a week is fed again before the next one and keeps its bids."""
        if self._bids[0] == index:
            return self._bids[1]
        outlook = self._forecaster(forecast)
        messages = [*self._actor.step(outlook), *([] if self._trader is None else self._trader.step(outlook))]
        bids = [message for message in messages if isinstance(message, ActorBid | TraderBid)]
        self._bids = (index, bids)
        return bids

    def _take(self, message: Message, closed: int) -> None:
        self.deliveries.take(message)
        match message:
            case AssetStatus(soc=float() as soc):
                self._soc[message.asset_id] = soc
            case Setpoint():
                self._setpoints[message.asset_id] = message
            case Decision():
                self._churn.enter(message, closed + 1)

    def _drive(self, slot: MeasuredSlot) -> dict[str, AssetReading]:
        """Return the batteries' telemetry of the slot after they followed their curves tick by tick."""
        ticks, hours = slot.ticks_mw, self._zone.step.hours
        if ticks is None or self._ahead is None:
            return {}
        net = self._ahead.net_mw
        before = self._ahead.observed_net_mw
        slope = expected_slope_mw(net, before, len(ticks))
        readings = {}
        for battery in self._zone.batteries:
            setpoint = self._setpoints.get(battery.asset_id)
            if setpoint is None:
                continue
            curve = setpoint.curve or [(net[0], setpoint.power_mw)]
            power, soc = follow_ticks(
                battery,
                AssetState(soc=self._soc[battery.asset_id]),
                curve,
                ticks,
                hours,
                expected_mw=net[0],
                slope_mw=slope,
            )
            readings[battery.asset_id] = AssetReading(power_mw=power, soc=soc)
        return readings


class OriginalRuleLane:
    """The rule of the first prototype: ``agents.evaluation.original_rule``.

    Args:
        zone: Fleet and limits.
    """

    def __init__(self, zone: Zone) -> None:
        self.deliveries = Deliveries(zone)
        self._zone = zone
        self.begin()

    def learn(self, forecast: Forecast) -> None:
        """Take nothing: the rule has no memory."""

    def begin(self) -> None:
        """Start again with the fleet at rest."""
        self._fleet = fleet_at_rest(self._zone)
        self._wanted: Floats | None = None

    def feed(self, forecast: Forecast, slot: MeasuredSlot) -> None:
        """Deliver the setpoints of ``slot``, and decide those of the next slot."""
        zone = self._zone
        target_mw = np.zeros(len(zone.assets)) if self._wanted is None else self._wanted
        setpoints = shed_above_cap(zone, target_mw, slot.net_mw) if np.isfinite(slot.net_mw) else target_mw
        delivered, self._fleet = deliver_fleet(
            zone.assets,
            self._fleet,
            setpoints,
            zone.step.hours,
            potential_mw=np.zeros(len(zone.assets)),
            at=zone.local(zone.step.start(slot.index)),
        )
        self.deliveries.power_mw[slot.index] = np.array([delivery.power_mw for delivery in delivered])
        self.deliveries.soc[slot.index] = self._fleet.soc
        self._fleet = msgspec.structs.replace(self._fleet, grid_mw=slot.net_mw)
        self._wanted = self._rule(forecast, slot)

    def _rule(self, forecast: Forecast, slot: MeasuredSlot) -> Floats:
        net_load = forecast.net_load
        if net_load is None:
            return np.zeros(len(self._zone.assets))
        return original_rule(self._zone, net_load.expected[0] * self._zone.share.factor, slot.net_mw)


def _with_readings(bid: Bid, readings: dict[str, AssetReading]) -> Bid:
    if not readings or bid.observation is None:
        return bid
    return msgspec.structs.replace(bid, observation=msgspec.structs.replace(bid.observation, assets=readings))
