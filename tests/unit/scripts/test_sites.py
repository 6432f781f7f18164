"""Sites side by side: a file in the unit and size of each site, and its row of the page."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from scripts.sites import COLUMNS, SITES, Site, Span, cells
from tests.worlds.builders import make_zone

GB = pd.DataFrame(
    {"load_mw": [30e3, 40e3], "solar_mw": [0.0, 8e3], "wind_mw": [5e3, np.nan], "price_per_mwh": [70.0, 90.0]},
    index=pd.date_range("2021-09-01", periods=2, freq="30min", tz="UTC"),
)


@pytest.mark.parametrize("site", SITES, ids=lambda site: site.name)
def test_a_sites_file_has_its_own_size_and_the_shape_of_the_country(site: Site) -> None:
    table = site.table(GB)
    for name, peak in (site.peak or {}).items():
        power = table[f"{name}_{site.unit}"]
        assert power.max() == pytest.approx(peak)
        assert power.iloc[0] / peak == pytest.approx(GB[f"{name}_mw"].iloc[0] / GB[f"{name}_mw"].max())
    assert list(table.filter(like="price").iloc[:, 0]) == [70.0, 90.0]


def test_a_row_shows_skill_coverage_and_balance_in_the_units_of_the_site() -> None:
    score = {"target": "net_load", "mae": 0.5, "mae_persistence": 1.0, "coverage_90": 0.91}
    done = {
        "slots": 336,
        "dead_letters": 0,
        "skill": [{**score, "horizon_min": minutes} for minutes in (30, 60, 360)],
        "energy_balance_error_mwh": 2e-9,
        "ledger": [{"pnl": 1.25, "currency": "GBP"}, {"pnl": -0.5, "currency": "GBP"}],
    }
    row = cells(SITES[0], make_zone(), done)
    shown = dict(zip(COLUMNS, row, strict=True))
    assert (shown["serves"], shown["assets"]) == ("100 MW", "battery, peaker, load")
    assert (shown["skill"], shown["90 % interval covers"]) == ("50.0% / 50.0%", "91% / 91%")
    assert (shown["balance"], shown["result"]) == ("0.002 Wh", "0.75 GBP")


def test_the_page_says_whether_a_model_was_trained() -> None:
    assert Span().text == "a model trained on 63 days, then 7 days of half hours"
