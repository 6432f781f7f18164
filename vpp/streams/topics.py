"""The one table of topics: names, contents, retention. Source of compose file, docs, ACLs and tests."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from vpp import messages as m

PREFIX = "vpp."
DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic.

    Attributes:
        name: Short name; the wire name is ``prefix + name``.
        carries: Union of the message types on it.
        doc: One sentence for people.
        retention_ms: How long the broker keeps records, by the broker's clock.
        end_from: Producers whose ``end`` arrives on it once per zone in a run that ends.
        writers: Topologies and tools that may write it (for ACLs).
        readers: Topologies that read it, besides storage, which reads those in ``STORED``.
    """

    name: str
    carries: Any
    doc: str
    retention_ms: int = 7 * DAY_MS
    end_from: tuple[str, ...] = ()
    writers: tuple[str, ...] = ()
    readers: tuple[str, ...] = ()
    config: dict[str, str] = field(default_factory=dict)

    def wire(self, prefix: str = PREFIX) -> str:
        """Return the name on the broker."""
        return prefix + self.name

    def broker_config(self) -> dict[str, str]:
        """Return the topic's configuration on the broker.

        Records carry the broker's time: with event time, retention would delete a replay of old data within minutes.
        """
        return {
            "cleanup.policy": "delete",
            "retention.ms": str(self.retention_ms),
            "message.timestamp.type": "LogAppendTime",
            **self.config,
        }


RAW = Topic(
    "telemetry.raw",
    m.Raw,
    "Records of sources: observations, publications, promotions, deadlines, end; orders to the guard; zone changes.",
    end_from=("source",),
    writers=("replay", "simulate", "feed", "ticker", "train", "gateway", "orders"),
    readers=("telemetry",),
)
TELEMETRY = Topic(
    "telemetry",
    m.Telemetry,
    "Closed slots with a quality per channel, publications, and answers of remote inference.",
    end_from=("telemetry",),
    writers=("telemetry", "inference"),
    readers=("forecast",),
)
FEATURES = Topic(
    "features",
    m.FeatureRow,
    "Rows for remote inference, one message per closed slot; empty if the worker makes forecasts itself.",
    retention_ms=DAY_MS,
    writers=("forecast",),
    readers=("inference",),
)
FORECASTS = Topic(
    "forecasts",
    m.Forecasts,
    "Quantile forecasts of net load and price for every horizon, one message per closed slot.",
    end_from=("forecast",),
    writers=("forecast",),
    readers=("actor", "trader"),
)
BIDS = Topic(
    "bids",
    m.Bids,
    "Bids of actor and trader, admitted orders, decision deadlines.",
    end_from=("actor", "trader"),
    writers=("actor", "trader", "orders", "ticker"),
    readers=("plant",),
)
ORDERS = Topic(
    "orders",
    m.Orders,
    "Orders of operators and agents and changes of zones, before admission.",
    retention_ms=30 * DAY_MS,
    writers=("cli", "mcp", "dashboard", "gateway"),
    readers=("orders",),
)
ORDER_STATES = Topic(
    "order_states",
    m.OrderState,
    "States of each order, one message per change.",
    retention_ms=30 * DAY_MS,
    writers=("plant",),
)
SETPOINTS = Topic(
    "setpoints",
    m.Setpoint | m.End,
    "Planned power per asset and slot, with the curve inside the slot.",
    end_from=("plant",),
    writers=("plant",),
    readers=("gateway",),
)
ASSETS = Topic(
    "assets",
    m.AssetStatus | m.End,
    "Delivered power and state per asset and slot.",
    end_from=("plant",),
    writers=("plant",),
)
LEDGER = Topic(
    "ledger",
    m.LedgerEntry | m.Trade | m.End,
    "Settlement per asset and slot, penalties per zone, trades.",
    retention_ms=30 * DAY_MS,
    end_from=("plant",),
    writers=("plant",),
)
DECISIONS = Topic(
    "decisions",
    m.Decision | m.End,
    "Receipt and plan of every decision.",
    end_from=("plant",),
    writers=("plant",),
)
ALERTS = Topic(
    "alerts",
    m.Alert | m.AlertAct | m.Notice | m.End,
    "Alerts, acts of people on them, and notices sent.",
    end_from=("telemetry", "forecast", "plant"),
    writers=(
        *("telemetry", "inference", "forecast", "actor", "trader", "orders", "plant", "storage"),
        *("cli", "dashboard", "alerts", "gateway"),
    ),
    readers=("alerts",),
)
SKILL = Topic(
    "skill",
    m.Skill | m.End,
    "Live scores of past forecasts.",
    end_from=("forecast",),
    writers=("forecast",),
)
DLQ = Topic(
    "dlq",
    m.DeadLetter,
    "Records that could not be used, with reason, position and raw bytes.",
    retention_ms=30 * DAY_MS,
    writers=("telemetry", "inference", "forecast", "actor", "trader", "orders", "plant", "storage"),
)
AUDIT = Topic(
    "audit",
    m.Audit,
    "Append-only record of every act on the plant.",
    retention_ms=365 * DAY_MS,
    writers=("orders", "mcp", "agent", "cli", "dashboard"),
)

COMMANDS = Topic(
    "commands",
    m.DeviceCommand,
    "Commands to devices with their proof: sent, acknowledged, read back, measured.",
    retention_ms=30 * DAY_MS,
    writers=("gateway",),
)

TOPICS: tuple[Topic, ...] = (
    RAW,
    TELEMETRY,
    FEATURES,
    FORECASTS,
    BIDS,
    ORDERS,
    ORDER_STATES,
    SETPOINTS,
    ASSETS,
    LEDGER,
    DECISIONS,
    ALERTS,
    SKILL,
    DLQ,
    AUDIT,
    COMMANDS,
)
STORED: tuple[Topic, ...] = tuple(topic for topic in TOPICS if topic not in (RAW, FEATURES))
"""The topics that storage reads: no table holds raw telemetry or feature rows."""
BY_NAME: dict[str, Topic] = {topic.name: topic for topic in TOPICS}
TOPOLOGIES: tuple[str, ...] = (
    "telemetry",
    "forecast",
    "actor",
    "trader",
    "orders",
    "plant",
    "storage",
)
INPUT_OF: dict[str, Topic] = {
    "telemetry": RAW,
    "forecast": TELEMETRY,
    "actor": FORECASTS,
    "trader": FORECASTS,
    "orders": ORDERS,
    "plant": BIDS,
}


def expected_ends() -> frozenset[tuple[str, str]]:
    """Return the (topic, producer) pairs whose ``end`` storage must see per zone before a run is done.

    The source's own end on the raw topic is not waited for: storage may start reading it late, and telemetry's end
    implies it.
    """
    return frozenset((t.name, p) for t in TOPICS for p in t.end_from if t is not RAW)
