"""The files of a report: the page, CSV of its slots, actions and alerts beside it, and PDF through Chromium."""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from console.report.content import PeriodReport
from console.report.page import report_page
from vpp.domain import iso
from vpp.errors import ConfigError, VppError
from vpp.plain_text import csv_cell, plain_line

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
PDF_TIMEOUT_S = 60


def write_report(reports: Sequence[PeriodReport], out: Path) -> list[Path]:
    """Write the page to ``out`` and its CSV files beside it; return all paths, the page first.

    A PDF is written where ``out`` ends in ``.pdf``, through the page beside it.

    Raises:
        ConfigError: A PDF is wanted and there is no Chromium.
        VppError: Chromium did not write the PDF.
    """
    browser = chromium() if out.suffix.lower() == ".pdf" else None
    if out.suffix.lower() == ".pdf" and browser is None:
        raise ConfigError("a PDF needs Chromium", hint="install chromium, or give --out a name that ends in .html")
    out.parent.mkdir(parents=True, exist_ok=True)
    report_path = out.with_suffix(".html")
    report_path.write_text(report_page(reports), encoding="utf-8")
    paths = [report_path]
    if browser is not None:
        _print(browser, report_path, out)
        paths.insert(0, out)
    for name, rows in (("slots", _slots(reports)), ("actions", _actions(reports)), ("alerts", _alerts(reports))):
        path = out.with_name(f"{out.stem}-{name}.csv")
        with path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([[_cell(value) for value in row] for row in rows])
        paths.append(path)
    return paths


def chromium() -> str | None:
    """Return the path of a Chromium or Chrome on this machine, None if there is none."""
    return next((path for path in map(shutil.which, BROWSERS) if path is not None), None)


def _print(browser: str, page: Path, pdf: Path) -> None:
    with tempfile.TemporaryDirectory() as profile:
        command = [
            browser,
            "--headless",
            "--disable-gpu",
            "--no-pdf-header-footer",
            f"--user-data-dir={profile}",
            f"--print-to-pdf={pdf.resolve()}",
            page.resolve().as_uri(),
        ]
        if os.name == "posix" and os.geteuid() == 0:
            command.insert(1, "--no-sandbox")  # Chromium's sandbox refuses to start for root
        try:
            result = subprocess.run(command, capture_output=True, text=True, timeout=PDF_TIMEOUT_S, check=False)
        except subprocess.TimeoutExpired as error:
            raise VppError(
                f"Chromium did not print {page} within {PDF_TIMEOUT_S} s", hint="use the HTML page"
            ) from error
    if result.returncode != 0 or not pdf.exists():
        last = (result.stderr.strip().splitlines() or ["no message"])[-1]
        raise VppError(f"Chromium did not print {page}: {plain_line(last)}", hint="use the HTML page")


def _slots(reports: Sequence[PeriodReport]) -> Iterable[list[Any]]:
    assets = sorted({name for report in reports for name in report.series.power_mw})
    stores = sorted({name for report in reports for name in report.series.soc})
    yield [
        "zone",
        "slot",
        "net_load_mw",
        "net_load_forecast_mw",
        "price_per_mwh",
        "price_forecast_per_mwh",
        *(f"{name}_mw" for name in assets),
        *(f"{name}_soc" for name in stores),
        "pnl",
        "pnl_no_action",
        "currency",
    ]
    for report in reports:
        series = report.series
        for n, slot in enumerate(series.slots):
            yield [
                report.zone,
                slot,
                series.net_load_mw[n],
                series.forecast["net_load"]["q50"][n],
                series.price_per_mwh[n],
                series.forecast["price"]["q50"][n],
                *(series.power_mw[name][n] if name in series.power_mw else None for name in assets),
                *(series.soc[name][n] if name in series.soc else None for name in stores),
                series.pnl[n],
                series.no_action[n],
                report.currency,
            ]


def _actions(reports: Sequence[PeriodReport]) -> Iterable[list[Any]]:
    yield ["zone", "asset_id", "start", "end", "energy_mwh", "pnl", "currency", "reason"]
    for report in reports:
        for action in report.actions:
            yield [
                report.zone,
                action.asset_id,
                action.start,
                action.end,
                action.energy_mwh,
                action.pnl,
                report.currency,
                action.reason,
            ]


def _alerts(reports: Sequence[PeriodReport]) -> Iterable[list[Any]]:
    columns = ("slot", "ended_at", "severity", "code", "channel", "asset_id", "effect", "text")
    yield ["zone", *columns]
    for report in reports:
        for row in report.alerts:
            yield [report.zone, *(row[name] for name in columns)]


def _cell(value: Any) -> Any:
    if value is None or isinstance(value, int | float):
        return value
    return csv_cell(value) if isinstance(value, str) else iso(value)
