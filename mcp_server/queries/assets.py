"""Queries for assets: list, limits, last delivery and plan."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec

from agents.assets.registry import type_of
from mcp_server.answers.reading import AssetDetail, AssetLine, AssetPage
from mcp_server.queries.context import NOTHING_YET, QuestionError, ReadContext, UnknownNameError
from vpp.errors import nearest_hint
from vpp.store.tables import ASSETS, LEDGER, SETPOINTS

STALE_SLOTS = 2


@dataclass(frozen=True, slots=True)
class FleetRows:
    """The newest rows of a zone's assets by asset id: delivery in ``slot``, and setpoints for ``next_slot``."""

    slot: datetime | None
    delivered: dict[str, dict[str, Any]]
    next_slot: datetime | None
    setpoints: dict[str, dict[str, Any]]

    def planned(self, asset_id: str) -> float | None:
        """Return the planned power (MW), None if there is no setpoint after the delivered slot."""
        row = self.setpoints.get(asset_id)
        is_ahead = self.slot is None or (self.next_slot is not None and self.next_slot > self.slot)
        return row["power_mw"] if row is not None and is_ahead else None


def fleet_rows(context: ReadContext, zone: str) -> FleetRows:
    """Read the newest asset and setpoint rows of a zone; the last revision replaces earlier ones."""
    delivered = context.store.latest(ASSETS, zone).dicts()
    setpoints: dict[str, dict[str, Any]] = {}
    for row in context.store.latest(SETPOINTS, zone).dicts():
        setpoint = setpoints.get(row["asset_id"])
        if setpoint is None or row["revision"] > setpoint["revision"]:
            setpoints[row["asset_id"]] = row
    return FleetRows(
        slot=delivered[0]["slot"] if delivered else None,
        delivered={row["asset_id"]: row for row in delivered},
        next_slot=next((row["slot"] for row in setpoints.values()), None),
        setpoints=setpoints,
    )


def asset_lines(context: ReadContext, zone: str) -> list[AssetLine]:
    """Return the assets of a zone: first those of the fleet file in its order, then others of the store."""
    config = context.config(zone)
    configured = {} if config is None else {asset.asset_id: asset for asset in config.assets}
    rows = fleet_rows(context, zone)
    newest = context.newest().get(zone)
    stale_before = None if newest is None else newest - timedelta(minutes=STALE_SLOTS * context.step_min(zone))
    lines = []
    for asset_id in [*configured, *(name for name in sorted(rows.delivered) if name not in configured)]:
        asset, row = configured.get(asset_id), rows.delivered.get(asset_id, {})
        low, high = None, None
        if config is not None and asset is not None:
            low, high = type_of(asset).shown_limits_mw(config, asset)
        lines.append(
            AssetLine(
                asset_id=asset_id,
                zone=zone,
                kind=asset.kind if asset is not None else row["asset_kind"],
                state=_state(row, stale_before),
                power_mw=row.get("power_mw"),
                soc=row.get("soc"),
                min_mw=low,
                max_mw=high,
                energy_capacity_mwh=type_of(asset).energy_mwh(asset) if asset is not None else None,
                next_power_mw=rows.planned(asset_id),
            )
        )
    return lines


def list_assets(
    context: ReadContext, zone: str | None, kind: str | None, state: str | None, limit: int, cursor: str | None
) -> AssetPage:
    """Return one page of the assets, ordered by zone and by the fleet file.

    Args:
        context: Store, fleet and clock of the run.
        zone: Name of the zone; None: all.
        kind: Only this type of asset.
        state: Only assets in this state.
        limit: Maximum number of assets of a page.
        cursor: ``next_cursor`` of the previous page; None: the first page.

    Raises:
        QuestionError: Zone or cursor is unknown.
    """
    zones = context.zones() if zone is None else [chosen] if (chosen := context.choose(zone)) else []
    lines = [
        line
        for name in zones
        for line in asset_lines(context, name)
        if kind in (None, line.kind) and state in (None, line.state)
    ]
    first = _offset(cursor)
    page = lines[first : first + limit]
    more = first + limit < len(lines)
    return AssetPage(
        as_of=context.as_of(zone),
        assets=page,
        total=len(lines),
        truncated=more,
        next_cursor=_cursor(first + limit) if more else None,
        hint=None if page else _why_empty(zones, kind, state),
    )


