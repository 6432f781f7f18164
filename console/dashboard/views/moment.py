"""One zone at one moment: the newest closed slot at or before it, and the stored rows around it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

import msgspec

from agents.assets.contract import StorageParameters
from agents.assets.registry import stores_of, type_of
from agents.plant.plan_sentences import least_mw
from console.dashboard.views.known_alerts import Known, as_of, lasting_alerts
from console.dashboard.views.texts import power_scale
from console.dashboard.views.texts import signed as signed_number
from mcp_server.queries.context import ReadContext
from vpp.alerting.act_book import ActBook
from vpp.alerting.rules import load_rules
from vpp.alerting.standing import read_acts, standing_of
from vpp.errors import MessageError
from vpp.fleet.assets import Asset
from vpp.fleet.scale import PowerScale, power_text
from vpp.fleet.schema import Zone
from vpp.messages import Decision, read_decision
from vpp.store.query import Filters
from vpp.store.table import Table
from vpp.store.tables import ALERTS, ASSETS, DECISIONS, FORECASTS, LEDGER, SETPOINTS, TELEMETRY

OPEN_CRITICAL = timedelta(hours=24)
OPEN_WARNING = timedelta(hours=6)
MOST_ALERTS = 500


@dataclass(frozen=True)
class Moment:
    """A zone as it is looked at.

    Attributes:
        context: Store, fleet and clock of the run.
        zone: The zone's name.
        at: Look back: nothing later than this is read; None: now.
    """

    context: ReadContext
    zone: str
    at: datetime | None = None

    @cached_property
    def config(self) -> Zone | None:
        """Configuration of the zone, None if no file has it."""
        return self.context.config(self.zone)

    @cached_property
    def step(self) -> timedelta:
        """Slot length."""
        return timedelta(minutes=self.context.step_min(self.zone))

    @cached_property
    def telemetry(self) -> dict[str, Any]:
        """The newest closed slot; empty if nothing is closed yet."""
        rows = self.rows(TELEMETRY, limit=1, order="desc")
        return rows[0] if rows else {}

    @property
    def slot(self) -> datetime | None:
        """Start of the newest closed slot."""
        return self.telemetry.get("slot")

    @property
    def now(self) -> datetime | None:
        """End of the newest closed slot."""
        return None if self.slot is None else self.slot + self.step

    @property
    def factor(self) -> float:
        """Share of the region's net load that the plant serves."""
        return 1.0 if self.config is None else self.config.share.factor

    @property
    def scale(self) -> PowerScale:
        """The scale of the served power; 1 MW without a fleet file."""
        return PowerScale.of(1.0) if self.config is None else self.config.served_scale

    @property
    def region_scale(self) -> PowerScale:
        """The scale of the region's net load; 1 MW without a fleet file."""
        return PowerScale.of(1.0) if self.config is None else self.config.region_scale

    def power_text(self, power_mw: float) -> str:
        """Return a power in words, in the unit of the zone's size: all powers of a screen share one unit."""
        return power_text(power_mw, self.scale.reference_mw)

    def signed_power(self, power_mw: float) -> str:
        """Return a power in words with its sign and a true minus, in the unit of the zone's size."""
        return power_text(power_mw, self.scale.reference_mw, signed=True).replace("-", "−")

    def brief_power(self, power_mw: float, *, signed: bool = False) -> str:
        """Return a power as the values of a screen show it: one decimal in the unit of the zone's size."""
        scale = power_scale(self.scale.reference_mw)
        value, digits = power_mw * scale["factor"], 1 + scale["digits"]
        return f"{signed_number(value, digits) if signed else f'{value:,.{digits}f}'} {scale['unit']}"

    @property
    def time_zone(self) -> str:
        """The zone's local time."""
        return "UTC" if self.config is None else self.config.time_zone

    @property
    def currency(self) -> str:
        """Currency of the zone's money."""
        return "" if self.config is None else self.config.market.currency

    def limits_mw(self, asset: Asset | None) -> tuple[float | None, float | None]:
        """Return an asset's least and greatest power (MW, positive into the grid); None if weather decides."""
        if asset is None or self.config is None:
            return None, None
        return type_of(asset).shown_limits_mw(self.config, asset)

    @cached_property
    def stores(self) -> dict[str, StorageParameters]:
        """The zone's assets that trade freely with a store, by asset id."""
        return {} if self.config is None else stores_of(self.config)

    def rows(
        self,
        table: Table,
        *,
        start: datetime | None = None,
        end: datetime | None = None,
        columns: Sequence[str] | None = None,
        filters: Filters | None = None,
        limit: int | None = None,
        order: Any = "asc",
    ) -> list[dict[str, Any]]:
        """Return rows of the zone up to the moment, as dicts.

        Args:
            table: The table.
            start: First time, inclusive.
            end: End, exclusive; cut to the moment.
            columns: Columns wanted.
            filters: Values that columns must have, as ``Store.read`` takes them.
            limit: Most rows to return.
            order: ``asc`` or ``desc``.
        """
        until = self._until(table)
        if end is None or (until is not None and until < end):
            end = until
        read = self.context.store.read(
            table, zone=self.zone, start=start, end=end, columns=columns, filters=filters, limit=limit, order=order
        )
        return read.dicts()

    def _until(self, table: Table) -> datetime | None:
        if self.at is None:
            return None
        # A slot is known once it has ended; its decision and forecast follow at that time, setpoints speak of the next.
        return self.at if table is SETPOINTS else self.at - self.step + timedelta(seconds=1)

    @cached_property
    def decision(self) -> Decision | None:
        """The decision for the slot that begins now: its newest revision."""
        if self.slot is None:
            return None
        rows = self.rows(DECISIONS, start=self.slot, columns=("revision", "body"))
        return _newest_decision(rows)

    @cached_property
    def plan(self) -> Decision | None:
        """The newest decision that has a plan, of the newest slot; None under a hold of all or a reflex."""
        return self.decision if self.decision is not None and self.decision.plan is not None else None

    def decided(self, slot: datetime) -> Decision | None:
        """Return the newest revision of the decision that followed ``slot``, None if there is none."""
        return _newest_decision(
            self.rows(DECISIONS, start=slot, end=slot + timedelta(seconds=1), columns=("revision", "body"))
        )

    @cached_property
    def setpoints(self) -> dict[str, dict[str, Any]]:
        """Setpoints of the slot that begins now, by asset: the highest revision of each."""
        now = self.now
        if now is None:
            return {}
        newest: dict[str, dict[str, Any]] = {}
        rows = self.context.store.read(SETPOINTS, zone=self.zone, start=now, end=now + timedelta(seconds=1)).dicts()
        for row in sorted(rows, key=lambda row: row["revision"]):
            newest[row["asset_id"]] = row
        return newest

    @cached_property
    def delivered(self) -> dict[str, dict[str, Any]]:
        """Rows of the assets in the newest closed slot."""
        if self.slot is None:
            return {}
        return {row["asset_id"]: row for row in self.rows(ASSETS, start=self.slot)}

    @cached_property
    def forecast(self) -> dict[str, list[dict[str, Any]]]:
        """Rows of the newest forecast by target, in order of horizon."""
        last = self.rows(FORECASTS, limit=1, order="desc", columns=("issued_at",))
        if not last:
            return {}
        by_target: dict[str, list[dict[str, Any]]] = {}
        for row in self.rows(FORECASTS, start=last[0]["issued_at"]):
            if row["q50"] is not None:
                by_target.setdefault(row["target"], []).append(row)
        return {target: sorted(rows, key=lambda row: row["horizon_min"]) for target, rows in by_target.items()}

    @cached_property
    def acts(self) -> ActBook:
        """What people had done about the zone's alerts, by the wall clock."""
        return read_acts(self.context.store, self.zone, until=self.at)

    @property
    def wall(self) -> datetime:
        """Wall time; looking back, the moment itself."""
        return self.context.now() if self.at is None else self.at

    @property
    def least_mw(self) -> float:
        """Power below which an asset rests, 0 if the zone is in no fleet."""
        return 0.0 if self.config is None else least_mw(self.config)

    @cached_property
    def alerts(self) -> list[dict[str, Any]]:
        """Alerts of the last 24 h and older ones that last, newest first, with how each stands with people.

        At most ``MOST_ALERTS`` of either kind: the newest. Looking back, one that ended later lasts.
        """
        if self.now is None:
            return []
        day, known_to, store = self.now - OPEN_CRITICAL, self._until(ALERTS), self.context.store
        known = None if self.at is None or known_to is None else Known(self.at, known_to)
        newest = store.read(ALERTS, zone=self.zone, start=day, end=known_to, order="desc", limit=MOST_ALERTS)
        older = lasting_alerts(store, day, known, zone=self.zone, limit=MOST_ALERTS)
        rows = [*as_of([newest], known), *older]
        rules, alerts = load_rules(self.context.settings.alert_rules), []
        for row in rows:
            standing = standing_of(row, rules, self.acts, self.wall)
            values = msgspec.json.decode(row["values"] or "{}")
            alerts.append({**row, "values": values, "severity": standing.handling.severity, **standing.facts()})
        return alerts

    @cached_property
    def settled_to(self) -> datetime | None:
        """The newest slot with rows in the ledger, None if there is none."""
        rows = self.rows(LEDGER, limit=1, order="desc", columns=("slot",))
        return rows[0]["slot"] if rows else None

    def ledger_since(self, start: datetime) -> list[dict[str, Any]]:
        """Return ledger rows from ``start`` on."""
        return self.rows(LEDGER, start=start)


def _newest_decision(rows: list[dict[str, Any]]) -> Decision | None:
    if not rows:
        return None
    body = max(rows, key=lambda row: row["revision"])["body"]
    try:
        return read_decision(body)
    except MessageError:  # written by another version: it is shown as not decided, and Health shows the error
        return None


def store_of(asset: Asset | None) -> StorageParameters | None:
    """Return an asset's parameters as a freely trading store, None for other assets."""
    return None if asset is None else type_of(asset).store(asset)
