"""What is over is written once."""

from dataclasses import replace
from pathlib import Path

import pytest

from console.report.writing import page_path, read_reports, write_finished
from mcp_server.queries.context import QuestionError, ReadContext
from vpp.errors import ConfigError
from vpp.store import open_store


def elsewhere(context: ReadContext, folder: Path) -> ReadContext:
    return replace(context, settings=context.settings.model_copy(update={"data_dir": folder}))


def test_every_finished_day_is_written_once(context: ReadContext, tmp_path: Path) -> None:
    there = elsewhere(context, tmp_path)
    names = [paths[0].name for paths in write_finished(there, "day")]
    assert names == ["report-2022-01-03.html", "report-2022-01-04.html"]
    assert write_finished(there, "day") == []
    page_path(there.settings, "2022-01-03").unlink()
    assert [paths[0].name for paths in write_finished(there, "day")] == ["report-2022-01-03.html"]


def test_no_week_is_over_yet(context: ReadContext, tmp_path: Path) -> None:
    assert write_finished(elsewhere(context, tmp_path), "week") == []


def test_an_unknown_zone_is_refused(context: ReadContext) -> None:
    with pytest.raises(QuestionError, match="no zone 'Q'"):
        read_reports(context, "day", None, ["Q"])


def test_nothing_closed_is_said(context: ReadContext, tmp_path: Path) -> None:
    settings = context.settings.model_copy(update={"data_dir": tmp_path})
    with open_store(settings) as store, pytest.raises(ConfigError, match="no slot is closed yet"):
        read_reports(ReadContext(settings, store), "day", None, None)