def get_asset(context: ReadContext, asset_id: str) -> AssetDetail:
    """Return one asset: limits, last delivery, setpoint with its reason, energy and money of the last 24 h.

    Raises:
        QuestionError: The asset is unknown.
    """
    zone = _zone_of(context, asset_id)
    if zone is None:
        return AssetDetail(hint=NOTHING_YET)
    rows = fleet_rows(context, zone)
    row, setpoint = rows.delivered.get(asset_id, {}), rows.setpoints.get(asset_id, {})
    config = context.config(zone)
    asset = next((a for a in config.assets if a.asset_id == asset_id), None) if config else None
    since = None if rows.slot is None else rows.slot - timedelta(hours=24)
    energies = _floats(context, ASSETS, "energy_mwh", zone, asset_id, since)
    pnl = _floats(context, LEDGER, "pnl", zone, asset_id, since)
    return AssetDetail(
        as_of=context.as_of(zone),
        asset=next(line for line in asset_lines(context, zone) if line.asset_id == asset_id),
        limits={} if asset is None else asset.model_dump(exclude={"asset_id", "kind"}, exclude_none=True),
        slot=rows.slot if row else None,
        energy_mwh=row.get("energy_mwh"),
        source=row.get("source"),
        setpoint_slot=setpoint.get("slot"),
        setpoint_reason=setpoint.get("reason"),
        decision_id=setpoint.get("decision_id"),
        curve=msgspec.json.decode(setpoint["curve"]) if setpoint.get("curve") else [],
        discharged_mwh_24h=sum(e for e in energies if e > 0) if energies else None,
        charged_mwh_24h=-sum(e for e in energies if e < 0) if energies else None,
        pnl_24h=sum(pnl) if pnl else None,
        currency=context.currency(zone),
        hint=None if row else "the plant has not settled a slot with this asset yet",
    )


def asset_ids(context: ReadContext) -> list[str]:
    """Return the ids of all assets."""
    names = {row[0] for row in context.store.latest(ASSETS, columns=("asset_id",))}
    for zone in context.zones():
        config = context.config(zone)
        names |= {asset.asset_id for asset in config.assets} if config else set()
    return sorted(names)


def _zone_of(context: ReadContext, asset_id: str) -> str | None:
    for zone in context.zones():
        if any(line.asset_id == asset_id for line in asset_lines(context, zone)):
            return zone
    names = asset_ids(context)
    if names:
        raise UnknownNameError(f"there is no asset {asset_id!r}", hint=nearest_hint(asset_id, names))
    return None


def _floats(
    context: ReadContext, table: Any, column: str, zone: str, asset_id: str, since: datetime | None
) -> list[float]:
    if since is None:
        return []
    rows: Iterable[Any] = context.store.read(
        table, zone=zone, start=since + timedelta(seconds=1), filters={"asset_id": asset_id}, columns=(column,)
    )
    return [value for (value,) in rows if value is not None]


def _state(row: dict[str, Any], stale_before: datetime | None) -> str:
    if not row:
        return "unseen"
    if stale_before is not None and row["slot"] < stale_before:
        return "stale"
    return "online" if row["available"] is not False else "unavailable"


def _why_empty(zones: list[str], kind: str | None, state: str | None) -> str:
    if not zones:
        return NOTHING_YET
    conditions = " and ".join(f"{name} {value}" for name, value in (("kind", kind), ("state", state)) if value)
    return (
        f"no asset of {conditions} in {', '.join(zones[:20])}"
        if conditions
        else "no assets are configured; see fleet.yaml"
    )


def _cursor(offset: int) -> str:
    return base64.urlsafe_b64encode(f"a{offset}".encode()).decode()


def _offset(cursor: str | None) -> int:
    if cursor is None:
        return 0
    try:
        text = base64.urlsafe_b64decode(cursor.encode()).decode()
        return int(text.removeprefix("a")) if text.startswith("a") else _bad_cursor()
    except ValueError:
        return _bad_cursor()


def _bad_cursor() -> int:
    raise QuestionError("the cursor is not valid", hint="leave cursor out to start at the first page")
