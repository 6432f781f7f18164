"""The cost of an attack: the plant's own reducers on forged data, settled on the true values.

Forecast, actor and plant run as the workers run them, with the guard and without it. Delivered power is the plant's;
its money is counted by the ledger's own sums on the true net load, with the energy left in store at the flat price.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec
import numpy as np
import pandas as pd

from agents.bidding.actor import ActorReducer
from agents.plant.ledger import SettledSlot, money_of
from agents.plant.reducer import PlantReducer
from models.forecast.reducer import ForecastReducer
from models.history import telemetry
from models.served import ServedModel
from topologies.backtests.deliveries import Deliveries
from vpp.domain import NET_LOAD, NET_LOAD_CHANNELS, Target, net_load_mw
from vpp.files.zone_fitting import FLAT_PRICE_PER_MWH
from vpp.fleet.schema import Zone
from vpp.messages import Forecast, Message, Promotion, SlotClosed
from vpp.numerics.arrays import Floats
from vpp.progress import Progress, no_progress
from vpp.streams.in_process import ReducerLoop

HISTORY_DAYS = 60
"""What features look back, before the first forecast."""

LIVE_DAYS = 7
"""Forecasts before each start: what the guard costs on clean data is measured on them, and their errors calibrate."""

WARM_UP_HOURS = 12
"""Slots before each start in which actor and plant run too."""


@dataclass
class Errors:
    """Absolute errors of the forecasts by horizon: with the guard, without it, and how many."""

    total: Floats
    count: Floats


@dataclass(frozen=True)
class PlantStart:
    """All steps before the first slot of an attack: position in the frame, forecast state as bytes, actor and plant."""

    at: int
    forecast: Mapping[str, bytes]
    actor: ReducerLoop[Any]
    plant: ReducerLoop[Any]


class MoneyBench:
    """Runs attacks through the plant.

    Args:
        zone: Fleet, limits.
        frame: With net load; the clean history.
        model: Net load and guard.
    """

    def __init__(self, zone: Zone, frame: pd.DataFrame, model: ServedModel) -> None:
        self.zone = zone.model_copy(update={"energy_price_flat_per_mwh": FLAT_PRICE_PER_MWH})
        self.frame = frame
        self._promotion = Promotion(
            zone=zone.zone, available_at=frame.index[0].to_pydatetime(), model_id=model.model_id, sha256=model.sha256
        )
        self._net: Floats = frame[NET_LOAD].to_numpy(dtype=np.float64)
        self._reducers = {True: self._reducer(model), False: self._reducer(replace(model, guard=None))}

    def _reducer(self, model: ServedModel) -> ForecastReducer:
        return ForecastReducer(self.zone, load_model=lambda *_: model, targets=frozenset({Target.NET_LOAD}))

    def walk(
        self, starts: Sequence[int], *, guarded: bool, progress: Progress = no_progress
    ) -> tuple[dict[int, PlantStart], Errors]:
        """Walk over the clean history; return the states before each start, and the errors of the forecasts.

        All slots from ``HISTORY_DAYS`` before the first start on enter, so guard and features see an unbroken past.
        Forecasts are made in the ``LIVE_DAYS`` before each start.

        Args:
            starts: Positions in the frame, ascending.
            guarded: Whether the guard runs.
            progress: Called with the share done (0-1) and the name of the current part.
        """
        per_day, warm = self.zone.step.per_day, WARM_UP_HOURS * 60 // self.zone.step.minutes
        reducer = self._reducers[guarded]
        loop = ReducerLoop(reducer, self.zone.zone)
        loop.step(self._promotion)
        states: dict[int, PlantStart] = {}
        saved: dict[str, bytes | None] = {}
        errors = Errors(np.zeros(0), np.zeros(0))
        if not starts:
            return states, errors
        at = first = max(starts[0] - (HISTORY_DAYS + LIVE_DAYS) * per_day, 0)
        rows = self.frame.iloc[at : starts[-1] + 3 * per_day]
        waiting = list(starts)
        lane: tuple[ReducerLoop[Any], ReducerLoop[Any]] | None = None
        for message in telemetry(rows, self.zone, rows.index[0].to_pydatetime()):
            if not isinstance(message, SlotClosed):
                loop.step(message)
                continue
            if at == waiting[0]:
                if lane is not None:
                    saved |= reducer.changes(loop.state)
                    states[at] = PlantStart(at, {name: value for name, value in saved.items() if value}, *lane)
                    lane = None
                waiting.pop(0)
                if not waiting:
                    return states, errors
            is_live = at >= max(waiting[0] - LIVE_DAYS * per_day, first + HISTORY_DAYS * per_day)
            slot = msgspec.structs.replace(message, history=not is_live)
            for forecast in (output for output in loop.step(slot) if isinstance(output, Forecast)):
                self._count(forecast, at, errors)
                if guarded and at >= waiting[0] - warm:
                    lane = lane or self._lane()
                    _feed(*lane, forecast)
            if at % (5 * per_day) == 0:
                progress((at - first) / max(starts[-1] - first, 1), "walking over the clean history")
            at += 1
        return states, errors

    def _count(self, forecast: Forecast, at: int, errors: Errors) -> None:
        if forecast.net_load is None:
            return
        places = at + np.array(forecast.horizon_min) // self.zone.step.minutes
        if not errors.count.size:
            errors.total, errors.count = np.zeros(len(places)), np.zeros(len(places))
        gaps = np.abs(self._net[np.minimum(places, len(self._net) - 1)] - np.array(forecast.net_load.q50))
        good = (places < len(self._net)) & np.isfinite(gaps)
        errors.total[good] += gaps[good]
        errors.count[good] += 1

    def _lane(self) -> tuple[ReducerLoop[Any], ReducerLoop[Any]]:
        plant = PlantReducer(self.zone, ("actor",), explore=False)
        return ReducerLoop(ActorReducer(self.zone), self.zone.zone), ReducerLoop(plant, self.zone.zone)

    def pnl(self, start: PlantStart, forged: Mapping[str, Floats], slots: int, *, guarded: bool) -> float:
        """Return the money over the attack and one slot after it, true net load settled.

        Args:
            start: All steps before the first forged slot.
            forged: Forged values by channel, MW, shape (slots,) each; empty: the clean run.
            slots: Length of the attack.
            guarded: Whether the guard runs.
        """
        zone, reducer = self.zone, self._reducers[guarded]
        forecaster = ReducerLoop(reducer, zone.zone)
        forecaster.state = reducer.load(zone.zone, start.forecast.get)
        actor, plant = copy.deepcopy(start.actor), copy.deepcopy(start.plant)
        deliveries = Deliveries(zone)
        rows = self.frame.iloc[start.at : start.at + slots + 2]
        before = _soc(plant.state, zone)
        absent = frozenset(channel for channel in NET_LOAD_CHANNELS if channel not in self.frame)
        closed = (m for m in telemetry(rows, zone, rows.index[0].to_pydatetime()) if isinstance(m, SlotClosed))
        for k, slot in enumerate(closed):
            message = slot
            if k < slots and forged:
                values = {**slot.values, **{name: float(column[k]) for name, column in forged.items()}}
                message = msgspec.structs.replace(slot, values=values, net_load_mw=net_load_mw(values, absent))
            for output in forecaster.step(message):
                if isinstance(output, Forecast):
                    for message_out in _feed(actor, plant, output):
                        deliveries.take(message_out)
        return self._settled(deliveries, start.at, slots + 1) + 0.95 * FLAT_PRICE_PER_MWH * (
            _soc(plant.state, zone) - before
        )

    def _settled(self, deliveries: Deliveries, start: int, slots: int) -> float:
        zone, step = self.zone, self.zone.step
        first = step.index(self.frame.index[start].to_pydatetime())
        total = 0.0
        past: SettledSlot | None = None
        for k in range(slots):
            power = deliveries.power_mw.get(first + k)
            if power is None:
                continue
            asset_power = {asset.asset_id: float(power[row]) for row, asset in enumerate(zone.assets)}
            net = self._net[start + k]
            now = SettledSlot(
                first + k, None if np.isnan(net) else float(net) * zone.share.factor, FLAT_PRICE_PER_MWH, asset_power
            )
            total += sum(money.pnl for money in money_of(zone, now, past).values())
            past = now
        return total


def _feed(actor: ReducerLoop[Any], plant: ReducerLoop[Any], forecast: Forecast) -> Iterable[Message]:
    return [output for bid in actor.step(forecast) for output in plant.step(bid)]


def _soc(state: Any, zone: Zone) -> float:
    """Return the energy in store, MWh."""
    before = state.head.assets
    return sum((before[b.asset_id].soc if b.asset_id in before else b.soc_start) * b.energy_mwh for b in zone.batteries)
