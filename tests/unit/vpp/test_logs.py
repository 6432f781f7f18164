"""A log line is one line: what a device or a record says in it can neither begin another nor command a terminal."""

import json
import logging
from pathlib import Path
from typing import Literal

import pytest

from vpp.logs import set_up_logging
from vpp.settings import Settings

EVIL = "soc\x1b[2J\x9b2J\r\n12:00:00 INFO    vpp all is well\u202e"


@pytest.fixture(autouse=True)
def _handlers() -> object:
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    yield
    root.handlers[:], root.level = before, level


def written(tmp_path: Path, form: Literal["text", "json"], capfd: pytest.CaptureFixture[str]) -> str:
    set_up_logging(Settings(data_dir=tmp_path, log_format=form))
    try:
        raise ValueError(EVIL)
    except ValueError:
        logging.getLogger("vpp.test").exception("reading %s failed", EVIL)
    return capfd.readouterr().err


def test_text(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    lines = written(tmp_path, "text", capfd).splitlines()
    assert lines[0].endswith(r"reading soc\x1b[2J\x9b2J\r\n12:00:00 INFO    vpp all is well\u202e failed")
    assert all(line.isprintable() for line in lines)
    assert not any(line.startswith("12:00:00 INFO") for line in lines)


def test_json(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (line,) = written(tmp_path, "json", capfd).splitlines()
    assert line.isprintable()
    assert EVIL in json.loads(line)["message"]
