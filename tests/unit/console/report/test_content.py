"""The figures of a report are those of the store."""

from datetime import UTC, date, datetime

import pytest

from console.report.content import PENALTIES, PeriodReport
from console.report.page import report_page
from console.report.writing import read_reports
from mcp_server.queries.context import ReadContext
from vpp.store.tables import ALERTS, ASSETS, LEDGER

DAY = date(2022, 1, 4)


@pytest.fixture(scope="module")
def day(context: ReadContext) -> PeriodReport:
    (report,) = read_reports(context, "day", DAY, None)
    return report


def test_money_is_the_sum_of_the_ledger(context: ReadContext, day: PeriodReport) -> None:
    rows = context.store.read(LEDGER, zone="Z", start=day.period.start, end=day.period.end).dicts()
    assert day.pnl == pytest.approx(sum(row["pnl"] for row in rows))
    assert day.no_action == pytest.approx(-sum(row["penalty_no_action"] or 0.0 for row in rows))
    assert sum(one.pnl for one in day.assets) == pytest.approx(day.pnl)
    assert day.assets[-1].asset_id == PENALTIES
    assert sum(day.series.pnl) == pytest.approx(day.pnl)


def test_losses_fill_the_gap_to_perfect_foresight(day: PeriodReport) -> None:
    (one,) = day.days
    assert one.perfect is not None
    assert one.captured is not None
    assert sum(day.losses.values()) == pytest.approx(one.perfect - one.captured)


def test_actions_hold_all_delivered_energy_with_reasons(context: ReadContext, day: PeriodReport) -> None:
    rows = context.store.read(ASSETS, zone="Z", start=day.period.start, end=day.period.end).dicts()
    delivered = sum(abs(row["energy_mwh"]) for row in rows)
    assert sum(abs(action.energy_mwh) for action in day.actions) == pytest.approx(delivered, rel=0.01)
    for action in day.actions:
        assert action.start < action.end
        assert action.reason.startswith(action.asset_id)


def test_a_week_has_a_line_for_each_day(context: ReadContext, day: PeriodReport) -> None:
    (week,) = read_reports(context, "week", DAY, None)
    assert [one.day for one in week.days] == [date(2022, 1, 3), DAY, date(2022, 1, 5)]
    assert week.days[1].pnl == pytest.approx(day.pnl)
    assert week.quality.slots == week.quality.expected == 120


def test_quality_counts_slots(day: PeriodReport) -> None:
    assert (day.quality.slots, day.quality.expected, day.quality.without_price) == (48, 48, 0)
    assert len(day.series.slots) == 48


def test_alerts_that_lasted_into_the_day_are_in_its_report(context: ReadContext) -> None:
    begin, what = datetime(2021, 12, 20, tzinfo=UTC), ("warning", "plant", "it differs", "{}", "soc_not_believed", None)
    ends = {"open": None, "into": datetime(2022, 1, 4, 9, tzinfo=UTC), "over": datetime(2022, 1, 2, tzinfo=UTC)}
    rows = [("Z", begin, name, *what, "bat", "none", end, "[]") for name, end in ends.items()]
    context.store.write(ALERTS, rows)
    (report,) = read_reports(context, "day", DAY, None)
    assert [row["alert_id"] for row in report.alerts if row["slot"] == begin] == ["into", "open"]
    assert "2021-12-20" in report_page([report])
