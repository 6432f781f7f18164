"""The backtest tool. It reports progress after each day and stops between days if the call is cancelled."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Literal

import anyio.to_thread
from fastmcp import Context, FastMCP
from fastmcp.exceptions import ResourceError
from pydantic import Field

from mcp_server.answers import reading
from mcp_server.queries.context import ReadContext
from mcp_server.queries.reports import Reports
from mcp_server.tools.reading import End, Start, Zone
from mcp_server.tools.registration import add_tool

LONG_S = 120.0


@dataclass(frozen=True, slots=True)
class Study:
    """The read context of backtests and the store of their reports."""

    context: ReadContext
    reports: Reports


async def run_backtest(
    study: Study,
    call: Context,
    policy: Literal["joint", "grid_only", "trade_only"] = "joint",
    zone: Zone = None,
    start: Start = None,
    end: End = None,
    hedge: Annotated[float | None, Field(ge=0, le=1)] = None,
    service_factor: Annotated[float | None, Field(ge=0, le=20)] = None,
) -> reading.BacktestDone:
    """Replay stored days (default 3, at most 700 slots) under a policy: value, score, breaches. Changes nothing."""
    from mcp_server.queries import backtest
    from topologies.backtests.deliveries import Deliveries
    from topologies.backtests.stored_days import plant_by_day

    case = await anyio.to_thread.run_sync(
        partial(backtest.open_case, study.context, policy, zone, start, end, hedge=hedge, service_factor=service_factor)
    )
    total = -(-case.days.slots // case.zone.step.per_day)
    remaining_days = plant_by_day(case.days, policy, case.zone)
    deliveries, day = Deliveries(case.zone), 0
    while (backtest_day := await anyio.to_thread.run_sync(next, remaining_days, None)) is not None:
        deliveries, day = backtest_day, day + 1
        await call.report_progress(min(day, total), total + 1, f"day {min(day, total)} of {total}")
    run_id = "b" + secrets.token_hex(4)
    return await anyio.to_thread.run_sync(backtest.finish, study.context, case, deliveries, run_id, study.reports)


TOOLS = ((run_backtest, "Run backtest"),)


def add_backtest_tools(server: FastMCP, context: ReadContext) -> dict[str, dict[str, Any]]:
    """Register the backtest and its reports; return the full schemas of the answers by tool."""
    study = Study(context, Reports())

    @server.resource("vpp://reports/{run_id}", name="report", title="Backtest report", mime_type="text/markdown")
    def report(run_id: str) -> str:
        """Report of a recent backtest as Markdown."""
        text = study.reports.texts.get(run_id)
        if text is None:
            raise ResourceError(
                f"there is no report {run_id!r}; the last {len(study.reports.texts)} backtests are kept"
            )
        return text

    return {function.__name__: add_tool(server, study, function, title, timeout_s=LONG_S) for function, title in TOOLS}
