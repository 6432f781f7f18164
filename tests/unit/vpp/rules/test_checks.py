"""What clauses demand in numbers, held against plans."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from vpp.errors import ConfigError
from vpp.rules.checks import ClauseCheck, PlannedSteps, Quantity, excess, parse_checks

PLAN = PlannedSteps(
    zone="Z",
    starts=[datetime(2026, 1, 1, 21, tzinfo=UTC) + h * timedelta(hours=1) for h in range(4)],
    grid_mw=np.array([10.0, -25.0, -31.0, 4.0]),
    ramp_mw=np.array([np.nan, -35.0, -6.0, 35.0]),
    power_mw={"b1": np.array([5.0, -6.0, 0.0, 1.0]), "b2": np.array([0.0, -9.0, 8.0, 0.0])},
    soc={"b1": np.array([0.5, 0.1, 0.9, 0.5])},
)


@pytest.mark.parametrize(
    ("given", "beyond"),
    [
        ({"quantity": "export_mw", "most": 30}, [0, 0, 1, 0]),
        ({"quantity": "export_mw", "most": 20, "hours": ["22:00", "05:00"]}, [0, 5, 11, 0]),
        ({"quantity": "export_mw", "most": 20, "hours": ["05:00", "23:00"]}, [0, 5, 0, 0]),
        ({"quantity": "import_mw", "most": 4}, [6, 0, 0, 0]),
        ({"quantity": "ramp_mw", "most": 10}, [0, 25, 0, 25]),
        ({"quantity": "charge_mw", "most": 8}, [0, 1, 0, 0]),
        ({"quantity": "charge_mw", "most": 8, "assets": ["b1"]}, [0, 0, 0, 0]),
        ({"quantity": "discharge_mw", "most": 4}, [1, 0, 4, 0]),
        ({"quantity": "soc", "least": 0.2}, [0, 0.1, 0, 0]),
        ({"quantity": "soc", "most": 0.8}, [0, 0, 0.1, 0]),
        ({"quantity": "export_mw", "most": 1, "zones": ["Y"]}, [0, 0, 0, 0]),
    ],
)
def test_what_is_beyond_a_check_counts_and_what_is_unknown_does_not(given: dict[str, Any], beyond: list[float]) -> None:
    (check,) = parse_checks(str([{"clause": "2.1", **given}]), "checks.yaml")
    assert excess(check, PLAN).tolist() == pytest.approx(beyond)


def test_a_demand_reads_as_words() -> None:
    check = ClauseCheck(clause="2.1", quantity=Quantity.EXPORT_MW, most=20.0, hours=("22:00", "05:00"))
    assert check.demand == "export at most 20 MW from 22:00 to 05:00"
    assert ClauseCheck(clause="1", quantity=Quantity.SOC, least=0.2).demand == "state of charge at least 20.0 %"
    check = ClauseCheck(clause="1", quantity=Quantity.SOC, least=0.2, assets=["b1", "b2"], zones=["GB"])
    assert check.demand == "state of charge of b1, b2 in GB at least 20.0 %"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[{clause: '1', quantity: export_mw}]", "entry 1: give most or least"),
        ("[{clause: '1', quantity: export_mw, most: 1, least: 2}]", "entry 1: give most or least"),
        ("[{clause: '1', quantity: export_mw, most: 1, assets: [a]}]", "of the zone"),
        ("[{clause: '1', quantity: voltage, most: 1}]", "quantity"),
        ("[{clause: '1', quantity: soc, most: 1, unit: MW}]", "unit"),
        ("[{clause: '1', quantity: soc, most: 1, hours: ['25:00', '05:00']}]", "hours"),
        ("[{clause: 1, quantity: soc, most: 1}]", "clause"),
        ("[{clause: '1', quantity: soc, least: 20}]", "entry 1: 20 is no state of charge"),
        ("[{clause: '1', quantity: export_mw, most: .nan}]", "entry 1: nan is no limit"),
        ("[{clause: '1', quantity: export_mw, most: .inf}]", "entry 1: inf is no limit"),
        ("[{clause: '1', quantity: soc, most: 1, hours: ['05:00', '05:00']}]", "entry 1: hours end as they begin"),
        ("clause: 1", "checks.yaml"),
        ("[{", "is not YAML"),
    ],
)
def test_a_wrong_file_is_refused_with_its_place(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_checks(text, "checks.yaml")


def test_an_empty_file_demands_nothing() -> None:
    assert parse_checks("", "checks.yaml") == []
