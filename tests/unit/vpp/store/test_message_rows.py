"""Rows that messages leave: what a forecast says of ramps stands beside the level of the same horizon."""

from tests.worlds.builders import T0, forecast_at
from vpp.domain import Target
from vpp.messages import Order, RampOutlook
from vpp.store.message_rows import rows_of
from vpp.store.tables import FORECASTS, ORDERS

STEPS = {
    "step_q10_mw": [-2.0 + i for i in range(48)],
    "step_mw": [1.0 + i for i in range(48)],
    "step_q90_mw": [4.0 + i for i in range(48)],
    "p_limit": [0.01 * i for i in range(48)],
}


def rows(ramps: RampOutlook | None) -> dict[tuple[str, int], dict[str, object]]:
    """Return the stored rows of a forecast by target and horizon."""
    made = rows_of(forecast_at(0, ramps=ramps), "vpp.forecasts", T0)
    named = [dict(zip(FORECASTS.names, row, strict=True)) for table, row in made if table is FORECASTS]
    return {(str(row["target"]), int(str(row["horizon_min"]))): row for row in named}


def test_ramps_stand_in_the_rows_of_net_load_alone() -> None:
    large = {"large_mw": [40.0 + i for i in range(48)], "p_rise": [0.2] * 48, "p_fall": [0.1] * 48}
    stored = rows(RampOutlook(alarm_level=0.4, limit_mw=30.0, **STEPS, **large))
    second = stored[Target.NET_LOAD.value, 60]
    assert (second["large_ramp_mw"], second["p_rise"], second["p_fall"]) == (41.0, 0.2, 0.1)
    assert (second["step_q10_mw"], second["step_mw"], second["step_q90_mw"], second["p_limit"]) == (
        -1.0,
        2.0,
        5.0,
        0.01,
    )
    assert {stored[Target.PRICE.value, 60][name] for name in ("p_rise", "step_mw", "p_limit")} == {None}


def test_large_ramps_are_empty_until_their_size_is_known() -> None:
    first = rows(RampOutlook(alarm_level=0.4, limit_mw=30.0, **STEPS))[Target.NET_LOAD.value, 30]
    assert (first["large_ramp_mw"], first["p_rise"], first["step_mw"]) == (None, None, 1.0)


def test_a_forecast_without_ramps_leaves_none() -> None:
    first = rows(None)[Target.NET_LOAD.value, 30]
    assert {first[name] for name in ("large_ramp_mw", "p_limit", "step_mw")} == {None}


def test_an_order_that_passed_raw_telemetry_leaves_no_row() -> None:
    forged = Order(
        zone="Z", order_id="o1", action="hold", principal="eve", reason="-", issued_at=T0, verdict="accepted"
    )
    assert [table for table, _ in rows_of(forged, "bids", T0)] == [ORDERS]
    assert [*rows_of(forged, "telemetry", T0)] == []
