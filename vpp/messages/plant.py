"""Outputs of the plant: setpoints, delivered power and money; dead letters and audit records of all steps."""

from __future__ import annotations

from vpp.messages.integers import Integer
from vpp.messages.telemetry import Record
from vpp.messages.times import Time


class Setpoint(Record, kw_only=True, frozen=True, tag="setpoint", omit_defaults=True):
    """Planned power of one asset over ``slot``, with the short curves that a device follows inside it.

    All curves are points, interpolated, flat outside; empty: none. ``curve``: (seen net load of the served share MW,
    power MW). ``frequency_curve``: (seen frequency Hz, MW added). ``price_curve``: (seen price per MWh, power MW
    at the expected net load), in markets that take it; its difference to ``power_mw`` is added. ``valid_until`` is the
    slot's end; after it the device falls back to ``fallback_mw``.
    """

    slot: Time
    asset_id: str
    power_mw: float
    curve: list[tuple[float, float]] = []
    frequency_curve: list[tuple[float, float]] = []
    price_curve: list[tuple[float, float]] = []
    fallback_mw: float = 0.0
    valid_until: Time
    decision_id: str
    reason: str
    revision: Integer = 0


class AssetStatus(Record, kw_only=True, frozen=True, tag="asset", omit_defaults=True):
    """Delivered power of one asset over ``slot`` (MW, positive into the grid) and its state at the slot's end.

    ``outcome``: outcome of its newest command, as verified by its gateway; None without a gateway.
    """

    slot: Time
    asset_id: str
    asset_kind: str
    power_mw: float
    energy_mwh: float
    soc: float | None
    planned_mw: float | None
    source: str
    available: bool = True
    outcome: str | None = None


class LedgerEntry(Record, kw_only=True, frozen=True, tag="ledger", omit_defaults=True):
    """Settlement of one asset and slot, or of the zone's penalties (``asset_id`` ``zone``), in the zone's currency.

    ``pnl = revenue - wear_cost - fuel_cost - start_cost - penalty``. A null price gives a null revenue, which counts as
    nothing in ``pnl`` until a correction brings it. ``revision`` 0 is the first entry; a correction is the difference.
    ``provisional``: net load of the slot is distrusted and replaced by the forecast; only the
    zone's entry depends on it, and a later revision settles it.
    ``frequency_mwh``: the part of ``energy_mwh`` that the asset's own answer to frequency added.
    """

    slot: Time
    asset_id: str
    revision: Integer
    energy_mwh: float | None
    price_per_mwh: float | None
    revenue: float | None
    wear_cost: float
    fuel_cost: float
    start_cost: float
    penalty: float
    penalty_no_action: float
    pnl: float
    currency: str
    provisional: bool = False
    frequency_mwh: float = 0.0


class Trade(Record, kw_only=True, frozen=True, tag="trade"):
    """Energy bought (``buy``: charged) or sold (``sell``: discharged) at the actual price; energy is positive."""

    slot: Time
    asset_id: str
    revision: Integer
    side: str
    energy_mwh: float
    price_per_mwh: float | None
    revenue: float | None
    currency: str


class DeadLetter(Record, kw_only=True, frozen=True, tag="dead_letter", omit_defaults=True):
    """A record that could not be used; (topic, partition, offset) identifies it, ``raw`` is its value in base64."""

    reason: str
    detail: str
    topic: str
    partition: Integer
    offset: Integer
    raw: str
    truncated: bool = False


class Audit(Record, kw_only=True, frozen=True, tag="audit", omit_defaults=True):
    """One act on the plant, append-only: principal, request and verdict."""

    audit_id: str
    at: Time
    principal: str
    action: str
    verdict: str
    detail: str = ""
    digest: str | None = None
