"""The forecast step: one forecast per live slot, in order, from what was known, the same bits after a restart."""

import dataclasses
from collections.abc import Iterable
from itertools import pairwise

import msgspec
import numpy as np
import pandas as pd
import pytest

from models.forecast.reducer import ForecastReducer
from models.forecast.state import ForecastState
from models.history import telemetry, with_net_load
from models.net_load.model import ServedNetLoad
from models.served import ServedModel
from tests.worlds.forecasts.forecast_world import LIVE, World, trained_world
from tests.worlds.forecasts.no_model import no_model
from tests.worlds.synthetic import make_frame, make_zone
from tests.worlds.trees import with_trees
from vpp.domain import QUANTILE_NAMES, Target, horizons_min
from vpp.errors import MessageError
from vpp.fleet.schema import Zone
from vpp.messages import (
    Alert,
    Correction,
    End,
    Forecast,
    Message,
    Observation,
    Publication,
    Skill,
    SlotClosed,
    encode,
)
from vpp.streams.reducer import Origin, Output

ORIGIN = Origin("telemetry", 0, 0)


@pytest.fixture(scope="module")
def world() -> World:
    return trained_world()


class Run:
    """A reducer with its state and what it kept; ``restart`` makes it start over from what was kept."""

    def __init__(self, zone: Zone, model: ServedModel | None = None) -> None:
        self.zone = zone
        self.model = model
        self.store: dict[str, bytes] = {}
        self.reducer = self.made()
        self.state: ForecastState = self.reducer.initial(zone.zone)

    def made(self) -> ForecastReducer:
        model = self.model
        return ForecastReducer(self.zone, load_model=no_model if model is None else lambda *_: model)

    def restart(self) -> None:
        self.reducer = self.made()
        self.state = self.reducer.load(self.zone.zone, self.store.get)

    def feed(self, messages: Iterable[Message]) -> list[Output]:
        outputs: list[Output] = []
        for message in messages:
            self.state, new = self.reducer.step(self.state, message, ORIGIN)
            outputs += new
            for name, value in self.reducer.changes(self.state).items():
                if value is None:
                    self.store.pop(name, None)
                else:
                    assert len(value) < 256_000
                    self.store[name] = value
        return outputs


def forecasts(outputs: list[Output]) -> list[Forecast]:
    return [o.message for o in outputs if isinstance(o.message, Forecast)]


def test_history_fills_state_and_yields_nothing(world: World) -> None:
    history = [m for m in world.messages() if isinstance(m, SlotClosed) and m.history]
    assert Run(world.zone).feed(history[:200]) == []


def test_every_live_slot_yields_one_forecast_in_order(world: World) -> None:
    made = forecasts(Run(world.zone, world.model).feed([world.promotion, *world.messages()]))
    assert [f.slot for f in made] == [t for t in pd.DatetimeIndex(world.frame.index).to_pydatetime() if t >= LIVE]
    for forecast in made:
        assert forecast.horizon_min == list(horizons_min(60))
        for target in (forecast.net_load, forecast.price):
            assert target is not None
            levels = np.array([target.level(name) for name in QUANTILE_NAMES])
            assert np.isfinite(levels).all()
            assert (np.diff(levels, axis=0) >= 0).all()
        assert forecast.spreads is not None
        assert min(forecast.spreads.level_sd_mw) > 0
        assert forecast.spreads.carry[0] == 1.0
    assert {f.net_load.source for f in made if f.net_load} == {"model"}
    assert {f.net_load.model_id for f in made if f.net_load} == {world.model.model_id}
    assert [f.net_load.xgboost_weight for f in made if f.net_load] == [[0.0] * 6] * len(made)
    assert world.model.net_load is not None
    assert {f.spec_hash for f in made} == {world.model.net_load.spec.hash}


def test_the_model_beats_persistence(world: World) -> None:
    end = End(zone=world.zone.zone, producer="telemetry")
    outputs = Run(world.zone, world.model).feed([world.promotion, *world.messages(), end])
    last = [o.message for o in outputs if isinstance(o.message, Skill) and o.message.target == "net_load"][-1]
    assert last.horizon_min == list(horizons_min(world.zone.step_min))
    assert all(mae < 0.6 * naive for mae, naive in zip(last.mae[:6], last.mae_persistence[:6], strict=True))
    assert all(0.5 <= coverage <= 1.0 for coverage in last.coverage_90)


