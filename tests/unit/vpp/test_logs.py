"""A log line is one line: what a device or a record says in it can neither begin another nor command a terminal.

A JSON line names the record that it is about.
"""

import json
import logging
from pathlib import Path
from typing import Literal

import pytest

from tests.worlds.builders import T0
from vpp.logs import JsonFormatter, log_about, set_up_logging
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


def line_of(text: str) -> dict[str, object]:
    record = logging.LogRecord("here", logging.WARNING, __file__, 1, text, None, None)
    return dict(json.loads(JsonFormatter().format(record)))


def test_a_line_says_which_record_it_is_about() -> None:
    log_about({"trace_id": "abc", "zone": "Z", "slot": T0, "partition": 3, "offset": 7, "topic": None})
    try:
        line = line_of('a "quoted"\nline')
    finally:
        log_about({})
    assert line["message"] == 'a "quoted"\nline'
    assert {name: line[name] for name in ("trace_id", "zone", "slot", "partition", "offset")} == {
        "trace_id": "abc",
        "zone": "Z",
        "slot": "2022-01-03T00:00:00Z",
        "partition": 3,
        "offset": 7,
    }
    assert "topic" not in line


def test_a_line_about_no_record_names_none() -> None:
    assert set(line_of("started")) == {"at", "level", "logger", "message"}
