"""`vpp orders list`, `vpp orders show`: orders and their states."""

from __future__ import annotations

from typing import Any

from cyclopts import App

from console.cli.alerts import since_time
from console.cli.options import NO_OPTIONS, Common, Json, answer, out, pairs, table
from mcp_server.answers.orders import OrderLine
from mcp_server.queries.context import ReadContext
from mcp_server.queries.orders import list_orders
from vpp.domain import iso
from vpp.store import open_store

orders_app = App(name="orders", help="Orders and their lives: what was asked of the plant, and what became of it.")
MAX_ROWS = 200


@orders_app.command(name="list")
def orders_list(
    *,
    zone: str | None = None,
    open_only: bool = False,
    since: str | None = None,
    json: Json = False,
    common: Common = NO_OPTIONS,
) -> None:
    """List orders, the newest first, with their state and its reason.

    Args:
        zone: Only this zone.
        open_only: Only orders that have not ended.
        since: A time (UTC), or a span before the newest slot: 48h, 7d [8d].
    """
    settings = common.settings()
    with open_store(settings, read_only=True) as store:
        start = None if since is None else since_time(store, since)
        page = list_orders(ReadContext(settings, store), zone, is_open=open_only, since=start, limit=MAX_ROWS)
    answer([line.model_dump(mode="json") for line in page.orders], as_json=json, render=lambda _: _table(page.orders))


@orders_app.command(name="show")
def orders_show(order_id: str, *, json: Json = False, common: Common = NO_OPTIONS) -> None:
    """Show one order and every state of its life, with time (the run's clock) and reason.

    Args:
        order_id: Its id, as `vpp orders list` shows it.
    """
    settings = common.settings()
    with open_store(settings, read_only=True) as store:
        (line,) = list_orders(ReadContext(settings, store), order_id=order_id).orders
    answer(line.model_dump(mode="json"), as_json=json, render=lambda _: _show(line))


def _table(lines: list[OrderLine]) -> None:
    if not lines:
        out.print("no orders")
        return
    columns = ("order_id", "zone", "order", "assets", "from", "to", "state", "why", "by", "lost")
    table(None, columns, [_cells(line) for line in lines])


def _cells(line: OrderLine) -> list[Any]:
    return [
        line.order_id,
        line.zone,
        _asked(line),
        ", ".join(line.asset_ids) or "all",
        None if line.starts_at is None else iso(line.starts_at),
        None if line.expires_at is None else iso(line.expires_at),
        line.stage,
        line.stage_reason,
        line.principal,
        line.lost,
    ]


def _asked(line: OrderLine) -> str:
    return " ".join([line.action, *(f"{name}={value}" for name, value in line.asked.items())])


def _show(line: OrderLine) -> None:
    pairs(
        {
            **dict(zip(("order_id", "zone", "order", "assets", "from", "to"), _cells(line)[:6], strict=True)),
            "reason": line.reason,
            "by": line.principal,
            "approved_by": line.approved_by,
            "moved_mwh": line.moved_mwh,
            "lost": line.lost,
        }
    )
    table("life", ("at", "state", "why"), [(iso(step.at), step.stage, step.reason) for step in line.life])
