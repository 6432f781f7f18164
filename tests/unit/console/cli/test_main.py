"""The command line: exit codes, errors that name the next step, and what stands on which stream."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from console.cli.main import COMMANDS, load, main


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_there(name: str) -> None:
    assert load(COMMANDS[name][0]) is not None


def test_config_show_masks_secrets_and_says_where_values_come_from(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("VPP_INFLUX__TOKEN", "s3cret")
    (tmp_path / "vpp.toml").write_text("[kafka]\npartitions = 8\n")
    (tmp_path / ".env").write_text("VPP_LOG_LEVEL=WARNING\n")
    assert main(["config", "show", "--json", "--data-dir", "here"]) == 0
    text = capsys.readouterr().out
    assert "s3cret" not in text
    printed = {row["key"]: (row["value"], row["source"]) for row in json.loads(text)}
    assert printed["influx.token"] == ("**********", "environment")
    assert printed["kafka.partitions"] == ("8", "vpp.toml")
    assert printed["log_level"] == ("WARNING", ".env")
    assert printed["data_dir"] == (str(tmp_path / "here"), "command line")
    assert printed["store.kind"] == ("sqlite", "default")


def test_the_command_line_wins_over_the_environment(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VPP_RUN", "fromenv")
    main(["config", "show", "--json", "--run", "fromcli"])
    printed = {row["key"]: row["value"] for row in json.loads(capsys.readouterr().out)}
    assert printed["run"] == "fromcli"


@pytest.mark.parametrize(
    ("variable", "says"),
    [
        pytest.param("VPP_KAFKA__BOOTSTRAP_SERVER", "VPP_KAFKA__BOOTSTRAP_SERVERS", id="environment"),
        pytest.param("VPP_DATADIR", "VPP_DATA_DIR", id="top level"),
    ],
)
def test_an_unknown_setting_is_refused_with_the_nearest_valid_one(
    variable: str, says: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, "x")
    assert main(["config", "show"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert says in captured.err


def test_an_unknown_key_in_the_file_is_refused_too(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "vpp.toml").write_text("[kafka]\npartitons = 8\n")
    assert main(["config", "show"]) == 2
    assert "did you mean kafka.partitions" in capsys.readouterr().err


def test_usage_errors_exit_with_2_and_name_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "show", "--nonsense"]) == 2
    assert "vpp config --help" in capsys.readouterr().err


def test_a_broker_that_does_not_answer_exits_with_3(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["topics", "list", "--broker", "127.0.0.1:1"]) == 3
    assert "127.0.0.1:1 does not answer" in capsys.readouterr().err


def test_no_broker_at_all_names_vpp_up(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["topics", "tail", "bids"]) == 3
    assert "vpp up" in capsys.readouterr().err


def test_a_topic_schema_is_json_schema(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["topics", "schema", "vpp.bids"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert "ActorBid" in document["$defs"]


def test_reading_commands_work_before_anything_ran(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "workers": [],
        "page": None,
        "features": [],
        "models": [],
        "tables": [],
        "ended_run": None,
    }
    assert main(["ledger", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []
    assert main(["forecast", "GB"]) == 1
    assert "vpp up" in capsys.readouterr().err


def test_a_placeholder_secret_is_refused_in_production(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VPP_ENVIRONMENT", "production")
    assert main(["config", "show", "--store", "influx"]) == 2
    assert "VPP_INFLUX__TOKEN" in capsys.readouterr().err


def test_the_version_is_the_package_s(capsys: pytest.CaptureFixture[str]) -> None:
    project = tomllib.loads((Path(__file__).resolve().parents[4] / "pyproject.toml").read_text(encoding="utf-8"))
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.strip() == project["project"]["version"]
