"""The files of a report: CSV that adds up and runs nothing, PDF where there is a Chromium."""

import csv
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from console.report import files
from console.report.writing import read_reports
from mcp_server.queries.context import ReadContext
from vpp.errors import ConfigError


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_csv_beside_the_page_hold_every_slot_and_action(context: ReadContext, tmp_path: Path) -> None:
    reports = read_reports(context, "day", date(2022, 1, 4), None)
    page, slots, actions, alerts = files.write_report(reports, tmp_path / "new" / "r.html")
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    rows = read(slots)
    assert len(rows) == 48
    assert sum(float(row["pnl"]) for row in rows) == pytest.approx(reports[0].pnl)
    assert {"zone", "slot", "net_load_mw", "bat_mw", "bat_soc"} <= set(rows[0])
    assert len(read(actions)) == len(reports[0].actions)
    assert alerts.name == "r-alerts.csv"


def test_a_text_of_others_is_no_formula(context: ReadContext, tmp_path: Path) -> None:
    (one,) = read_reports(context, "day", date(2022, 1, 5), None)
    alerts = [dict(row, text="=HYPERLINK(1)\x1b[2J") for row in one.alerts]
    paths = files.write_report([replace(one, alerts=alerts)], tmp_path / "r.html")
    assert {row["text"] for row in read(paths[-1])} == {"'=HYPERLINK(1)\\x1b[2J"}


def test_a_pdf_without_chromium_is_refused_before_anything_is_written(
    context: ReadContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    reports = read_reports(context, "day", date(2022, 1, 4), None)
    with pytest.raises(ConfigError, match="needs Chromium"):
        files.write_report(reports, tmp_path / "out" / "r.pdf")
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(files.chromium() is None, reason="no Chromium on this machine")
def test_a_pdf_is_printed_through_chromium(context: ReadContext, tmp_path: Path) -> None:
    reports = read_reports(context, "day", date(2022, 1, 4), None)
    pdf, page, *_ = files.write_report(reports, tmp_path / "r.pdf")
    assert pdf.read_bytes().startswith(b"%PDF")
    assert page.suffix == ".html"
