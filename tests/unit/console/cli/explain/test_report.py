"""`vpp report` writes files and answers with their names and the figures."""

import json
from pathlib import Path

import pytest

from console.cli.main import main
from tests.worlds.page_plant import page_loop


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("plant")
    page_loop(folder, slots=60).store.close()
    return folder


def test_the_last_complete_day_is_written_into_the_data_folder(
    data_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", "--json", "--data-dir", str(data_dir)]) == 0
    answer = json.loads(capsys.readouterr().out)
    (zone,) = answer["zones"]
    assert (zone["zone"], zone["period"], zone["complete"], zone["slots"]) == ("Z", "2022-01-03", True, 48)
    assert answer["files"][0] == str(data_dir / "reports" / "default" / "report-2022-01-03.html")
    assert all(Path(name).exists() for name in answer["files"])


def test_people_get_a_line_and_the_files(data_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "r.html"
    assert main(["report", "--week", "--out", str(page), "--data-dir", str(data_dir)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("Z 2022-W01 so far: ")
    assert lines[0].endswith("against no action")
    assert page.exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--day", "--week"], "not both"),
        (["--on", "yesterday"], "'yesterday' is not a date"),
        (["--on", "2030-01-01"], "no slots of 2030-01-01 yet"),
        (["--zone", "Q"], "no zone 'Q'"),
        (["--watch", "--on", "2022-01-01"], "--watch writes every finished period"),
    ],
)
def test_a_wrong_option_is_one_line(
    arguments: list[str], words: str, data_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", *arguments, "--data-dir", str(data_dir)]) != 0
    assert words in capsys.readouterr().err
