"""Every query of the dashboards, with Grafana's macros replaced, finds what the store wrote into a real InfluxDB."""

import re
from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
from influxdb_client.client.influxdb_client import InfluxDBClient
from pydantic import SecretStr

from deploy.grafana.build import BOARDS
from tests.service_fixtures import InfluxService
from vpp.settings import InfluxSettings
from vpp.store.influx import InfluxStore
from vpp.store.table import Row, Table
from vpp.store.tables import (
    ALERTS,
    ASSETS,
    BIDS,
    DECISIONS,
    DLQ,
    FORECASTS,
    LEDGER,
    SETPOINTS,
    SKILL,
    TELEMETRY,
    TRADES,
)

pytestmark = pytest.mark.services

START = datetime(2022, 1, 1, tzinfo=UTC)
STEP = timedelta(minutes=30)
SLOTS = [START + STEP * i for i in range(48)]
BAND = (-30.0, -20.0, -10.0, 0.0, 10.0, 20.0, 30.0)
ZONE = "GB"

DASHBOARDS = {name: board() for name, board in BOARDS.items()}
DASHBOARD = DASHBOARDS["plant"]
QUERIES = [
    pytest.param(target["query"], id=f"{name}-{panel['id']}-{panel['title']}-{target['refId']}")
    for name, dashboard in DASHBOARDS.items()
    for panel in dashboard["panels"]
    for target in panel.get("targets", ())
]
VARIABLES = {one["name"]: one["query"]["query"] for one in DASHBOARD["templating"]["list"]}


def seed() -> dict[Table, list[Row]]:
    """A day of one zone with a battery and a peaker: flat 100 MW, price 50, forecasts that are right."""
    rows: dict[Table, list[Row]] = {
        TELEMETRY: [
            (ZONE, t, 130.0, 20.0, 10.0, 100.0, 50.0, 50.0, '{"load_mw":"flat"}' if i == 5 else "{}", "{}", 0)
            for i, t in enumerate(SLOTS)
        ],
        FORECASTS: [
            (ZONE, t, horizon, target, *(level + d for d in BAND), level, *[None] * 7, "model", "m1")
            for t, horizon, (target, level) in product(SLOTS, (30, 60, 1440), (("net_load", 100.0), ("price", 50.0)))
        ],
        BIDS: [(ZONE, t, policy, "model", "m1", "", "{}") for t, policy in product(SLOTS, ("actor", "trader"))],
        DECISIONS: [
            (ZONE, t, t + STEP, f"d{i}", 0, "reflex:stale" if i == 7 else "lp", -5.0, "power limit of b1", "{}")
            for i, t in enumerate(SLOTS)
        ],
        ALERTS: [
            (ZONE, SLOTS[3], "a1", "warning", "drift", "net load drifts", "{}", "skill_lost", *[None] * 5),
            (
                ZONE,
                SLOTS[4],
                "a2",
                "critical",
                "guard",
                "wind stands still",
                "{}",
                "attack_frozen",
                "wind_mw",
                None,
                "not_used",
                SLOTS[9],
                "[]",
            ),
            (
                ZONE,
                SLOTS[6],
                "a3",
                "warning",
                "plant",
                "b1 rests",
                "{}",
                "asset_derated",
                None,
                "b1",
                "none",
                None,
                "[]",
            ),
        ],
        TRADES: [(ZONE, t, "b1", 0, "sell", 1.0, 50.0, 50.0, "GBP") for t in SLOTS],
        SKILL: [
            (ZONE, t, target, horizon, 100, 2.0, 8.0, 0.9, 0.92)
            for t, target, horizon in product(SLOTS, ("net_load", "price"), (30, 60, 1440))
        ],
        DLQ: [
            (ZONE, datetime.now(UTC), "telemetry.raw", 0, offset, reason, "not a number", "AAA=")
            for offset, reason in enumerate(("schema", "schema", "not_json"))
        ],
    }
    assets = [("b1", "battery", 2.0, 0.5), ("p1", "peaker", 1.0, None)]
    for t, (name, kind, power, soc) in product(SLOTS, assets):
        rows.setdefault(SETPOINTS, []).append((ZONE, t, name, power, "d0", "price", "[]", 0))
        rows.setdefault(ASSETS, []).append((ZONE, t, name, kind, power, power / 2, soc, power, "twin", True, None))
        rows.setdefault(LEDGER, []).append(
            (ZONE, t, name, 0, power / 2, 50.0, 25.0 * power, 1.0, 0, 0, 0, 0, 24.0, "GBP", 0.0, False)
        )
    rows[LEDGER] += [(ZONE, t, "zone", 0, None, None, None, 0, 0, 0, 3.0, 5.0, -3.0, "GBP", 0.0, False) for t in SLOTS]
    return rows


