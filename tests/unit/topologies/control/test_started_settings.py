"""Each setting that differs from the start of a run is named; options and other processes' settings are not."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from topologies.control.started_settings import changed_settings, note_started, started_settings
from topologies.control.zone_reload import read_changes
from vpp.errors import RefusedError
from vpp.fleet.in_force import fleet_path
from vpp.settings import Settings, env_name, keys, load_settings

KEY, OTHER_KEY = "k" * 32, "q" * 32
CHANGES = {
    "live.pulse_s": ("5.0", "2.5"),
    "forecast.skill_window": ("336", "99"),
    "log_level": ("INFO", "DEBUG"),
    "kafka.partitions": ("4", "8"),
    "longest_order_h": ("48.0", "24.0"),
    "one_person": ("False", "True"),
    "mcp.budget_mw": ("0.0", "3.5"),
    "devices": ("not set", "list.yaml"),
}


def start(folder: Path) -> None:
    own = load_settings({"data_dir": folder})
    note_started(own, started_settings(own, {"data_dir": folder}))


def changes(folder: Path) -> list[str]:
    return changed_settings(load_settings({"data_dir": folder}), {"data_dir": folder})


@settings(max_examples=25)
@given(names=st.sets(st.sampled_from(sorted(CHANGES))))
def test_every_changed_setting_is_named_with_both_values(
    names: set[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("run")
    start(folder)
    with pytest.MonkeyPatch.context() as patch:
        for name in names:
            patch.setenv(env_name(name), CHANGES[name][1])
        assert set(changes(folder)) == {f"{name}: {CHANGES[name][0]} -> {CHANGES[name][1]}" for name in names}


def test_a_setting_of_vpp_toml_counts_like_one_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    start(tmp_path)
    (tmp_path / "vpp.toml").write_text("[live]\npulse_s = 1.0\n", encoding="utf-8")
    assert changes(tmp_path) == ["live.pulse_s: 5.0 -> 1.0"]


def test_another_secret_is_named_and_shown_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VPP_APPROVAL_KEY", KEY)
    start(tmp_path)
    assert changes(tmp_path) == []
    monkeypatch.setenv("VPP_APPROVAL_KEY", OTHER_KEY)
    (line,) = changes(tmp_path)
    noted = fleet_path(Settings(data_dir=tmp_path)).with_name("settings.json").read_text(encoding="utf-8")
    assert line.startswith("approval_key: ")
    assert not any(key in text for key in (KEY, OTHER_KEY) for text in (line, noted))
    monkeypatch.delenv("VPP_APPROVAL_KEY")
    assert changes(tmp_path)[0].endswith("-> not set")


def test_options_of_a_command_are_no_changes(tmp_path: Path) -> None:
    overrides = {"data_dir": tmp_path, "log_level": "DEBUG", "store": {"kind": "influx"}}
    own = load_settings(overrides)
    note_started(own, started_settings(own, overrides))
    assert changes(tmp_path) == []
    start(tmp_path)
    assert changed_settings(own, overrides) == []


def test_only_settings_of_the_processes_of_a_run_count(tmp_path: Path) -> None:
    noted = set(started_settings(load_settings({"data_dir": tmp_path}), {}).values)
    others = {key for key in keys() if key.startswith(("agent.", "mcp."))} - {
        "mcp.budget_mw",
        "mcp.budget_mwh_per_day",
        "mcp.budget_cost_per_day",
    }
    assert noted == set(keys()) - others - {"data_dir", "fleet", "run"}


def test_a_reload_with_another_setting_is_refused_by_name_with_the_next_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start(tmp_path)
    monkeypatch.setenv("VPP_LIVE__PULSE_S", "2.5")
    with pytest.raises(RefusedError, match=r"not live: live\.pulse_s: 5\.0 -> 2\.5") as caught:
        read_changes(load_settings({"data_dir": tmp_path}))
    assert "restart the run" in str(caught.value.hint)


def test_workers_without_a_note_of_their_settings_are_not_compared(tmp_path: Path) -> None:
    assert changes(tmp_path) == []