def test_a_slot_that_was_done_yields_nothing(world: World) -> None:
    run = Run(world.zone)
    everything = world.messages()[-60:]
    first = run.feed(everything)
    assert forecasts(first)
    slots = [m for m in everything if isinstance(m, SlotClosed)]
    assert run.feed(slots) == []
    assert run.reducer.changes(run.state) == {}


@pytest.mark.parametrize("with_model", [True, False])
def test_a_restart_at_any_place_gives_the_same_bits(world: World, *, with_model: bool) -> None:
    gappy = world.frame.copy()
    gappy.iloc[1600:1608, 0] = np.nan
    everything: list[Message] = [world.promotion, *world.messages(gappy)] if with_model else [*world.messages(gappy)]
    late = Correction(
        zone=world.zone.zone, slot=LIVE, step_min=60, values={"load_mw": 31_000.0}, net_load_mw=25_000.0, revision=1
    )
    end = End(zone=world.zone.zone, producer="telemetry", last_slot=world.frame.index[-1].to_pydatetime())
    everything = [*everything[:-30], late, *everything[-30:], end]
    # Trees read errors of forecasts that were issued before the restart.
    assert isinstance(world.model.net_load, ServedNetLoad)
    served = dataclasses.replace(world.model, net_load=with_trees(world.model.net_load)) if with_model else None
    steady, restarted = Run(world.zone, served), Run(world.zone, served)
    expected = steady.feed(everything)
    got: list[Output] = []
    cuts = [0, 3, 900, 1500, len(everything) - 80, len(everything) - 29, len(everything)]
    for begin, stop in pairwise(cuts):
        got += restarted.feed(everything[begin:stop])
        restarted.restart()
    assert [(o.topic, encode(o.message)) for o in got] == [(o.topic, encode(o.message)) for o in expected]
    assert restarted.store == steady.store


def test_a_missing_slot_is_forecast_from_the_last_known_one(world: World) -> None:
    gappy = world.frame.copy()
    gappy.iloc[-10:-7, 0] = np.nan
    gappy.iloc[-7:, 0] = np.nan
    made = forecasts(Run(world.zone, world.model).feed([world.promotion, *world.messages(gappy)]))[-10:]
    assert [f.net_load.source if f.net_load else None for f in made] == ["seasonal"] * 6 + [None] * 4
    assert made[0].reason == "net load of the closed slot is missing"
    assert made[-1].reason == "no net load of the last six hours is known"
    assert made[-1].price is not None


def test_without_history_it_says_so_and_is_wide(world: World) -> None:
    first = forecasts(Run(world.zone, world.model).feed([world.promotion, *world.messages(world.frame.iloc[-30:])]))[0]
    assert first.net_load is not None
    assert (first.net_load.source, first.reason) == ("persistence", "too little history for the model")


def test_padding_of_a_publication_erases_nothing_that_was_published_before(world: World) -> None:
    plain = world.messages()
    padded: list[Message] = []
    for message in plain:
        padded.append(message)
        if isinstance(message, Publication):
            nothing: dict[str, list[float | None]] = {name: [None] * len(v) for name, v in message.series.items()}
            padded.append(msgspec.structs.replace(message, series=nothing))
    assert len(padded) > len(plain)
    runs = [Run(world.zone, world.model).feed([world.promotion, *sent]) for sent in (padded, plain)]
    assert [encode(f) for f in forecasts(runs[0])] == [encode(f) for f in forecasts(runs[1])]


def test_a_publication_counts_from_its_time_on(world: World) -> None:
    everything = world.messages()
    order: list[Message] = [
        *[m for m in everything if isinstance(m, Publication)],
        *[m for m in everything if isinstance(m, SlotClosed)],
    ]
    on_time = forecasts(Run(world.zone, world.model).feed([world.promotion, *everything]))
    sent_early = forecasts(Run(world.zone, world.model).feed([world.promotion, *order]))
    assert [encode(f) for f in sent_early] == [encode(f) for f in on_time]


def test_a_correction_goes_into_the_ring_and_on_to_the_plant(world: World) -> None:
    run = Run(world.zone)
    run.feed(world.messages()[-40:])
    slot = world.frame.index[-5].to_pydatetime()
    late = Correction(
        zone=world.zone.zone, slot=slot, step_min=60, values={"load_mw": 1.0}, net_load_mw=2.0, revision=1
    )
    assert run.feed([late]) == [Output("forecasts", late)]
    index = world.zone.step.index(slot)
    assert (run.state.ring.get("load_mw", index), run.state.ring.get("net_load_mw", index)) == (1.0, 2.0)


