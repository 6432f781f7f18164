"""`vpp explain` and `vpp replay-decision` on a small plant's own decisions."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from console.cli.explain.why_not import first_powers
from console.cli.main import main
from tests.worlds.builders import BATTERY, ZONE, make_zone, order_of, slot_at
from tests.worlds.plant_loop import PLANT, Loop
from vpp.errors import ConfigError
from vpp.fleet.lookup import write_fleet


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    loop = Loop(tmp_path_factory.mktemp("plant"))
    loop.post("orders", order_of("hold", "h1", issued_at=slot_at(2), asset_ids=["gas"], reason="inspection"))
    loop.close_slot()
    loop.store.close()
    return loop.settings.data_dir


def asked(capsys: pytest.CaptureFixture[str], folder: Path, *arguments: str) -> dict[str, Any]:
    code = main([*arguments, "--data-dir", str(folder), "--json"])
    captured = capsys.readouterr()
    assert code == 0, captured.err + captured.out
    return dict(json.loads(captured.out))


def test_the_newest_decision_is_explained_in_words(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answer = asked(capsys, folder, "explain")
    story = "\n".join(answer["story"])
    assert answer["for_slot"] == "2022-01-03T01:30:00Z"
    assert "water value" in story
    assert "discharging pays above" in story
    assert "actor: bid after 01:00 from model m1" in story
    assert answer["model_id"] == "m1"
    assert "hold h1 by ops: inspection" in story
    assert {row["asset_id"] for row in answer["setpoints"]} == {"bat", "gas", "shed"}
    assert len({row["reason"].partition(":")[0] for row in answer["setpoints"]}) == 3


def test_a_binding_ramp_is_reported_with_its_hour_and_worth(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answer = asked(capsys, folder, "explain", f"{ZONE}@2022-01-03T00:30")
    assert answer["binding"]
    run = answer["binding"][0]
    line = next(line for line in answer["story"] if " binding " in line)
    assert run["kind"] in line
    assert f"worth {run['worth_per_mw']:.0f} per MW" in line
    assert run["start"][11:16] in line


def test_a_decision_is_found_by_id_time_and_as_the_newest(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    newest = asked(capsys, folder, "explain", "latest")
    assert asked(capsys, folder, "explain", newest["decision_id"]) == newest
    assert asked(capsys, folder, "explain", f"{ZONE}@latest") == newest
    assert asked(capsys, folder, "explain", f"{ZONE}@2022-01-03T01:59") == newest
    before = asked(capsys, folder, "explain", f"{ZONE}@2022-01-03T01:29:59+00:00")
    assert before["for_slot"] == "2022-01-03T01:00:00Z"
    assert main(["explain", "nope", "--data-dir", str(folder)]) == 1
    assert "decisions follow slots of Z from" in capsys.readouterr().err


def test_why_not_reports_the_difference_item_by_item(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answer = asked(capsys, folder, "explain", f"{ZONE}@2022-01-03T00:30", "--why-not", "charge 4 MW")
    result = answer["why_not"]
    assert result["asked_mw"] == {"bat": -4.0}
    assert result["power_mw"]["bat"] == pytest.approx(-4.0)
    assert result["extra_cost"] > 0.0
    assert result["extra_cost"] == pytest.approx(sum(result["items"].values()), abs=1e-9)
    planned = next(row["power_mw"] for row in answer["setpoints"] if row["asset_id"] == "bat")
    same = asked(capsys, folder, "explain", f"{ZONE}@2022-01-03T00:30", "--why-not", f"bat {planned} MW")
    assert same["why_not"]["extra_cost"] == pytest.approx(0.0, abs=0.05)
    assert main(["explain", f"{ZONE}@2022-01-03T00:30", "--why-not", "charge 4 MW", "--data-dir", str(folder)]) == 0
    assert "it would have cost" in capsys.readouterr().out


def test_every_decision_is_made_again_bit_for_bit(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with sqlite3.connect(folder / "store.sqlite") as database:
        ids = [row[0] for row in database.execute("select decision_id from decisions order by slot, revision")]
    assert len(ids) == 4
    for decision_id in ids:
        answer = asked(capsys, folder, "replay-decision", decision_id)
        assert answer["same"], answer["departures"]
        assert answer["gone"] == []
        assert "state of bat" in answer["checked"]


def test_a_changed_record_or_input_fails_and_says_where(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "store.sqlite").write_bytes((folder / "store.sqlite").read_bytes())
    write_fleet(other / "run" / "default" / "fleet.yaml", [PLANT])
    with sqlite3.connect(other / "store.sqlite") as database:
        database.execute("update decisions set body = replace(body, '\"blind_slots\":0', '\"blind_slots\":1')")
        database.execute("update assets set soc = 0.25 where asset_id = 'bat'")
    assert main(["replay-decision", "--data-dir", str(other), "--json"]) == 1
    printed = json.loads(capsys.readouterr().out)
    assert not printed["same"]
    assert [gap["where"] for gap in printed["inputs"]] == ["state of bat.soc"]
    assert any(gap["where"] == "decision_id" for gap in printed["departures"])
    assert main(["replay-decision", "--data-dir", str(other)]) == 1
    assert "comes out otherwise" in capsys.readouterr().out
    assert main(["replay-decision", "--all", "--data-dir", str(other)]) == 1
    assert "0 of 4 decisions made again" in capsys.readouterr().out


def test_all_decisions_are_made_again_at_once(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert asked(capsys, folder, "replay-decision", "--all") == {"decisions": 4, "same": 4, "failed": []}
    assert main(["replay-decision", "--all", "--data-dir", str(tmp_path)]) == 1
    assert "vpp up" in capsys.readouterr().err


def test_another_fleet_file_is_refused(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "store.sqlite").write_bytes((folder / "store.sqlite").read_bytes())
    write_fleet(tmp_path / "run" / "default" / "fleet.yaml", [make_zone(BATTERY)])
    assert main(["replay-decision", "--data-dir", str(tmp_path)]) == 4
    assert "--fleet" in capsys.readouterr().err
    write_fleet(tmp_path / "old.yaml", [PLANT])
    assert main(["replay-decision", "--data-dir", str(tmp_path), "--fleet", str(tmp_path / "old.yaml")]) == 0


def test_a_revision_is_reported_but_not_solved_again(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with sqlite3.connect(folder / "store.sqlite") as database:
        (held,) = database.execute("select decision_id from decisions where revision = 1").fetchone()
    answer = asked(capsys, folder, "explain", held)
    assert "hold by ops: inspection" in answer["story"][0]
    assert main(["explain", held, "--why-not", "rest", "--data-dir", str(folder)]) == 4


@pytest.mark.parametrize(
    ("wish", "powers"),
    [
        ("discharge 5 MW", {"bat": 5.0}),
        ("discharge 500kW", {"bat": 0.5}),
        ("bat charge 250 W", {"bat": -0.00025}),
        ("charge 3", {"bat": -3.0}),
        ("discharge", {"bat": 4.0}),
        ("5 MW", {"bat": 5.0}),
        ("-2.5MW", {"bat": -2.5}),
        ("rest", {"bat": 0.0}),
        ("bat hold", {"bat": 0.0}),
        ("gas 3 MW", {"gas": 3.0}),
        ("gas=3", {"gas": 3.0}),
        ("run at 7 MW", {"gas": 7.0}),
        ("stop", {"gas": 0.0}),
        ("shed: 2 MW", {"shed": 2.0}),
        ("Charge", {"bat": -4.0}),
    ],
)
def test_a_wish_is_read(wish: str, powers: dict[str, float]) -> None:
    assert first_powers(PLANT, wish) == powers


@pytest.mark.parametrize("wish", ["", "sell it all", "nope 3 MW", "charge -3 MW", "cut 3 MW", "bat"])
def test_what_is_no_wish_is_refused_with_an_example(wish: str) -> None:
    with pytest.raises(ConfigError) as refused:
        first_powers(PLANT, wish)
    assert refused.value.hint


def test_of_two_batteries_one_must_be_named() -> None:
    two = make_zone(BATTERY, BATTERY.model_copy(update={"asset_id": "second"}))
    with pytest.raises(ConfigError, match="which asset"):
        first_powers(two, "discharge 2 MW")
    assert first_powers(two, "rest") == {"bat": 0.0, "second": 0.0}


def test_captures_split_what_is_missing_of_perfect_foresight(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ledger", "--capture", "--data-dir", str(folder), "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    lost = sum(value for name, value in row.items() if name.startswith("lost_to_"))
    assert row["asset_id"] == "bat"
    assert lost == pytest.approx(row["perfect"] - row["value"], abs=1e-9)
    assert [day["slots"] for day in row["days"]] == [3]
    assert main(["ledger", "--by", "zone", "--data-dir", str(folder), "--json"]) == 0
    (total,) = json.loads(capsys.readouterr().out)
    assert row["zone_penalty_avoided"] == total["penalty_avoided"]
    assert main(["ledger", "--capture", "--data-dir", str(folder)]) == 0
    shown = capsys.readouterr()
    assert "lost_to_forecast" in shown.out
    assert "keeps the limits of its zone" in shown.err
