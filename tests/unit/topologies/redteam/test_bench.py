"""The red-team bench in its short form: attacks on a made-up zone, through the guard and through the plant."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from tests import guard_world
from topologies.redteam.bench import RedTeam, RedTeamOptions, chosen, run_redteam
from topologies.redteam.detection import choose_starts
from topologies.redteam.losses import LossBench
from topologies.redteam.report import redteam_html, wilson, write_redteam_report
from topologies.sources.attacks import ATTACKS, Attack, forge, resolution
from vpp.domain import LOAD, PRICE
from vpp.errors import ConfigError, DataError
from vpp.fleet.assets import Battery
from vpp.fleet.schema import Zone

TOO_EARLY = datetime(1999, 1, 1, tzinfo=UTC)
WANTED = ("step 10 %", "freeze", "replay day", "load x 1.05 alone")
TRUTH = np.round(100.0 + 20.0 * np.sin(np.arange(24 * 30) / 4.0), 1)


@pytest.fixture(scope="module")
def done() -> RedTeam:
    begin = guard_world.after_training()
    options = RedTeamOptions(
        train_to=begin,
        test_from=begin + timedelta(days=1),
        test_to=begin + timedelta(days=guard_world.TEST_DAYS - 3),
        n=8,
        money_n=1,
        attacks=WANTED,
        reach_hours=(6,),
    )
    return run_redteam(guard_world.frame(), _zone(), options)


def _zone() -> Zone:
    battery = Battery(asset_id="TOWN-battery-1", energy_mwh=10.0, charge_mw=5.0, discharge_mw=5.0)
    return guard_world.zone().model_copy(update={"assets": (battery,)})


def test_the_figures_have_the_promised_form(done: RedTeam) -> None:
    assert set(done.figures) == {"zone", "test_from", "test_to", "false_episodes_per_week", "attacks"}
    for row in done.figures["attacks"]:
        assert list(row) == [
            "name",
            "size_pct",
            "n",
            "tpr",
            "first_sample_tpr",
            "median_min",
            "p90_min",
            "money_lost",
            "money_lost_unguarded",
        ]
    assert [row["name"] for row in done.figures["attacks"]] == [*(a.name for a in chosen(WANTED)), "adaptive"]


def test_gross_attacks_are_found_and_false_episodes_are_few(done: RedTeam) -> None:
    result = {row["name"]: row for row in done.figures["attacks"]}
    assert all(result[name]["tpr"] == 1.0 for name in WANTED)
    assert result["step 10 %"]["first_sample_tpr"] == 1.0
    assert result["load x 1.05 alone"]["median_min"] == guard_world.STEP_MIN
    assert done.figures["false_episodes_per_week"] <= 2.5
    assert result["adaptive"]["tpr"] < 0.5


def test_money_went_through_the_plant(done: RedTeam) -> None:
    row = next(row for row in done.figures["attacks"] if row["name"] == "step 10 %")
    assert np.isfinite([row["money_lost"], row["money_lost_unguarded"]]).all()
    assert set(done.details["clean_cost"]) == {"mae_one_step_pct", "mae_mean_pct"}


def test_the_report_has_no_outside_files(done: RedTeam, tmp_path: Path) -> None:
    numbers, shown, _ = write_redteam_report(tmp_path, done, "vpp redteam")
    assert msgspec.json.decode(numbers.read_bytes()) == done.figures
    html = shown.read_text(encoding="utf-8")
    assert "step 10 %" in html
    assert "http" not in html


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_every_attack_is_seeded_and_rounded_as_the_meter_rounds(attack: Attack) -> None:
    first, second = (forge(attack, TRUTH, 400, 6, 24, 1.0, np.random.default_rng(3)) for _ in range(2))
    assert np.array_equal(first, second)
    assert np.array_equal(first, np.round(first, resolution(TRUTH)))
    assert not np.array_equal(first, TRUTH[400:406])


def ranges(**given: Any) -> RedTeamOptions:
    begin = guard_world.after_training()
    end = begin + timedelta(days=guard_world.TEST_DAYS - 3)
    fields = {"train_to": begin, "test_from": begin, "test_to": end, "money_n": 0, "attacks": ("freeze",)}
    return RedTeamOptions(**{**fields, **given})


def test_what_is_measured_before_money_is_handed_out_first(done: RedTeam, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(LossBench, "losses", interrupt)
    taken: list[RedTeam] = []
    options = ranges(n=2, money_n=1, reach_hours=())
    with pytest.raises(KeyboardInterrupt):
        run_redteam(guard_world.frame(), _zone(), options, take=taken.append)
    rows = [(row["name"], row["money_lost"], row["money_lost_unguarded"]) for row in taken[0].figures["attacks"]]
    assert rows == [("freeze", None, None), ("freeze + 0.2 %", None, None)]


def test_a_zone_without_prices_has_no_money_unless_asked_for() -> None:
    begin = guard_world.after_training()
    result = run_redteam(
        guard_world.frame(), _zone(), ranges(n=2, money_n=None, test_to=begin + timedelta(days=3), reach_hours=())
    )
    assert "have no price" in result.details["no_money"]
    assert {row["money_lost"] for row in result.figures["attacks"]} == {None}
    assert "have no price" in redteam_html(result)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"test_from": TOO_EARLY}, "ranges must follow each other"),
        ({"train_to": TOO_EARLY, "test_from": TOO_EARLY}, "the test begins"),
        ({"test_to": guard_world.after_training() + timedelta(hours=5)}, "holds no 6 hours"),
        ({"n": 0}, "nothing to inject"),
    ],
)
def test_a_range_that_cannot_be_attacked_is_named(given: dict[str, Any], words: str) -> None:
    with pytest.raises((ConfigError, DataError), match=words):
        run_redteam(guard_world.frame(), _zone(), ranges(**given))


def test_data_without_load_are_refused_by_name() -> None:
    prices = guard_world.frame()[[LOAD]].rename(columns={LOAD: PRICE})
    with pytest.raises(DataError, match="hold no load: price_per_mwh"):
        run_redteam(prices, _zone(), ranges())


def test_starts_avoid_gaps_and_are_no_more_than_the_test_has() -> None:
    values = np.ones((2, 400))
    values[1, 150:240] = np.nan
    starts = choose_starts(values, 100, 300, 10, 12, np.random.default_rng(0))
    assert len(starts) == 6
    assert all(np.isfinite(values[:, at - 1 : at + 12]).all() for at in starts)
    assert len(choose_starts(values, 100, 116, 10, 12, np.random.default_rng(0))) == 4
    assert choose_starts(values, 100, 110, 10, 12, np.random.default_rng(0)) == []


def test_an_unknown_attack_is_refused_with_the_kinds() -> None:
    with pytest.raises(ConfigError, match="unknown attack"):
        chosen(("bogus",))
    assert {attack.kind for attack in chosen(("freeze",))} == {"freeze"}


def test_the_interval_of_a_share_is_wilsons() -> None:
    assert wilson(0.0, 10)[0] == 0.0
    assert wilson(0.5, 100) == pytest.approx((0.4038, 0.5962), abs=1e-3)