def test_end_is_forwarded_under_its_own_name_to_every_topic(world: World) -> None:
    run = Run(world.zone)
    run.feed(world.messages()[-40:])
    outputs = run.feed([End(zone=world.zone.zone, producer="telemetry", last_slot=LIVE)])
    ends = [o for o in outputs if isinstance(o.message, End)]
    assert {o.topic for o in ends} == {"forecasts", "skill", "alerts"}
    assert {o.message.producer for o in ends} == {"forecast"}


def test_a_model_that_cannot_be_served_is_an_alert_and_the_fallback_speaks(world: World) -> None:
    outputs = Run(world.zone).feed([world.promotion, *world.messages()[-40:]])
    alerts = [o.message for o in outputs if isinstance(o.message, Alert)]
    assert [(a.severity, a.topic) for a in alerts] == [("critical", "model")]
    assert forecasts(outputs)[-1].reason == "the model in force cannot be loaded"


def test_a_meter_that_changes_its_unit_is_an_alert_at_its_first_sample(world: World) -> None:
    broken = world.frame.copy()
    at = pd.Timestamp(LIVE) + pd.Timedelta(hours=30)
    broken.loc[at:, "load_mw"] *= 1000
    run = Run(world.zone, world.model)
    outputs = run.feed([world.promotion, *world.messages(broken.loc[: at + pd.Timedelta(hours=1)])])
    first, *_ = (o.message for o in outputs if isinstance(o.message, Alert) and o.message.topic == "drift")
    assert (first.slot, first.severity) == (at, "critical")
    assert first.code == "jump"


def test_a_promotion_acts_from_the_next_slot_and_a_repeat_changes_nothing(world: World) -> None:
    everything = world.messages()
    run = Run(world.zone, world.model)
    before = forecasts(run.feed(everything[:-24]))[-1]
    after = forecasts(run.feed([world.promotion, world.promotion, *everything[-24:]]))
    assert before.net_load is not None
    assert before.net_load.source == "seasonal"
    assert {f.net_load.source for f in after if f.net_load} == {"model"}


def test_other_steps_and_messages_are_refused(world: World) -> None:
    run = Run(world.zone)
    slot = next(m for m in world.messages() if isinstance(m, SlotClosed))
    for wrong in (msgspec.structs.replace(slot, step_min=30), Observation(zone=world.zone.zone, slot=LIVE, values={})):
        with pytest.raises(MessageError):
            run.feed([wrong])


def test_a_target_can_be_left_out(world: World) -> None:
    reducer = ForecastReducer(world.zone, load_model=no_model, targets=frozenset({Target.PRICE}))
    state = reducer.initial(world.zone.zone)
    made: list[Output] = []
    for message in world.messages()[-30:]:
        state, new = reducer.step(state, message, ORIGIN)
        made += new
    assert {f.net_load for f in forecasts(made)} == {None}


@pytest.mark.parametrize("step_min", [5, 30])
def test_a_fallback_speaks_at_every_step(step_min: int) -> None:
    zone = make_zone(step_min)
    frame = make_frame(3, step_min=step_min, published=False)
    live = frame.index[-20].to_pydatetime()
    made = forecasts(Run(zone).feed(telemetry(with_net_load(frame, zone), zone, live)))
    assert len(made) == 20
    assert made[0].horizon_min == list(horizons_min(step_min))


def test_a_zone_without_a_past_says_so_until_enough_lags_are_there(world: World) -> None:
    made = forecasts(Run(world.zone).feed(world.messages(world.frame.iloc[-30:])))
    reference = [forecast.lags["net_load"].known for forecast in made]
    assert reference[:5] == [1, 2, 3, 4, 5]
    assert [forecast.withheld("net_load") is None for forecast in made][:6] == [False] * 4 + [True] * 2
    assert made[0].withheld("net_load") == "not ready: 1 of 15 lags are known, 0 imputed"
    assert not forecasts(Run(world.zone).feed([world.promotion, *world.messages()]))[-1].lags


def test_after_a_restart_the_lags_of_the_changelog_are_counted_and_messages_stay_the_same(world: World) -> None:
    run = Run(world.zone)
    everything = world.messages()
    run.feed(everything[:-6])
    run.restart()
    assert run.reducer.proof(run.state)["net_load"].restored == 15
    made = forecasts(run.feed(everything[-6:]))
    proof = run.reducer.proof(run.state)["net_load"]
    assert (proof.asked, proof.known, proof.imputed, proof.ready) == (15, 15, 0, True)
    slots = len(made)
    assert proof.restored == 15 - slots
    assert not made[-1].lags