@pytest.fixture(scope="module")
def run(influx: InfluxService) -> str:
    name = f"grafana-{datetime.now(UTC):%H%M%S%f}"
    settings = InfluxSettings(
        url=influx.url, org=influx.org, bucket=influx.bucket, token=SecretStr(influx.token), timeout_s=30
    )
    with InfluxStore(settings, name) as store:
        store.write_all(seed())
    return name


def ask(influx: InfluxService, run: str, query: str) -> list[dict[str, object]]:
    """Rows of a query with macros and variables replaced as Grafana does, over the seeded day and the next."""
    replaced = {
        "v.defaultBucket": f'"{influx.bucket}"',
        "v.timeRangeStart": "2022-01-01T00:00:00Z",
        "v.timeRangeStop": "2022-01-03T00:00:00Z",
        "v.windowPeriod": "30m0s",
        "${zone}": ZONE,
        "${run}": run,
        "${horizon}": "60",
    }
    for macro, value in replaced.items():
        query = query.replace(macro, value)
    assert "${" not in query
    assert not re.search(r"\bv\.", query)
    with InfluxDBClient(influx.url, influx.token, org=influx.org, timeout=30_000) as client:
        tables = client.query_api().query(query)
    return [{k: v for k, v in r.values.items() if k not in {"result", "table"}} for t in tables for r in t.records]


def panel_query(title: str, at: int = 0) -> str:
    result = next(panel for panel in DASHBOARD["panels"] if panel["title"].startswith(title))
    query: str = result["targets"][at]["query"]
    return query


@pytest.mark.parametrize("query", QUERIES)
def test_a_panel_finds_rows(influx: InfluxService, run: str, query: str) -> None:
    rows = ask(influx, run, query)
    assert rows
    assert all(any(row.get(column) is not None for row in rows) for column in rows[0])


@pytest.mark.parametrize(("name", "values"), [("zone", {ZONE}), ("horizon", {"30", "60", "1440"})])
def test_a_variable_offers_what_is_there(influx: InfluxService, run: str, name: str, values: set[str]) -> None:
    assert values <= {row["_value"] for row in ask(influx, run, VARIABLES[name])}


def test_the_run_is_offered(influx: InfluxService, run: str) -> None:
    assert run in {row["_value"] for row in ask(influx, run, VARIABLES["run"])}


def test_horizons_are_sorted_as_numbers(influx: InfluxService, run: str) -> None:
    result = [str(row["_value"]) for row in ask(influx, run, VARIABLES["horizon"])]
    assert result == sorted(result, key=int)


def test_a_forecast_made_before_stands_at_the_slot_it_speaks_of(influx: InfluxService, run: str) -> None:
    rows = ask(influx, run, panel_query("Actual net load", 1))
    assert len(rows) == 48
    assert rows[0] == {"_time": START + 2 * STEP, "q05": 70.0, "q25": 90.0, "q50": 100.0, "q75": 110.0, "q95": 130.0}


def test_the_newest_forecast_reaches_its_last_horizon(influx: InfluxService, run: str) -> None:
    rows = ask(influx, run, panel_query("Newest price", 1))
    assert [row["_time"] for row in rows] == [SLOTS[-1] + timedelta(minutes=m) for m in (30, 60, 1440)]
    assert rows[0]["q50"] == 50.0


def test_a_slot_keeps_its_start_when_panels_down_sample(influx: InfluxService, run: str) -> None:
    rows = ask(influx, run, panel_query("Actual net load"))
    assert [row["_time"] for row in rows] == SLOTS
    assert {row["net_load_mw"] for row in rows} == {100.0}


