"""`vpp train` and `vpp models`: what is promoted, what is not, and what a user is told."""

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from console.cli.main import main
from console.cli.models.train import repeat
from tests.worlds.synthetic import make_frame, write_history
from vpp.errors import DataError


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("train")
    write_history(folder / "town.csv", "TOWN", make_frame(84, step_min=60, published=False)[["price_per_mwh"]])
    return folder


def vpp(place: Path, capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> Any:
    assert main([*arguments, "--data-dir", str(place / "data"), "--json"]) == code
    printed = capsys.readouterr()
    return (json.loads(printed.out) if code == 0 else None), printed.err


@pytest.mark.slow
def test_a_first_model_must_beat_the_fallback_and_a_second_the_first(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = ("--data", str(place / "town.csv"))
    ((first,), message) = vpp(place, capsys, "train", *data, "--until", "2021-03-12")
    assert first["in_force"] is True
    assert first["verdict"]["against"] == "fallback"
    assert first["verdict"]["targets"]["price"]["gain"] > 0
    assert "the next run starts with it" in message

    ((second,), message) = vpp(place, capsys, "train", *data, "--until", "2021-03-19")
    assert second["in_force"] is False
    assert second["verdict"]["against"] == first["model_id"]
    assert f"vpp models promote {second['model_id']}" in message

    rows, _ = vpp(place, capsys, "models", "list")
    assert [(row["model_id"], row["in_force"]) for row in rows] == [
        (first["model_id"], True),
        (second["model_id"], False),
    ]
    shown, _ = vpp(place, capsys, "models", "show", second["model_id"])
    assert shown["verdict"] == second["verdict"]
    promoted, message = vpp(place, capsys, "models", "promote", second["model_id"])
    assert promoted["in_force"] is True
    assert "the next run starts with it" in message
    back, _ = vpp(place, capsys, "models", "rollback", "TOWN")
    assert (back["model_id"], back["in_force"]) == (first["model_id"], True)
    _, message = vpp(place, capsys, "models", "rollback", "TOWN", code=1)
    assert "no earlier model" in message


def test_too_few_rows_are_an_error_with_the_next_step(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, message = vpp(place, capsys, "train", "--data", str(place / "town.csv"), "--until", "2021-01-03", code=1)
    assert "too few to train on" in message
    assert "at least four weeks" in message


def test_one_end_and_a_schedule_contradict(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, message = vpp(
        place, capsys, "train", "--data", str(place / "town.csv"), "--until", "2021-03-12", "--every", "7d", code=2
    )
    assert "--every" in message


def test_a_schedule_goes_on_after_a_round_that_failed_and_ends_on_a_signal(capsys: pytest.CaptureFixture[str]) -> None:
    rounds: list[int] = []

    def once() -> None:
        rounds.append(len(rounds))
        if len(rounds) == 1:
            raise DataError("the file is gone")
        signal.raise_signal(signal.SIGTERM)

    repeat(once, 1e-7)
    assert rounds == [0, 1]
    assert "the file is gone; the models in force stay" in capsys.readouterr().err
