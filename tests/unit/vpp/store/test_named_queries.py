"""Named questions, on tables small enough to work out by hand."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.worlds.store_rows import T0, asset, forecast, slot, telemetry
from vpp.settings import Settings
from vpp.store import Store, open_store
from vpp.store.named_queries import (
    LedgerErrors,
    energy_moved_mwh,
    forecast_scores,
    ledger_errors,
    ledger_totals,
    missing_ends,
)
from vpp.streams.topics import expected_ends


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(Settings(data_dir=tmp_path)) as store:
        yield store


def ledger(
    index: int, asset_id: str, energy: float | None, price: float | None, *, revision: int = 0, penalty: float = 0.0
):
    revenue = None if energy is None or price is None else energy * price
    pnl = (revenue or 0.0) - 1.0 - penalty
    return (
        *("GB", slot(index), asset_id, revision, energy, price, revenue),
        *(1.0, 0.0, 0.0, penalty, 2 * penalty, pnl, "GBP", 0.0, False),
    )


class TestForecastScores:
    def test_by_hand(self, store: Store) -> None:
        store.write("telemetry", [telemetry(i, load) for i, load in enumerate((100.0, 110.0, 130.0, None))])
        store.write(
            "forecasts",
            [
                forecast(0, 30, 115.0),  # actual 110: error +5, persistence -10, inside 85..145
                forecast(1, 30, 129.0),  # actual 130: error -1, persistence -20
                forecast(2, 30, 999.0),  # actual missing: not scored
                forecast(0, 60, 200.0),  # actual 130: error +70, outside 170..230
            ],
        )
        one, two = forecast_scores(store, "GB")
        assert (one.horizon_min, one.n, one.mae, one.mae_persistence, one.bias, one.coverage_90) == (30, 2, 3, 15, 2, 1)
        assert (two.horizon_min, two.n, two.mae, two.mae_persistence, two.coverage_90) == (60, 1, 70, 30, 0)
        assert (one.n_model, one.target) == (2, "net_load")

    def test_range_horizon_and_target(self, store: Store) -> None:
        store.write("telemetry", [telemetry(i, 100.0, 10.0 * i) for i in range(5)])
        store.write("forecasts", [forecast(i, h, 12.0, target="price") for i in range(3) for h in (30, 60)])
        (score,) = forecast_scores(store, "GB", target="price", start=slot(1), end=slot(2), horizons_min=[60])
        assert (score.n, score.mae, score.mae_persistence) == (1, 18.0, 20.0)

    def test_a_published_price_is_no_forecast(self, store: Store) -> None:
        store.write("telemetry", [telemetry(i, 100.0, 10.0 * i) for i in range(3)])
        published = forecast(0, 30, 10.0, target="price")
        flat = tuple(10.0 if 4 <= at < 11 else value for at, value in enumerate(published))
        store.write("forecasts", [flat, forecast(0, 60, 12.0, target="price")])
        assert [score.horizon_min for score in forecast_scores(store, "GB", target="price")] == [60]

    def test_nothing_to_score(self, store: Store) -> None:
        assert forecast_scores(store, "GB") == []


def test_energy_moved_counts_both_directions_of_the_last_day(store: Store) -> None:
    assert energy_moved_mwh(store) == {}
    store.write("assets", [asset(0, "B1", 99.0), asset(60, "B1", 4.0), asset(61, "B1", -4.0)])
    store.write("assets", [asset(61, "S1", 1.0, zone="FR")])
    assert energy_moved_mwh(store) == {"GB": 4.0, "FR": 0.5}


class TestLedger:
    def test_totals_count_corrections(self, store: Store) -> None:
        store.write(
            "ledger",
            [
                ledger(0, "B1", 5.0, 50.0),
                ledger(1, "B1", -4.0, 20.0),
                ledger(1, "B1", 0.5, 20.0, revision=1),
                ledger(0, "zone", None, None, penalty=7.0),
            ],
        )
        battery, zone = ledger_totals(store)
        assert (battery.asset_id, battery.slots, battery.charged_mwh, battery.discharged_mwh) == ("B1", 2, 4.0, 5.5)
        assert (battery.money["revenue"], battery.money["wear_cost"], battery.money["pnl"]) == (180.0, 3.0, 177.0)
        assert (zone.asset_id, zone.charged_mwh, zone.money["penalty"], zone.money["pnl"]) == ("zone", 0.0, 7.0, -8.0)
        assert zone.currency == "GBP"

    def test_a_right_ledger_has_no_errors(self, store: Store) -> None:
        store.write("assets", [asset(0, "B1", 10.0)])
        store.write("ledger", [ledger(0, "B1", 5.0, 50.0)])
        assert ledger_errors(store) == LedgerErrors(rows=1, energy_mwh=0.0, money=0.0, revenue=0.0)

    def test_wrong_energy_and_money_are_found(self, store: Store) -> None:
        store.write("assets", [asset(0, "B1", 10.0), asset(1, "B1", 4.0)])
        wrong = list(ledger(0, "B1", 5.25, 50.0))
        wrong[12] += 3.0
        store.write("ledger", [tuple(wrong)])
        result = ledger_errors(store)
        assert (result.energy_mwh, result.money, result.revenue) == (2.0, 3.0, 0.0)


def test_missing_ends(store: Store) -> None:
    pairs = sorted(expected_ends())
    store.write("ends", [("GB", T0, topic, producer, None) for topic, producer in pairs[1:]])
    assert missing_ends(store, ["GB"]) == [("GB", *pairs[0])]
    assert len(missing_ends(store, ["GB", "NSW1"])) == 1 + len(pairs)


def test_a_frame_has_numbers_and_times(store: Store) -> None:
    store.write("telemetry", [telemetry(0, None), telemetry(1, 2.0)])
    frame = store.read("telemetry", columns=["slot", "load_mw", "price_per_mwh", "zone"]).frame()
    assert [str(kind) for kind in frame.dtypes][1:3] == ["float64", "float64"]
    assert frame["load_mw"].isna().tolist() == [True, False]
    assert frame["slot"].tolist() == [slot(0), slot(1)]
    assert store.read("assets").frame().empty
