"""`vpp alerts` lists what the store holds, in the order of slots."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from console.cli.alerts import parse_span
from console.cli.main import main
from tests.worlds.alerting.services import webhook
from vpp.errors import ConfigError
from vpp.settings import Settings
from vpp.store import open_store
from vpp.store.tables import ALERT_ACTS, ALERTS, NOTICES, TELEMETRY

T0 = datetime(2026, 3, 4, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def _plant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    rows = [
        (
            zone,
            T0 + timedelta(hours=h),
            f"{zone}-{h}",
            "warning",
            "quality",
            f"at {h} h",
            '{"n":1.0}',
            "flat",
            "load_mw",
            None,
            "none",
            T0 + timedelta(hours=h + 1) if h else None,
            "[]",
        )
        for zone in ("B", "A")
        for h in (0, 30, 60)
    ]
    slot = ("A", T0 + timedelta(hours=70), 1.0, 0.0, 0.0, 1.0, None, None, None, None, 0)
    with open_store(Settings(data_dir=tmp_path / ".vpp")) as store:
        store.write_all({ALERTS: rows, TELEMETRY: [slot]})


def listed(capsys: pytest.CaptureFixture[str], *options: str) -> list[str]:
    capsys.readouterr()
    assert main(["alerts", "list", "--json", *options]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert all(row["values"] == {"n": 1.0} for row in printed)
    return [row["alert_id"] for row in printed]


def test_alerts_are_listed_by_slot_zone_and_span(capsys: pytest.CaptureFixture[str]) -> None:
    assert listed(capsys) == ["A-0", "B-0", "A-30", "B-30", "A-60", "B-60"]
    assert listed(capsys, "--zone", "B") == ["B-0", "B-30", "B-60"]
    assert listed(capsys, "--since", "48h") == ["A-30", "B-30", "A-60", "B-60"]
    assert listed(capsys, "--since", "1d") == listed(capsys, "--since", "2026-03-06") == ["A-60", "B-60"]
    assert main(["alerts", "list"]) == 0
    assert "at 60 h" in capsys.readouterr().out
    assert main(["alerts", "list", "--since", "often"]) == 2


def test_an_act_needs_a_broker_and_an_alert_that_is_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["alerts", "ack", "A-0"]) == 3
    assert "no `vpp up` runs" in capsys.readouterr().err
    assert main(["alerts", "ack", "C-0"]) == 1
    assert "there is no alert 'C-0'" in capsys.readouterr().err
    assert main(["alerts", "silence", "A", "--code", "flatt", "-r", "meter swap"]) == 2
    assert "did you mean flat?" in capsys.readouterr().err
    assert main(["alerts", "silence", "A", "--for", "soon", "-r", "meter swap"]) == 2
    for command in (["silence", "AA"], ["maintenance", "AA", "--from", "2026-03-10"]):
        assert main(["alerts", *command, "-r", "meter swap"]) == 1
        assert "there is no zone 'AA'" in capsys.readouterr().err
    begin = f"{datetime.now(UTC) + HOUR:%Y-%m-%dT%H:%M}"
    assert main(["alerts", "maintenance", "A", "--from", begin, "--for", "31d", "-r", "works"]) == 4
    assert main(["alerts", "maintenance", "A", "--from", begin, "-r", "works"]) == 3
    capsys.readouterr()
    assert main(["alerts", "maintenance", "A", "--from", "2026-03-10T08:00", "-r", "works"]) == 4
    assert "which is in the past" in capsys.readouterr().err
    assert main(["alerts", "maintenance", "A", "--from", begin, "--for", "0", "-r", "works"]) == 4
    assert "vpp alerts silences" in capsys.readouterr().err
    assert main(["alerts", "silences"]) == 0


@pytest.mark.parametrize(
    ("text", "span"),
    [("30m", timedelta(minutes=30)), ("1.5h", timedelta(hours=1.5)), ("3d", timedelta(days=3)), ("0", timedelta(0))],
)
def test_spans_are_read(text: str, span: timedelta) -> None:
    assert parse_span(text) == span


@pytest.mark.parametrize("text", ["", "5", "2w", "-1h", "²h", "1e9d", "nand", "99999999999999h", "9" * 400 + "d"])
def test_a_span_that_cannot_be_is_an_error(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ConfigError, match="--for"):
        parse_span(text)
    assert main(["alerts", "list", f"--since={text}"]) == 2
    assert "next:" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:00-10:00"])
def test_a_time_beyond_the_calendar_is_an_error(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["alerts", "list", "--since", text]) == 2
    assert "not between 1900 and 2200" in capsys.readouterr().err


def test_who_has_taken_an_alert_on_stands_in_the_list(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    at = datetime.now(UTC)
    acts = [
        ("A", at, "k1", "acknowledge", "local:ann", "on it", "A-0", None, None, None, None, None),
        ("B", at, "k2", "silence", "local:bob", "meter swap", None, "flat", None, None, at + HOUR, None),
        ("B", at, "k3", "maintenance", "local:bob", "cable works", None, None, None, None, at + 2 * HOUR, at + HOUR),
    ]
    with open_store(Settings(data_dir=tmp_path / ".vpp")) as store:
        store.write_all({ALERT_ACTS: acts, NOTICES: [("A", at, "A-30", "desk", "raised", T0, "delivered", 1)]})
    assert main(["alerts", "list"]) == 0
    printed = capsys.readouterr().out
    assert "acknowledged by local:ann" in printed
    assert printed.count("silenced until") == 3
    assert "notified desk" in printed
    assert main(["alerts", "silences"]) == 0
    listed = capsys.readouterr().out
    assert "meter swap" in listed
    assert "cable works" in listed


def test_contacts_are_tested(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["alerts", "test"]) == 2
    with webhook(500) as hook:
        rules = tmp_path / "alerts.yaml"
        rules.write_text(f"contacts: {{desk: '{hook.url}'}}")
        monkeypatch.setenv("VPP_ALERT_RULES", str(rules))
        assert main(["alerts", "test"]) == 3
        assert main(["alerts", "test", "dosk"]) == 2
        assert "did you mean desk?" in capsys.readouterr().err
        assert main(["alerts", "test", "desk", "--json"]) == 0
        assert hook.titles() == ["[TEST] Virtual power plant"]
    assert json.loads(capsys.readouterr().out)[0] == {
        "contact": "desk",
        "service": "json://***",
        "delivered": True,
        "reason": None,
    }
