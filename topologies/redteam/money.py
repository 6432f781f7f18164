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
from vpp.messages import Forecast, Message, Promotion, Publication, SlotClosed
from vpp.numerics.arrays import Floats
from vpp.progress import Progress, no_progress
from vpp.streams.in_process import ReducerLoop

WARM_UP_HOURS = 12


@dataclass
class Errors:
    """Absolute errors of the forecasts by horizon: with the guard, without it, and how many."""

    total: Floats
    count: Floats


@dataclass(frozen=True)
class BenchLane:
    """The steps of one lane with their states; ``copied`` returns an independent copy."""

    forecast: ReducerLoop[Any]
    actor: ReducerLoop[Any]
    plant: ReducerLoop[Any]

    def copied(self, reducer: ForecastReducer, saved: Mapping[str, bytes], zone: str) -> BenchLane:
        """Return a copy whose forecast step is ``reducer``, at the state ``saved`` as bytes."""
        forecast = ReducerLoop(reducer, zone)
        forecast.state = reducer.load(zone, saved.get)
        return BenchLane(forecast, copy.deepcopy(self.actor), copy.deepcopy(self.plant))


class MoneyBench:
    """Runs attacks through the plant.

    Args:
        zone: Fleet, limits.
        frame: With net load; the clean history.
        model: Net load and guard.
        first: Position in ``frame`` of slot 0 of ``Series``-like positions used by the starts.
    """

    def __init__(self, zone: Zone, frame: pd.DataFrame, model: ServedModel) -> None:
        self.zone = zone.model_copy(update={"energy_price_flat_per_mwh": FLAT_PRICE_PER_MWH})
        self.frame = frame
        self._models = {True: model, False: replace(model, guard=None)}
        self._promotion = Promotion(
            zone=zone.zone, available_at=frame.index[0].to_pydatetime(), model_id=model.model_id, sha256=model.sha256
        )
        self._net: Floats = frame[NET_LOAD].to_numpy(dtype=np.float64)

    def _reducer(self, *, guarded: bool) -> ForecastReducer:
        served = self._models[guarded]
        return ForecastReducer(self.zone, load_model=lambda *_: served, targets=frozenset({Target.NET_LOAD}))

    def walk(
        self, begin: int, end: int, starts: Sequence[int], *, guarded: bool, progress: Progress = no_progress
    ) -> tuple[dict[int, tuple[dict[str, bytes], BenchLane]], Errors]:
        """Walk over the clean test; return the states before each start, and the errors of the forecasts.

        Args:
            begin: First slot that is forecast; 60 days before it warm up.
            end: End (exclusive).
            starts: Positions whose states are kept, ascending; the plant runs ``WARM_UP_HOURS`` before each.
            guarded: Whether the guard runs.
            progress: Called with the share done (0-1) and the name of the current part.
        """
        zone, step = self.zone, self.zone.step
        reducer = self._reducer(guarded=guarded)
        loop = ReducerLoop(reducer, zone.zone)
        warm = WARM_UP_HOURS * 60 // step.minutes
        saved: dict[str, bytes] = {}
        states: dict[int, tuple[dict[str, bytes], BenchLane]] = {}
        chain: BenchLane | None = None
        steps = None
        errors = Errors(np.zeros(0), np.zeros(0))
        loop.step(self._promotion)
        at = begin - 60 * step.per_day
        rows = self.frame.iloc[at : min(end + 3 * step.per_day, len(self.frame))]
        live, stop = self.frame.index[begin].to_pydatetime(), self.frame.index[end - 1] + step.delta
        waiting = list(starts)
        for message in telemetry(rows, zone, live, stop.to_pydatetime()):
            if isinstance(message, SlotClosed) and waiting and at == waiting[0] and chain is not None:
                _keep(reducer, loop.state, saved)
                states[at] = (dict(saved), chain)
                chain = None
                waiting.pop(0)
            outputs = loop.step(message)
            if waiting:
                _keep(reducer, loop.state, saved)
            if not isinstance(message, SlotClosed):
                continue
            for forecast in (output for output in outputs if isinstance(output, Forecast)):
                if steps is None:
                    steps = np.array(forecast.horizon_min) // step.minutes
                    errors = Errors(np.zeros(len(steps)), np.zeros(len(steps)))
                self._count(forecast, at, steps, errors)
                if waiting and waiting[0] - warm <= at < waiting[0]:
                    chain = chain or self._chain(loop)
                    _feed(chain, forecast)
            if at % (20 * step.per_day) == 0:
                progress((at - begin) / max(end - begin, 1), "walking over the clean test")
            at += 1
        return states, errors

    def _count(self, forecast: Forecast, at: int, steps: Floats, errors: Errors) -> None:
        if forecast.net_load is None:
            return
        places = at + steps
        inside = places < len(self._net)
        gaps = np.abs(self._net[np.minimum(places, len(self._net) - 1)] - np.array(forecast.net_load.q50))
        good = inside & np.isfinite(gaps)
        errors.total[good] += gaps[good]
        errors.count[good] += 1

    def _chain(self, loop: ReducerLoop[Any]) -> BenchLane:
        zone = self.zone
        plant = PlantReducer(zone, ("actor",), explore=False)
        return BenchLane(loop, ReducerLoop(ActorReducer(zone), zone.zone), ReducerLoop(plant, zone.zone))

    def pnl(
        self,
        saved: Mapping[str, bytes],
        chain: BenchLane,
        start: int,
        forged: Mapping[str, Floats],
        slots: int,
        *,
        guarded: bool,
    ) -> tuple[float, float]:
        """Return money over the attack and one slot after it, and the energy dispatched (MWh), true net load settled.

        Args:
            saved: State of the forecast step before the start.
            chain: Actor and plant there.
            start: Position of the first forged slot.
            forged: Forged values by channel, MW, shape (slots,) each; empty: the clean run.
            slots: Length of the attack.
            guarded: Whether the guard runs.
        """
        zone = self.zone
        own_chain = chain.copied(self._reducer(guarded=guarded), saved, zone.zone)
        deliveries = Deliveries(zone)
        rows = self.frame.iloc[start : start + slots + 2]
        before = _soc(own_chain.plant.state, zone)
        have = tuple(channel for channel in NET_LOAD_CHANNELS if channel in self.frame)
        live = rows.index[0].to_pydatetime()
        for k, message in enumerate(m for m in telemetry(rows, zone, live) if not isinstance(m, Publication)):
            changed_message: Message = message
            if k < slots and forged:
                values = {**message.values, **{name: float(column[k]) for name, column in forged.items()}}
                absent = frozenset(NET_LOAD_CHANNELS) - frozenset(have)
                changed_message = msgspec.structs.replace(
                    message, values=values, net_load_mw=net_load_mw(values, absent)
                )
            for output in own_chain.forecast.step(changed_message):
                if isinstance(output, Forecast):
                    for message_out in _feed(own_chain, output):
                        deliveries.take(message_out)
        return self._settled(deliveries, start, slots + 1, before, own_chain)

    def _settled(
        self, deliveries: Deliveries, start: int, slots: int, before: float, lane: BenchLane
    ) -> tuple[float, float]:
        zone, step = self.zone, self.zone.step
        first = step.index(self.frame.index[start].to_pydatetime())
        total, energy = 0.0, 0.0
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
            energy += float(np.abs(power).sum()) * step.hours
            past = now
        soc_change = _soc(lane.plant.state, zone) - before
        return total + 0.95 * FLAT_PRICE_PER_MWH * soc_change, energy


def _keep(reducer: ForecastReducer, state: Any, saved: dict[str, bytes]) -> None:
    for name, value in reducer.changes(state).items():
        if value is None:
            saved.pop(name, None)
        else:
            saved[name] = value


def _feed(chain: BenchLane, forecast: Forecast) -> Iterable[Message]:
    outputs: list[Message] = []
    for bid in chain.actor.step(forecast):
        outputs += chain.plant.step(bid)
    return outputs


def _soc(state: Any, zone: Zone) -> float:
    """Return the energy in store, MWh."""
    before = state.head.assets
    return sum((before[b.asset_id].soc if b.asset_id in before else b.soc_start) * b.energy_mwh for b in zone.batteries)
