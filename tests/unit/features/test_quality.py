"""The value gate: a bad value is missing with a flag, its record stays; observations and publications alike."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.intake import IntakeReducer
from features.quality import Checks, check_series, check_values
from features.quality_alerts import is_used
from vpp.domain import Step
from vpp.fleet.schema import Market, Zone, default_zone
from vpp.messages import AlertCode, AssetReading, Observation, Publication, SlotClosed, Values
from vpp.streams.reducer import Origin, Output

T0 = datetime(2024, 5, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
STEP = Step(60)


def zone(peak_mw: float = 900.0, **fields: Any) -> Zone:
    market = Market(price_floor_per_mwh=-600.0, price_cap_per_mwh=5000.0)
    return default_zone(
        "ZZ", step_min=60, region_mw=peak_mw, served_mw=peak_mw, ramp_mw=peak_mw / 50.0, market=market, **fields
    )


def run(messages: list[Any], of: Zone) -> list[Output]:
    reducer = IntakeReducer(of)
    state = reducer.initial("ZZ")
    out: list[Output] = []
    for n, message in enumerate(messages):
        state, outputs = reducer.step(state, message, Origin("telemetry.raw", 0, n))
        out += outputs
    return out


def observed(hour: int, values: Values, **more: Any) -> Observation:
    return Observation(zone="ZZ", slot=T0 + hour * HOUR, values=values, **more)


def after_a_day(peak_mw: float = 900.0) -> tuple[Zone, Checks]:
    of, checks = zone(peak_mw), Checks()
    for hour in range(30):
        share = 0.4 + 0.6 * (hour % 24) / 23
        check_values({"load_mw": share * peak_mw, "price_per_mwh": 40.0 + hour}, of, checks, STEP)
    return of, checks


@pytest.mark.parametrize("peak_mw", [0.008, 2.0, 40.0, 900.0, 45_000.0])
@pytest.mark.parametrize("times", [-20.0, 15.0, 1e3, 1e6])
def test_power_far_beyond_the_zones_scale_is_missing(peak_mw: float, times: float) -> None:
    of, checks = after_a_day(peak_mw)
    values, quality = check_values({"load_mw": times * peak_mw, "price_per_mwh": 50.0}, of, checks, STEP)
    assert values == {"load_mw": None, "price_per_mwh": 50.0}
    assert quality["load_mw"] in ("out_of_range", "missing_mark")


@pytest.mark.parametrize("mark", [-9999.0, 9999.0, -999.0, 65535.0, 32767.0, -32768.0, 99999.0, 4294967295.0])
@pytest.mark.parametrize("unit", [1.0, 1e-3, 1e-6])
def test_marks_of_missing_values_are_missing_in_any_unit(mark: float, unit: float) -> None:
    of, checks = after_a_day(900.0 * unit)
    values, quality = check_values({"load_mw": mark * unit}, of, checks, STEP)
    assert values == {"load_mw": None}
    assert quality == {"load_mw": "missing_mark"}


@pytest.mark.parametrize("price", [-599.99, -600.0, 999.0, 4999.0])
def test_a_price_between_floor_and_cap_is_no_mark(price: float) -> None:
    of, checks = after_a_day()
    assert check_values({"price_per_mwh": price}, of, checks, STEP) == ({"price_per_mwh": price}, {})


def test_a_price_near_the_floor_of_its_market_is_kept() -> None:
    market = Market(price_floor_per_mwh=-1000.0, price_cap_per_mwh=20_300.0)
    of = zone().model_copy(update={"market": market})
    for price in (-999.99, -999.0, 9999.0, 9999.99):
        assert check_values({"price_per_mwh": price}, of, Checks(), STEP) == ({"price_per_mwh": price}, {})


def test_a_value_within_what_was_seen_is_no_mark() -> None:
    of, checks = after_a_day(45_000.0)
    check_values({"load_mw": 9_998.0}, of, checks, STEP)
    for load in (18_000.0, 15_000.0, 12_000.0, 10_500.0, 9_900.0):
        check_values({"load_mw": load}, of, checks, STEP)
    assert check_values({"load_mw": 9999.0}, of, checks, STEP)[0] == {"load_mw": 9999.0}


@given(st.floats(0.01, 1.2), st.sampled_from([1e-4, 1e-2, 1.0, 1e3]))
def test_a_plausible_load_passes_at_any_scale(share: float, scale: float) -> None:
    of, checks = after_a_day(900.0 * scale)
    load = share * 900.0 * scale * 1.000123
    assert check_values({"load_mw": load}, of, checks, STEP) == ({"load_mw": load}, {})


def test_a_zone_that_grew_beyond_its_fleet_is_followed() -> None:
    of, checks = zone(1.0), Checks()
    taken = [check_values({"load_mw": 50.0 + h % 7}, of, checks, STEP)[0]["load_mw"] is not None for h in range(96)]
    assert not taken[0]
    assert all(taken[48:])


def test_one_bad_reading_does_not_widen_the_range() -> None:
    of, checks = after_a_day(900.0)
    check_values({"load_mw": 8.0e6}, of, checks, STEP)
    assert check_values({"load_mw": 12_000.0}, of, checks, STEP)[0] == {"load_mw": None}


@pytest.mark.parametrize(
    ("channel", "value"),
    [
        ("price_per_mwh", 15_000.0),
        ("price_per_mwh", -1_500.0),
        ("price_per_mwh", -9999.0),
        ("load_forecast_da_mw", -9999.0),
        ("solar_forecast_da_mw", 1e6),
        ("temperature_forecast_d1_c", -9999.0),
        ("FR:price_per_mwh", 9999.0),
    ],
)
def test_a_published_fault_is_missing_as_an_observed_one_and_counted(channel: str, value: float) -> None:
    of = zone()
    good = 20.0
    message = Publication(
        zone="ZZ", available_at=T0, first_slot=T0 + HOUR, step_min=60, series={channel: [good, value, good]}, sent_at=T0
    )
    out = run([message], of)
    (sent,) = [o.message for o in out if isinstance(o.message, Publication)]
    assert sent.series[channel] == [good, None, good]
    alerts = [o.message for o in out if o.topic == "alerts"]
    # No forecast reads a temperature: it raises no alert.
    assert [(alert.channel, alert.code, alert.values) for alert in alerts] == [
        (channel, AlertCode.PUBLISHED_IMPLAUSIBLE, {"values": 1.0})
    ] * is_used(of, channel)


def test_a_good_publication_goes_on_unchanged() -> None:
    of = zone()
    series: dict[str, list[float | None]] = {
        "price_per_mwh": [10.0, None, 4999.0, -600.0],
        "load_forecast_da_mw": [5.0] * 4,
    }
    assert check_series(series, of, Checks()) == (series, {})


def test_an_odd_column_does_not_cost_the_row() -> None:
    out = run([observed(h, {"load_mw": 40.0 + h, "meter_id": 2_045_000_123.0}) for h in range(48)], zone(90.0))
    closed = [o.message for o in out if isinstance(o.message, SlotClosed)]
    assert [slot.values["load_mw"] for slot in closed] == [40.0 + h for h in range(48)]
    assert {slot.quality["meter_id"] for slot in closed} == {"out_of_range"}


@pytest.mark.parametrize("soc", [1.79, -6.63, 655.35, 65535.0])
def test_a_glitch_of_a_battery_costs_only_its_reading(soc: float) -> None:
    reading = {"ZZ-battery-1": AssetReading(soc=soc, power_mw=1.5)}
    (out,) = [
        o.message for o in run([observed(0, {"load_mw": 40.0}, assets=reading)], zone(90.0)) if o.topic != "alerts"
    ]
    assert isinstance(out, SlotClosed)
    assert out.values["load_mw"] == 40.0
    assert out.assets == {"ZZ-battery-1": AssetReading(power_mw=1.5)}
    assert out.quality == {"asset:ZZ-battery-1:soc": "out_of_range"}


def test_a_tick_with_a_bad_value_is_left_out_of_the_mean() -> None:
    ticks = [
        Observation(zone="ZZ", slot=T0 + timedelta(minutes=m), values={"load_mw": v}, duration_s=600)
        for m, v in [(0, 40.0), (10, -9999.0), (20, 44.0), (60, 40.0)]
    ]
    closed = [o.message for o in run(ticks, zone(90.0)) if isinstance(o.message, SlotClosed)]
    assert closed[0].values["load_mw"] == 42.0


def test_a_slot_of_bad_ticks_alone_says_why_it_is_missing() -> None:
    ticks = [
        Observation(zone="ZZ", slot=T0 + timedelta(minutes=m), values={"load_mw": -9999.0}, duration_s=600)
        for m in (0, 10, 20, 60)
    ]
    closed = [o.message for o in run(ticks, zone(90.0)) if isinstance(o.message, SlotClosed)]
    assert closed[0].quality["load_mw"] == "missing_mark"
