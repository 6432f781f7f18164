"""`vpp replay` and `vpp simulate`: what they ask of a source, and how they refuse."""

from __future__ import annotations

from pathlib import Path

import pytest

from console.cli import sources
from console.cli.main import main
from console.cli.options import parse_days, parse_speed
from topologies.sources.options import SourceOptions
from vpp.errors import ConfigError


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[SourceOptions]:
    monkeypatch.chdir(tmp_path)
    seen: list[SourceOptions] = []
    monkeypatch.setattr(sources, "_send", lambda options, *_args, **_more: seen.append(options))
    return seen


def test_replay_takes_a_file_zones_range_and_pace(asked: list[SourceOptions]) -> None:
    line = ["replay", "x.csv", "--zone", "GB", "--zone", "FR", "--from", "2022-01-01", "--to", "2022-02-01"]
    assert main([*line, "--speed", "max", "--refit", "7d"]) == 0
    (options,) = asked
    assert (options.kind, options.path, options.zones) == ("replay", Path("x.csv"), ("GB", "FR"))
    assert options.start is not None
    assert (options.speed, options.refit_days, options.start.isoformat()) == (
        float("inf"),
        7.0,
        "2022-01-01T00:00:00+00:00",
    )


def test_simulate_takes_a_seed_and_faults(asked: list[SourceOptions]) -> None:
    assert main(["simulate", "--seed", "4", "--faults", "0.1", "--pulse", "0.5", "--step", "5", "--now"]) == 0
    (options,) = asked
    assert (options.kind, options.seed, options.faults, options.pulse_s) == ("simulate", 4, 0.1, 0.5)
    assert (options.step_min, options.live) == (5, True)


def test_a_missing_file_and_a_missing_broker_say_the_next_step(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("VPP_KAFKA__BOOTSTRAP_SERVERS", raising=False)
    assert main(["replay", "none.csv"]) != 0
    assert main(["simulate", "--to", "2025-06-03"]) != 0
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("next:") == 2


def test_speeds_and_days_are_checked() -> None:
    assert (parse_speed(None), parse_speed("max"), parse_speed("60")) == (None, float("inf"), 60.0)
    assert (parse_days(None), parse_days("none"), parse_days("7d"), parse_days("0.5")) == (None, None, 7.0, 0.5)
    for wrong in ("0", "-1", "fast", "nan"):
        with pytest.raises(ConfigError):
            parse_speed(wrong)
        with pytest.raises(ConfigError):
            parse_days(wrong)