def test_assets_are_columns(influx: InfluxService, run: str) -> None:
    assert ask(influx, run, panel_query("Delivered power"))[0] == {"_time": START, "b1": 2.0, "p1": 1.0}
    assert ask(influx, run, panel_query("State of charge"))[0] == {"_time": START, "b1": 0.5}


def test_money_adds_up(influx: InfluxService, run: str) -> None:
    assert ask(influx, run, panel_query("Profit in range")) == [{"pnl": 48 * (24.0 + 24.0 - 3.0)}]
    assert ask(influx, run, panel_query("Penalty avoided")) == [{"avoided": 48 * 2.0}]
    last = ask(influx, run, panel_query("Profit by asset"))[-1]
    assert {name: last[name] for name in ("b1", "p1", "zone")} == {"b1": 1152.0, "p1": 1152.0, "zone": -144.0}
    by_asset = {row["asset_id"]: row["revenue"] for row in ask(influx, run, panel_query("Ledger in range"))}
    assert by_asset == {"b1": 2400.0, "p1": 1200.0, "zone": None}


def test_skill_is_one_minus_the_ratio_to_persistence(influx: InfluxService, run: str) -> None:
    assert ask(influx, run, panel_query("Skill, next step")) == [{"skill": 0.75}]
    rows = ask(influx, run, panel_query("Net load by horizon"))
    assert [row["horizon_min"] for row in rows] == [30, 60, 1440]


def test_health_counts_reflexes_letters_and_steps(influx: InfluxService, run: str) -> None:
    assert ask(influx, run, panel_query("Reflexes")) == [{"n": 1}]
    letters = [(row["reason"], row["n"]) for row in ask(influx, run, panel_query("Dead letters"))]
    assert letters == [("schema", 2), ("not_json", 1)]
    behind = {row["step"]: row["behind_min"] for row in ask(influx, run, panel_query("Steps behind"))}
    assert behind == dict.fromkeys(
        ("telemetry", "forecasts", "bids", "decisions", "setpoints", "assets", "ledger"), 0.0
    )


def row_of(influx: InfluxService, run: str, board: str, title: str) -> list[dict[str, object]]:
    panel = next(panel for panel in DASHBOARDS[board]["panels"] if panel["title"].startswith(title))
    return ask(influx, run, panel["targets"][0]["query"])


def test_verdicts_of_the_guard_name_channel_effect_and_end(influx: InfluxService, run: str) -> None:
    (verdict,) = row_of(influx, run, "guard", "Verdicts")
    assert (verdict["code"], verdict["about"], verdict["effect"]) == ("attack_frozen", "wind_mw", "not_used")
    assert str(verdict["ended"]) != "lasts"
    assert row_of(influx, run, "guard", "Episodes in range") == [{"alerts": 1}]
    (flag,) = row_of(influx, run, "guard", "Slots with a flag")
    assert flag == {"_time": SLOTS[5], "quality": '{"load_mw":"flat"}'}


def test_engines_are_counted_by_name(influx: InfluxService, run: str) -> None:
    assert row_of(influx, run, "pipeline", "Engines in range") == [
        {"engine": "lp", "decisions": 47},
        {"engine": "reflex:stale", "decisions": 1},
    ]
    series = row_of(influx, run, "pipeline", "Decisions by engine")
    assert sum(int(str(row.get("lp") or 0)) for row in series) == 47


def test_trades_and_assets_add_up(influx: InfluxService, run: str) -> None:
    assert row_of(influx, run, "trading", "Revenue of trades") == [{"revenue": 2400.0}]
    assert row_of(influx, run, "trading", "Trades by asset") == [
        {"asset_id": "b1", "energy_mwh": 48.0, "revenue": 2400.0}
    ]
    assert row_of(influx, run, "assets", "Delivered less planned")[0] == {"_time": START, "b1": 0.0, "p1": 0.0}
    stopped = {row["asset_id"]: row["slots"] for row in row_of(influx, run, "assets", "Slots in which")}
    assert stopped == {"b1": 0, "p1": 0}


def test_forecasts_are_counted_by_source(influx: InfluxService, run: str) -> None:
    assert row_of(influx, run, "forecast", "Forecasts by source") == [
        {"target": target, "source": "model", "model_id": "m1", "forecasts": 48} for target in ("net_load", "price")
    ]
