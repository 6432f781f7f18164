"""The page of a report: one file, all sections, texts of others escaped."""

import re
from dataclasses import replace
from datetime import date

from console.report.page import report_page
from console.report.writing import read_reports
from mcp_server.queries.context import ReadContext


def test_the_page_has_every_section_and_no_outside_file(context: ReadContext) -> None:
    text = report_page(read_reports(context, "week", date(2022, 1, 5), None))
    heads = re.findall(r"<h3>(.*?)</h3>", text)
    assert heads == [
        "Money (GBP)",
        "Why the batteries fell short of perfect foresight",
        "What the plant did and why",
        "Forecast skill",
        "Alerts",
        "Orders",
        "Data quality",
    ]
    assert text.count("<svg") == 5
    assert not re.search(r"(?:src|href)=|url\(|@import", text)
    assert "The period is not over" in text


def test_slots_without_price_are_reported_beside_the_money(context: ReadContext) -> None:
    (one,) = read_reports(context, "day", date(2022, 1, 4), None)
    lacking = replace(one, quality=replace(one.quality, without_price=3))
    assert "3 of 48 slots had no price" in report_page([lacking])
    assert "had no price" not in report_page([one])


def test_texts_of_others_are_escaped(context: ReadContext) -> None:
    (one,) = read_reports(context, "day", date(2022, 1, 5), None)
    bad = "<script>alert(1)</script>"
    alerts = [dict(row, text=bad, channel=bad) for row in one.alerts]
    text = report_page([replace(one, zone=bad, alerts=alerts)])
    assert alerts
    assert "<script" not in text


def test_zones_of_one_currency_are_added_up(context: ReadContext) -> None:
    (one,) = read_reports(context, "day", date(2022, 1, 4), None)
    text = report_page([one, replace(one, zone="Y"), replace(one, zone="X", currency="EUR")])
    assert "All zones" in text
    assert "total GBP" in text
    assert "total EUR" not in text
